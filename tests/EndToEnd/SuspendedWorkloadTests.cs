using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Suspended workloads whose budget, user or another actor changes something.</summary>
internal static class SuspendedWorkloads
{
    public static async Task ResumedIsSuspendedAgainThenContestedAsync(Scene scene)
    {
        await scene.BudgetAsync("1");
        // Work older than the budget's first evaluation would be spared for the settle time.
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        for (var undone = 0; undone < 2; undone++)
        {
            await scene.SuspendAsync("too-long", false);
            await scene.UntilSuspendedAsync("too-long", TimeSpan.FromSeconds(20));
            await scene.UntilAsync("it is reported", async () => (await scene.StatusAsync())?.Decisions?[0].Reason == "SuspendedAgain");
            await scene.PassAsync(1);
        }
        await scene.SuspendAsync("too-long", false);
        await scene.UntilConditionAsync("Contested", "True");
        await scene.PassAsync(10);
        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse("it is tried again every 5 minutes only");
        (await scene.ConditionAsync("Contested"))!.Message.Should().Contain("Job/too-long (by ", "who undoes it is named");
    }

    public static async Task SuspendedByOthersIsNeverTouchedAsync(Scene scene)
    {
        await scene.BudgetAsync("1");
        await scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            """
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "theirs", "annotations": {"bursar.dev/expected-duration": "2h"}},
             "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never",
               "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """
        );
        await scene.UntilAsync("it is seen", async () => (await scene.StatusAsync())?.Workloads is [{ State: "SuspendedByOther" }]);
        await scene.SetLimitAsync("100");
        await scene.PassAsync(12);
        (await scene.IsSuspendedAsync("theirs")).Should().BeTrue();
        (await scene.StatusAsync())!.SuspendedCount.Should().Be(0);
    }

    public static async Task DeletedBudgetResumesAsync(Scene scene, TimeSpan within)
    {
        await scene.BudgetAsync("1");
        string[] jobs = ["one", "two", "three"];
        foreach (var job in jobs)
            await scene.JobAsync(job, declared: "2h");
        foreach (var job in jobs)
            await scene.UntilSuspendedAsync(job);
        await scene.World.Client.DeleteAsync<V1Alpha1GpuBudget>("b", scene.Team, null, CancellationToken.None);
        var given = 0;
        await scene.UntilAsync(
            "all are resumed",
            async () =>
            {
                var now = 0;
                foreach (var job in jobs)
                    if (!await scene.IsSuspendedAsync(job))
                        now++;
                (now - given).Should().BeLessThanOrEqualTo(1, "one at a time");
                given = now;
                return now == jobs.Length;
            },
            within
        );
        foreach (var job in jobs)
            (await scene.World.JobAsync(scene.Team, job, CancellationToken.None))
                .Metadata.Annotations.Should()
                .NotContainKey("bursar.dev/suspended-by");
    }
}

public sealed class SuspendedWorkloadTests
{
    [Fact]
    public async Task Job_resumed_by_its_user_is_suspended_again_and_then_contested()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await SuspendedWorkloads.ResumedIsSuspendedAgainThenContestedAsync(scene);

        await scene.UntilSuspendedAsync("too-long", TimeSpan.FromMinutes(6));
    }

    /// <summary>New jobs are also suspended by rules other than the forecast of their own cost.</summary>
    [Theory]
    [InlineData("100", """{"training": {"unknownDuration": "Hold"}}""", null, false)]
    [InlineData("10", null, "10m", true)]
    public async Task New_job_that_its_user_keeps_resuming_is_contested(string limit, string? spec, string? declared, bool serving)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        if (serving)
            await Scalers.ServeAsync(scene, "chat");
        await scene.BudgetAsync(limit, spec);
        await scene.UntilAsync("the budget is seen", async () =>
            await scene.StatusAsync() is { } status && (status.Workloads?.Count ?? 0) == (serving ? 1 : 0)
        );
        await scene.JobAsync("new", declared);
        await scene.UntilSuspendedAsync("new");
        for (var resumed = 1; resumed <= 2; resumed++)
        {
            await scene.SuspendAsync("new", false);
            await scene.UntilSuspendedAsync("new", TimeSpan.FromSeconds(20));
            await scene.UntilEventAsync("SuspendedAgain", "new");
            await scene.PassAsync(1);
        }
        await scene.SuspendAsync("new", false);
        await scene.UntilConditionAsync("Contested", "True", within: TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task Event_on_the_budget_names_the_job_and_omits_the_verb_of_its_reason()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        var (onJob, onBudget) = await NotesAsync("Suspended");
        onJob.Should().StartWith("Suspended: this job would cost ");
        onBudget.Should().Be($"Job/too-long: {onJob["Suspended: ".Length..]}");

        await scene.SuspendAsync("too-long", false);
        await scene.UntilSuspendedAsync("too-long", TimeSpan.FromSeconds(20));
        (onJob, onBudget) = await NotesAsync("SuspendedAgain");
        onJob.Should().StartWith("Suspended again: ");
        onBudget.Should().Be($"Job/too-long: {onJob["Suspended again: ".Length..]}");

        await scene.SetLimitAsync("50");
        await scene.UntilResumedAsync("too-long", TimeSpan.FromSeconds(60));
        (onJob, onBudget) = await NotesAsync("Resumed");
        onJob.Should().StartWith("Resumed (");
        // The cause in brackets stays, without them.
        var end = onJob.IndexOf("): ", StringComparison.Ordinal);
        onBudget.Should().Be($"Job/too-long: {onJob["Resumed (".Length..end]}: {onJob[(end + 3)..]}");

        async Task<(string OnJob, string OnBudget)> NotesAsync(string reason) =>
            ((await scene.UntilEventAsync(reason, "too-long")).Note!, (await scene.UntilEventAsync(reason, "b")).Note!);
    }

    [Fact]
    public async Task Workload_suspended_by_another_actor_is_never_touched()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await SuspendedWorkloads.SuspendedByOthersIsNeverTouchedAsync(scene);
    }

    [Fact]
    public async Task Deleted_budget_reserves_nothing_and_its_workloads_resume_one_at_a_time()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await SuspendedWorkloads.DeletedBudgetResumesAsync(scene, TimeSpan.FromSeconds(40));
    }

    [Fact]
    public async Task Workload_that_the_selector_no_longer_matches_is_resumed()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await world.Client.PatchAsync<V1Alpha1GpuBudget>(
            "b",
            scene.Team,
            KubePatch.Merge(JsonNode.Parse("""{"spec": {"selector": {"matchLabels": {"app": "other"}}}}""")!.AsObject()),
            CancellationToken.None
        );
        await scene.UntilResumedAsync("too-long");
        await scene.UntilAsync("no record is left", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
        await scene.UntilAsync(
            "its cost is outside now",
            async () => (await scene.StatusAsync()) is { OutsideSelector: { } outside } && outside != "0.000000" && outside != "0.00",
            TimeSpan.FromSeconds(90)
        );
    }

    [Fact]
    public async Task Job_deleted_while_suspended_leaves_no_record_for_one_of_the_same_name()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await world.Client.DeleteAsync<V1Job>("too-long", scene.Team, null, CancellationToken.None);
        await scene.UntilAsync("no record is left", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
        await scene.JobAsync("too-long", declared: "10s", runFor: "10s");
        await scene.UntilAsync("its namesake runs to its end", async () =>
            (await world.JobAsync(scene.Team, "too-long", CancellationToken.None)).Status.Succeeded == 1
        );
    }

    // Failures of gpu-budget-operator on real clusters, from its own list.

    [Fact]
    public async Task Orphaned_restores__budget_deleted_while_no_operator_runs_still_restores()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await world.StopOperatorAsync();
        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("b", scene.Team, null, CancellationToken.None);
        await world.StartOperatorAsync(CancellationToken.None);
        await scene.UntilResumedAsync("too-long", TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Lost_status_on_conflict__the_status_is_written_all_the_same()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        scene.Sandbox.Server.Faults.Add(
            new(new Fault.Answer(409))
            {
                Client = "bursar/",
                Resource = "gpubudgets",
                Verb = "patch",
                Times = 6,
            }
        );
        await scene.BudgetAsync("1");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        await scene.UntilAsync(
            "the status names it",
            async () => (await scene.StatusAsync())?.Suspended is [{ Name: "too-long" }],
            TimeSpan.FromMinutes(2)
        );
        (await scene.StatusAsync())!.Decisions.Should().ContainSingle(d => d.Object == "Job/too-long");
    }

    [Fact]
    public async Task Head_of_line_blocking__workload_that_cannot_be_suspended_delays_no_other()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        scene.Sandbox.Server.Faults.Add(
            new(new Fault.Answer(500))
            {
                Client = "bursar/",
                Verb = "patch",
                PathPart = "/jobs/a-broken",
            }
        );
        await scene.BudgetAsync("1");
        var other = await Scene.OpenAsync(world, "other-team");
        await other.BudgetAsync("1");
        await scene.JobAsync("a-broken", declared: "2h");
        await scene.JobAsync("b-works", declared: "2h");
        await other.JobAsync("c-works", declared: "2h");
        await other.UntilSuspendedAsync("c-works", TimeSpan.FromSeconds(20));
        await scene.UntilSuspendedAsync("b-works", TimeSpan.FromSeconds(30));
        (await scene.IsSuspendedAsync("a-broken")).Should().BeFalse();
        await scene.UntilAsync(
            "the status reports the actions",
            async () => (await scene.StatusAsync())?.Suspended?.Any(s => s.Name == "b-works") == true,
            TimeSpan.FromSeconds(30)
        );

        scene.Sandbox.Server.Faults.Clear();
        await scene.UntilSuspendedAsync("a-broken", TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task Sticky_enforcement__suspension_lasts_while_prices_or_metering_are_unknown()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.JobAsync("runs", declared: "4m");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");
        // A node is missed only if pods run on it.
        await scene.UntilAsync("it runs", async () =>
            (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, CancellationToken.None)).Items
                is [{ Status.Phase: "Running" }]
        );
        world.Nodes.LoseNode("gpu-1");
        await scene.UntilConditionAsync("MeteringFresh", "False", within: TimeSpan.FromMinutes(2));
        await scene.SetLimitAsync("50");
        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("too-long")).Should().BeTrue("nothing is resumed on numbers that are not current");
        await world.Client.DeleteAsync<V1Alpha1GpuPriceBook>("test", null, null, CancellationToken.None);
        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("too-long")).Should().BeTrue();
        world.Nodes.ReturnNode("gpu-1");
        await scene.UntilConditionAsync("MeteringFresh", "True");
        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("too-long")).Should().BeTrue("there is no book: what things cost is not known for certain");
        (await scene.ConditionAsync("PricesTrusted"))!.Reason.Should().Be("PricesUntrusted");
        await world.CreateBookAsync("*V100*", "3.06", CancellationToken.None);
        await scene.UntilResumedAsync("too-long", TimeSpan.FromSeconds(60));
    }
}
