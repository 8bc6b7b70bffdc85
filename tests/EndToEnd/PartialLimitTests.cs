using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Budgets with limits inside, on the embedded cluster and a real API server.</summary>
internal static class PartialLimits
{
    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>The second job of a user waits, and those of another user and without a user run.</summary>
    public static async Task EachValueHasALimitAsync(Scene scene)
    {
        var world = scene.World;
        await scene.BudgetAsync("1000", """{"perLabel": {"key": "user", "limit": {"cost": "20"}}}""");
        await JobAsync(scene, "alice-1", "4h", "alice");
        await scene.UntilRunsAsync("alice-1");
        await JobAsync(scene, "alice-2", "4h", "alice");
        await JobAsync(scene, "bob-1", "4h", "bob");
        await scene.JobAsync("without-user", declared: "20h");

        await scene.UntilSuspendedAsync("alice-2");
        await scene.UntilRunsAsync("bob-1");
        await scene.UntilRunsAsync("without-user");
        await scene.UntilAsync("the status shows both users", async () =>
            await scene.StatusAsync() is { SuspendedCount: 1, PerLabel: { Count: 2 } users } && users.Sum(one => one.SuspendedCount) == 1
        );
        var status = (await scene.StatusAsync())!;
        status.PerLabelCount.Should().Be(2);
        status
            .PerLabel!.Select(one => (one.Name, one.State, one.Limit, one.SuspendedCount))
            .Should()
            .BeEquivalentTo([("alice", "WorkloadsSuspended", "20.000000", 1), ("bob", "OnTrack", "20.000000", 0)]);
        status.Suspended!.Select(one => (one.Name, one.Limit)).Should().Equal(("alice-2", "user=alice"));
        (await scene.UntilEventAsync("Suspended", "alice-2")).Note.Should().Contain("imit user=alice of budget b has");
        (await world.MetricsAsync(Ct))
            .Where(sample => sample.Name == "bursar_sublimit_limit")
            .Select(sample => (sample.Label("budget"), sample.Label("limit"), sample.Label("unit"), sample.Value))
            .Should()
            .BeEquivalentTo([("b", "user=alice", "USD", 20d), ("b", "user=bob", "USD", 20d)]);

        await PatchAsync(scene, """{"perLabel": null}""");
        await scene.UntilResumedAsync("alice-2");
        await scene.UntilAsync("the status shows no user", async () => await scene.StatusAsync() is { PerLabel: null });
    }

    public static Task CreateBudgetAsync(Scene scene, string spec) =>
        scene.CreateAsync(
            $"/apis/bursar.dev/v1alpha1/namespaces/{scene.Team}/gpubudgets",
            $$"""{"apiVersion": "bursar.dev/v1alpha1", "kind": "GpuBudget", "metadata": {"name": "b"}, "spec": {{spec}}}"""
        );

    public static Task PatchAsync(Scene scene, string spec) =>
        scene.World.Client.PatchAsync<V1Alpha1GpuBudget>(
            "b",
            scene.Team,
            KubePatch.Merge((JsonObject)JsonNode.Parse($$"""{"spec": {{spec}}}""")!),
            Ct
        );

    /// <summary>Creates a job of one pod.</summary>
    public static Task JobAsync(
        Scene scene,
        string name,
        string declared,
        string? user,
        string? product = null,
        string? queue = null,
        int gpus = 1
    )
    {
        var pods = (JsonObject)
            JsonNode.Parse(
                """{"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {}}}]}"""
            )!;
        pods["containers"]![0]!["resources"]!["limits"]!["nvidia.com/gpu"] = gpus;
        if (product is not null)
            pods["nodeSelector"] = new JsonObject { ["nvidia.com/gpu.product"] = product };
        return scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            new JsonObject
            {
                ["apiVersion"] = "batch/v1",
                ["kind"] = "Job",
                ["metadata"] = new JsonObject
                {
                    ["name"] = name,
                    ["labels"] = queue is null ? [] : new JsonObject { ["kueue.x-k8s.io/queue-name"] = queue },
                    ["annotations"] = new JsonObject { ["bursar.dev/expected-duration"] = declared },
                },
                ["spec"] = new JsonObject
                {
                    ["template"] = new JsonObject
                    {
                        ["metadata"] = new JsonObject { ["labels"] = user is null ? [] : new JsonObject { ["user"] = user } },
                        ["spec"] = pods,
                    },
                },
            }.ToJsonString()
        );
    }
}

/// <summary>The limits inside a budget: of GPU-hours, of a product, and of each value of a label.</summary>
public sealed class PartialLimitTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Job_that_does_not_fit_the_GPU_hours_waits_until_they_are_raised()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(scene, """{"limit": {"cost": "1000", "gpuHours": "10"}}""");
        await scene.JobAsync("first", declared: "6h");
        await scene.UntilRunsAsync("first");
        await scene.JobAsync("second", declared: "6h");

        await scene.UntilSuspendedAsync("second");
        await scene.PassAsync(60);
        (await scene.RunsAsync("first")).Should().BeTrue();
        var status = (await scene.StatusAsync())!;
        status.State.Should().Be("WorkloadsSuspended");
        status.Currency.Should().Be("USD");
        status
            .Limits!.Single()
            .Should()
            .BeEquivalentTo(
                new
                {
                    Name = "gpuHours",
                    Unit = "GPU-hours",
                    Limit = "10.000000",
                    State = "WorkloadsSuspended",
                    SuspendedCount = 1,
                }
            );
        status.Suspended!.Select(one => (one.Name, one.Limit)).Should().Equal(("second", "gpuHours"));
        (await scene.UntilEventAsync("Suspended", "second"))
            .Note.Should()
            .Contain("would cost 6.00 GPU-hours")
            .And.Contain("imit gpuHours of budget b has")
            .And.Contain("at 1.00 GPUs");
        (await scene.UntilEventAsync("Suspended", "b")).Note.Should().StartWith("Job/second: ");

        await PartialLimits.PatchAsync(scene, """{"limit": {"gpuHours": "20"}}""");
        await scene.UntilResumedAsync("second");
        await scene.PassAsync(60);
        (await scene.StatusAsync())!.State.Should().Be("OnTrack");
        (await world.JobAsync(scene.Team, "second", Ct)).Metadata.Generation.Should().Be(3, "one suspension and one resume");
    }

    [Fact]
    public async Task Budget_without_a_cost_counts_GPU_hours_alone_and_needs_no_price()
    {
        // The book has no price for these GPUs.
        var scene = await Scene.SandboxAsync(
            more: new FleetNode
            {
                Name = "gpu-2",
                Gpu = SimulatedGpuModel.A100,
                Gpus = 4,
            }
        );
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(scene, """{"limit": {"gpuHours": "5"}}""");
        await PartialLimits.JobAsync(scene, "unpriced", "6h", user: null, SimulatedGpuModel.A100.Product);
        await PartialLimits.JobAsync(scene, "fits", "4h", user: null, SimulatedGpuModel.A100.Product);

        await scene.UntilSuspendedAsync("unpriced");
        await scene.UntilRunsAsync("fits");
        await scene.PassAsync(3600);
        var status = (await scene.StatusAsync())!;
        status.Currency.Should().Be("GPU-hours");
        status.Limits.Should().BeNull();
        Number(status.Spent).Should().BeInRange(0.95m, 1.1m);
        Number(status.Projected).Should().BeInRange(3.9m, 4.1m);
        (await scene.ConditionAsync("PricesTrusted"))!.Status.Should().Be("True");
    }

    [Fact]
    public async Task Limit_on_a_product_stops_only_jobs_on_its_GPUs()
    {
        var scene = await Scene.SandboxAsync(
            more: new FleetNode
            {
                Name = "gpu-2",
                Gpu = SimulatedGpuModel.H100,
                Gpus = 4,
            }
        );
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(
            scene,
            """{"limit": {"gpuHours": "1000"}, "limits": [{"name": "h100", "match": {"product": "*H100*"}, "gpuHours": "8"}]}"""
        );
        await PartialLimits.JobAsync(scene, "scarce", "6h", user: null, SimulatedGpuModel.H100.Product);
        await scene.UntilRunsAsync("scarce");
        await PartialLimits.JobAsync(scene, "also-scarce", "6h", user: null, SimulatedGpuModel.H100.Product);
        await PartialLimits.JobAsync(scene, "other", "60h", user: null, SimulatedGpuModel.V100.Product);

        await scene.UntilSuspendedAsync("also-scarce");
        await scene.PassAsync(3600);
        (await scene.RunsAsync("scarce")).Should().BeTrue();
        (await scene.RunsAsync("other")).Should().BeTrue();
        var limit = (await scene.StatusAsync())!.Limits!.Single();
        limit.Name.Should().Be("h100");
        Number(limit.Spent).Should().BeInRange(0.95m, 1.1m, "the other job uses another product");
        Number(limit.Projected).Should().BeInRange(5.9m, 6.1m);
    }

    [Fact]
    public async Task Each_value_of_a_label_has_a_limit_of_its_own()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await PartialLimits.EachValueHasALimitAsync(scene);
    }

    /// <summary>A job that could run elsewhere got a GPU of the product. It is suspended once, and does not come back to it.</summary>
    [Fact]
    public async Task Job_without_a_node_selector_is_suspended_once_by_a_limit_on_a_product()
    {
        var scene = await Scene.SandboxAsync(
            more: new FleetNode
            {
                Name = "gpu-2",
                Gpu = SimulatedGpuModel.H100,
                Gpus = 32,
            }
        );
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(
            scene,
            """{"limit": {"gpuHours": "1000"}, "limits": [{"name": "h100", "match": {"product": "*H100*"}, "gpuHours": "30"}, {"name": "typo", "match": {"product": "H100"}, "gpuHours": "1"}]}"""
        );
        // Only the H100 node has that many.
        await PartialLimits.JobAsync(scene, "large", "10h", user: null, gpus: 20);

        await scene.UntilSuspendedAsync("large");
        await scene.PassAsync(900);
        (await scene.IsSuspendedAsync("large")).Should().BeTrue();
        (await world.JobAsync(scene.Team, "large", Ct)).Metadata.Generation.Should().Be(2, "one suspension");
        (await scene.StatusAsync())!
            .Limits!.Select(one => (one.Name, one.Gpus, one.SuspendedCount))
            .Should()
            .Equal(("h100", 32, 1), ("typo", 0, 0));

        await PartialLimits.PatchAsync(scene, """{"limits": [{"name": "h100", "match": {"product": "*H100*"}, "gpuHours": "500"}]}""");
        await scene.UntilResumedAsync("large");
        await scene.PassAsync(300);
        (await world.JobAsync(scene.Team, "large", Ct)).Metadata.Generation.Should().Be(3, "one suspension and one resume");
    }

    [Fact]
    public async Task Empty_value_of_the_label_has_no_limit_and_the_status_is_written()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(
            scene,
            """{"limit": {"cost": "1000"}, "perLabel": {"key": "user", "limit": {"gpuHours": "1"}}}"""
        );
        await PartialLimits.JobAsync(scene, "unnamed", "10h", user: "");
        await PartialLimits.JobAsync(scene, "named", "10h", user: "alice");

        await scene.UntilSuspendedAsync("named");
        await scene.UntilAsync("the status shows it", async () => await scene.StatusAsync() is { SuspendedCount: 1, PerLabelCount: 1 });
        (await scene.RunsAsync("unnamed")).Should().BeTrue();
        (await scene.ConditionAsync("Ready"))!.Message.Should().StartWith("Limit user=alice: ");
    }

    /// <summary>Between the end of its pod and the Job's status, the job must not seem to run again.</summary>
    [Fact]
    public async Task Job_that_ends_when_declared_is_neither_suspended_nor_announced()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.JobAsync("train", declared: "15m", runFor: "15m");
        await scene.UntilAsync(
            "it is complete",
            async () => (await world.JobAsync(scene.Team, "train", Ct)).Status.Succeeded == 1,
            TimeSpan.FromMinutes(30)
        );

        await scene.PassAsync(60);
        (await scene.IsSuspendedAsync("train")).Should().BeFalse();
        foreach (var reason in (string[])["Suspended", "WillSuspend", "AtRisk"])
            (await scene.EventsAsync(reason)).Should().BeEmpty();
    }

    [Fact]
    public async Task Queue_of_Kueue_on_the_job_itself_can_be_the_label()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(
            scene,
            """{"limit": {"cost": "1000"}, "perLabel": {"key": "kueue.x-k8s.io/queue-name", "limit": {"gpuHours": "8"}}}"""
        );
        foreach (var name in (string[])["first", "second"])
        {
            await PartialLimits.JobAsync(scene, name, "6h", user: null, queue: "night");
            await scene.PassAsync(10);
        }

        await scene.UntilSuspendedAsync("second");
        await scene.UntilRunsAsync("first");
        await scene.PassAsync(60);
        (await scene.StatusAsync())!.PerLabel!.Select(one => (one.Name, one.SuspendedCount)).Should().Equal(("night", 1));
    }

    /// <summary>Every user may use 8 GPU-hours, and some of 500 start a second job of six hours.</summary>
    [Fact]
    public async Task Limits_of_500_users_stop_the_jobs_of_those_who_have_too_many()
    {
        const int users = 500,
            greedy = 20;
        var scene = await Scene.SandboxAsync(
            more:
            [
                .. Enumerable
                    .Range(0, 8)
                    .Select(i => new FleetNode
                    {
                        Name = $"gpu-{i + 2}",
                        Gpu = SimulatedGpuModel.V100,
                        Gpus = 64,
                    }),
            ]
        );
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(
            scene,
            """{"limit": {"gpuHours": "100000"}, "perLabel": {"key": "user", "limit": {"gpuHours": "8"}}}"""
        );
        for (var i = 0; i < users; i++)
            await PartialLimits.JobAsync(scene, $"job-{i}", "6h", $"user-{i}");
        await scene.UntilAsync("all users have a limit", async () => (await scene.StatusAsync())?.PerLabelCount == users);
        for (var i = 0; i < greedy; i++)
            await PartialLimits.JobAsync(scene, $"second-{i}", "6h", $"user-{i}");

        await scene.UntilAsync("the second jobs are suspended", async () => (await scene.StatusAsync())?.SuspendedCount == greedy);
        await scene.PassAsync(120);
        var jobs = (await world.Client.ListAsync<V1Job>(new() { Namespace = scene.Team }, Ct)).Items;
        jobs.Where(job => job.Spec.Suspend == true)
            .Select(job => job.Metadata.Name)
            .Should()
            .BeEquivalentTo(Enumerable.Range(0, greedy).Select(i => $"second-{i}"));
        (await scene.StatusAsync())!.PerLabel!.Should().HaveCount(20);
        (await world.MetricsAsync(Ct)).Count(sample => sample.Name == "bursar_sublimit_spent").Should().Be(users);
    }

    [Fact]
    public async Task Limit_survives_a_restart_of_the_operator()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await PartialLimits.CreateBudgetAsync(
            scene,
            """{"limit": {"cost": "1000"}, "perLabel": {"key": "user", "limit": {"gpuHours": "8"}}}"""
        );
        await PartialLimits.JobAsync(scene, "alice-1", "6h", "alice");
        await scene.UntilRunsAsync("alice-1");
        await PartialLimits.JobAsync(scene, "alice-2", "6h", "alice");
        await scene.UntilSuspendedAsync("alice-2");

        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, restart: true);
        await scene.PassAsync(120);
        (await scene.IsSuspendedAsync("alice-2")).Should().BeTrue();
        (await scene.StatusAsync())!.Suspended!.Select(one => (one.Name, one.Limit)).Should().Equal(("alice-2", "user=alice"));

        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("b", scene.Team, null, Ct);
        await scene.UntilResumedAsync("alice-2");
    }

    private static decimal Number(string? amount) => decimal.Parse(amount!, System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>Limits per label on the real control plane.</summary>
[Collection(RealClusterCollection.Name)]
public sealed class RealPartialLimitTests(RealCluster cluster)
{
    [SkippableFact]
    public Task Each_value_of_a_label_has_a_limit_of_its_own() => cluster.PlayAsync("limits", PartialLimits.EachValueHasALimitAsync);
}
