using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Operator.Hosting;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>A CronJob's run is a Job that is suspended by spec.suspend. While it is suspended, its CronJob creates no other run.</summary>
public sealed class CronJobTests
{
    private static readonly OperatorOptions First = new() { Identity = "first" };
    private static readonly OperatorOptions Second = new() { Identity = "second" };

    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task CronJob_of_a_suspended_run_is_suspended_and_restored_as_it_was()
    {
        var scene = await SceneAsync();
        await using var world = scene.World;
        var uid = await CronJobAsync(scene);
        var before = await TextAsync(scene);
        await RunAsync(scene, "nightly-1", uid);

        await scene.UntilSuspendedAsync("nightly-1");
        var held = await CronAsync(scene);
        held.Spec.Suspend.Should().BeTrue();
        held.Metadata.Annotations["bursar.dev/suspended-by"].Should().Be("gpubudget/b");
        await scene.UntilAsync("the status reports it", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Kind: "Job", Name: "nightly-1", Reason: { } reason }]
            && reason.Contains("CronJob nightly", StringComparison.Ordinal)
        );
        await scene.UntilAsync("Events report it", async () =>
            (await scene.EventsAsync("Suspended", "nightly")).Count == 1
            && (await scene.EventsAsync("Suspended", "nightly-1")) is [{ Note: { } note }]
            && note.Contains("CronJob nightly", StringComparison.Ordinal)
        );

        await scene.SetLimitAsync("1000");
        await scene.UntilResumedAsync("nightly-1");
        await scene.UntilAsync("the CronJob is back", async () => (await CronAsync(scene)).Spec.Suspend != true);
        (await TextAsync(scene)).Should().Be(before);
        await scene.UntilAsync("the record is gone", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
        await scene.UntilAsync("an Event reports it", async () => (await scene.EventsAsync("Resumed", "nightly")).Count == 1);
    }

    [Fact]
    public async Task CronJob_suspended_by_its_user_is_never_resumed()
    {
        var scene = await SceneAsync();
        await using var world = scene.World;
        var uid = await CronJobAsync(scene, suspend: true);
        var before = await TextAsync(scene);
        await RunAsync(scene, "nightly-1", uid);
        await scene.UntilSuspendedAsync("nightly-1");
        (await TextAsync(scene)).Should().Be(before);

        await scene.SetLimitAsync("1000");
        await scene.UntilResumedAsync("nightly-1");
        await scene.PassAsync(12);
        (await CronAsync(scene)).Spec.Suspend.Should().BeTrue();
    }

    [Fact]
    public async Task CronJob_resumes_with_its_last_suspended_run_even_if_the_runs_are_deleted()
    {
        var scene = await SceneAsync();
        await using var world = scene.World;
        var uid = await CronJobAsync(scene);
        await RunAsync(scene, "nightly-1", uid);
        await RunAsync(scene, "nightly-2", uid);
        await scene.UntilSuspendedAsync("nightly-1");
        await scene.UntilSuspendedAsync("nightly-2");

        await world.Client.DeleteAsync<V1Job>("nightly-1", scene.Team, null, Ct);
        await scene.UntilAsync("one is left", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await scene.PassAsync(12);
        (await CronAsync(scene)).Spec.Suspend.Should().BeTrue("a run of it still waits");

        await world.Client.DeleteAsync<V1Job>("nightly-2", scene.Team, null, Ct);
        await scene.UntilAsync("the CronJob is back", async () => (await CronAsync(scene)).Spec.Suspend != true);
        await scene.UntilAsync("no record is left", async () => (await SuspendedAsync(scene)).Count == 0);
    }

    [Fact]
    public async Task CronJob_resumes_when_its_budget_is_deleted()
    {
        var scene = await SceneAsync();
        await using var world = scene.World;
        await RunAsync(scene, "nightly-1", await CronJobAsync(scene));
        await scene.UntilSuspendedAsync("nightly-1");

        await world.Client.DeleteAsync<V1Alpha1GpuBudget>("b", scene.Team, null, Ct);

        await scene.UntilResumedAsync("nightly-1");
        await scene.UntilAsync("the CronJob is back", async () => (await CronAsync(scene)).Spec.Suspend != true);
    }

    [Fact]
    public async Task CronJob_is_resumed_by_bursar_release()
    {
        var scene = await SceneAsync();
        await using var world = scene.World;
        await RunAsync(scene, "nightly-1", await CronJobAsync(scene));
        await scene.UntilSuspendedAsync("nightly-1");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await world.StopOperatorAsync();

        using var text = new StringWriter();
        (await ReleaseCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, new(scene.Team, "b", DryRun: false), text, Ct))
            .Should()
            .Be(0, "{0}", text);

        (await scene.IsSuspendedAsync("nightly-1")).Should().BeFalse();
        (await CronAsync(scene)).Spec.Suspend.Should().NotBe(true);
        (await SuspendedAsync(scene)).Should().BeEmpty();
    }

    [Fact]
    public async Task CronJob_that_cannot_be_written_does_not_stop_the_suspension_of_its_run()
    {
        var scene = await SceneAsync();
        await using var world = scene.World;
        scene.Sandbox.Server.Faults.Add(
            new(new Fault.Answer(403))
            {
                Resource = "cronjobs",
                Verb = "patch",
                Times = int.MaxValue,
            }
        );
        await RunAsync(scene, "nightly-1", await CronJobAsync(scene));
        await scene.UntilSuspendedAsync("nightly-1");
        (await CronAsync(scene)).Spec.Suspend.Should().NotBe(true);

        await scene.SetLimitAsync("1000");
        await scene.UntilResumedAsync("nightly-1");
        await scene.UntilAsync("no record is left", async () => (await SuspendedAsync(scene)).Count == 0);
    }

    [Theory]
    [InlineData("cronjobs", false)] // the ledger holds what is to happen
    [InlineData("cronjobs", true)] // the CronJob is suspended, and the operator does not know
    [InlineData("jobs", false)] // between the CronJob and its run
    [InlineData("jobs", true)] // both are suspended, and the operator does not know
    public async Task Kill_around_a_suspension_leaves_run_and_CronJob_suspended_and_resumable(string resource, bool happens)
    {
        var scene = await SceneAsync(startOperator: false);
        await using var world = scene.World;
        await world.StartOperatorAsync(Ct, First);
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var uid = await CronJobAsync(scene);
        var before = await TextAsync(scene);
        KillAt(scene, resource, happens);
        await RunAsync(scene, "nightly-1", uid);
        await KillOperatorAsync(scene);
        await world.StartOperatorAsync(Ct, Second);

        await scene.UntilSuspendedAsync("nightly-1");
        await scene.UntilAsync("the CronJob is suspended", async () => (await CronAsync(scene)).Spec.Suspend == true);
        await scene.UntilAsync("the record names both", async () => (await SuspendedAsync(scene)) is [{ CronJob.Name: "nightly" }]);

        await scene.SetLimitAsync("1000");
        await scene.UntilResumedAsync("nightly-1");
        await scene.UntilAsync("the CronJob is back", async () => (await CronAsync(scene)).Spec.Suspend != true);
        (await TextAsync(scene)).Should().Be(before);
        await scene.UntilAsync("no record is left", async () => (await SuspendedAsync(scene)).Count == 0);
    }

    [Theory]
    [InlineData("jobs", false)]
    [InlineData("jobs", true)] // the run is resumed, its CronJob is not yet
    [InlineData("cronjobs", false)]
    [InlineData("cronjobs", true)] // both are resumed, and the operator does not know
    public async Task Kill_around_a_resume_resumes_run_and_CronJob_once(string resource, bool happens)
    {
        var scene = await SceneAsync(startOperator: false);
        await using var world = scene.World;
        await world.StartOperatorAsync(Ct, First);
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var uid = await CronJobAsync(scene);
        var before = await TextAsync(scene);
        await RunAsync(scene, "nightly-1", uid);
        await scene.UntilSuspendedAsync("nightly-1");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);

        KillAt(scene, resource, happens);
        await scene.SetLimitAsync("1000");
        await KillOperatorAsync(scene);
        await world.StartOperatorAsync(Ct, Second);

        await scene.UntilResumedAsync("nightly-1");
        await scene.UntilAsync("the CronJob is back", async () => (await CronAsync(scene)).Spec.Suspend != true);
        (await TextAsync(scene)).Should().Be(before);
        await scene.UntilAsync("no record is left", async () => (await SuspendedAsync(scene)).Count == 0);
        await scene.PassAsync(12);
        (await scene.IsSuspendedAsync("nightly-1")).Should().BeFalse();
    }

    internal static async Task<string> CronJobAsync(Scene scene, bool? suspend = null, string schedule = "0 3 * * *")
    {
        var spec = (JsonObject)
            JsonNode.Parse(
                $$$$$$$$"""
                {"schedule": "{{{{{{{{schedule}}}}}}}}", "jobTemplate": {"metadata": {"annotations": {"bursar.dev/expected-duration": "2h"}}, "spec": {"template": {"metadata": {"labels": {"app": "nightly"}},
                  "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}}
                """
            )!;
        if (suspend is { } value)
            spec["suspend"] = value;
        await scene.World.PostJsonAsync(
            V1CronJob.EntityKind.Path(scene.Team),
            new()
            {
                ["apiVersion"] = "batch/v1",
                ["kind"] = "CronJob",
                ["metadata"] = new JsonObject { ["name"] = "nightly" },
                ["spec"] = spec,
            },
            Ct
        );
        return (await CronAsync(scene)).Metadata.Uid;
    }

    /// <summary>Creates a run as the CronJob's controller does.</summary>
    internal static Task RunAsync(Scene scene, string name, string cronJobUid) =>
        scene.CreateAsync(
            V1Job.EntityKind.Path(scene.Team),
            $$$$$$$$"""
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "{{{{{{{{name}}}}}}}}", "annotations": {"bursar.dev/expected-duration": "2h"},
               "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "nightly", "uid": "{{{{{{{{cronJobUid}}}}}}}}", "controller": true, "blockOwnerDeletion": true}]},
             "spec": {"template": {"metadata": {"labels": {"app": "nightly"}},
               "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """
        );

    internal static Task<V1CronJob> CronAsync(Scene scene) => scene.World.Client.GetAsync<V1CronJob>("nightly", scene.Team, Ct);

    private static async Task<Scene> SceneAsync(bool startOperator = true)
    {
        var scene = await Scene.SandboxAsync(startOperator: startOperator);
        await scene.BudgetAsync("1");
        if (startOperator)
            await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        return scene;
    }

    /// <summary>The exact text of the CronJob's spec and annotations.</summary>
    private static async Task<string> TextAsync(Scene scene)
    {
        var whole = (await scene.World.Client.RequestAsync(HttpMethod.Get, V1CronJob.EntityKind.Path(scene.Team, "nightly"), null, Ct))!;
        return whole["spec"]!.ToJsonString()
            + (whole["metadata"]!["annotations"] is JsonObject { Count: > 0 } annotations ? annotations.ToJsonString() : "");
    }

    private static async Task<IReadOnlyList<ShardSuspension>> SuspendedAsync(Scene scene)
    {
        var shards = await scene.World.Client.ListAsync<V1Alpha1GpuLedger>(new() { Namespace = ClusterWorld.OwnNamespace }, Ct);
        return
        [
            .. shards.Items.Select(i => i.Spec!.Data.Deserialize(LedgerJson.Default.LedgerShard)!).SelectMany(s => s.Suspensions ?? []),
        ];
    }

    private static void KillAt(Scene scene, string resource, bool happens) =>
        scene.Sandbox.Server.Faults.Add(
            new(happens ? new Fault.AnswerAfter(500) : new Fault.Answer(500))
            {
                Client = $"({First.Identity})",
                Resource = resource,
                Verb = "patch",
                Times = 1,
                Then = new(new Fault.Answer(500)) { Client = $"({First.Identity})" },
            }
        );

    private static async Task KillOperatorAsync(Scene scene)
    {
        await scene.UntilAsync(
            "the operator dies",
            () => Task.FromResult(scene.Sandbox.Server.Faults.Shown >= 1),
            TimeSpan.FromSeconds(150)
        );
        await scene.World.AbandonOperatorAsync();
    }
}
