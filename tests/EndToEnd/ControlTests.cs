using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>The ways to restrain Bursar: observe-only mode, the circuit breaker, and a budget in Observe mode.</summary>
internal static class Control
{
    public static async Task ObserveModeTouchesNothingAsync(Scene scene)
    {
        await scene.BudgetAsync("1", """{"mode": "Observe"}""");
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilRunsAsync("too-long");
        await scene.UntilConditionAsync("ProjectedWithinBudget", "False");
        await scene.PassAsync(12);
        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse();
        (await scene.World.JobAsync(scene.Team, "too-long", CancellationToken.None))
            .Metadata.Annotations.Should()
            .NotContainKey("bursar.dev/suspended-by");
        var status = (await scene.StatusAsync())!;
        status.State.Should().Be("Observing");
        status.SuspendedCount.Should().Be(0);
        status.Workloads!.Single().Reason.Should().NotStartWith("Fits", "it reports what it would have done");
    }
}

public sealed class ControlTests
{
    [Fact]
    public async Task Observe_mode_decides_and_changes_no_workload()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await Control.ObserveModeTouchesNothingAsync(scene);
    }

    [Fact]
    public async Task Control_map_that_another_writer_creates_at_the_same_time_keeps_both_keys()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        Task SetAsync(string key) =>
            ControlConfigMap.SetAsync(world.Client, ClusterWorld.OwnNamespace, key, "observe", CancellationToken.None);
        await SetAsync("first");
        // The patch of the second writer does not find the object yet.
        scene.Sandbox.Server.Faults.Add(
            new(new Fault.Answer(404))
            {
                Verb = "patch",
                Resource = "configmaps",
                Times = 1,
            }
        );

        await SetAsync("second");

        scene.Sandbox.Server.Faults.Shown.Should().Be(1);
        var control = await world.Client.GetAsync<V1ConfigMap>("bursar-control", ClusterWorld.OwnNamespace, CancellationToken.None);
        control.Data.Keys.Should().BeEquivalentTo("first", "second");
    }

    [Fact]
    public async Task Observing_writes_nothing_but_status_and_Events()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        // Each write to anything else of the team's would be met by one of these, and counted.
        var faults = scene.Sandbox.Server.Faults;
        foreach (var resource in (string[])["jobs", "deployments", "replicasets", "pods", "configmaps", "secrets", "serviceaccounts"])
        foreach (var verb in (string[])["create", "update", "patch", "delete", "deletecollection"])
            faults.Add(
                new(new Fault.Delay(TimeSpan.Zero))
                {
                    Client = "bursar/",
                    Resource = resource,
                    Verb = verb,
                    PathPart = $"/namespaces/{scene.Team}/",
                }
            );
        await scene.BudgetAsync("1", """{"mode": "Observe", "window": {"period": "Hour"}, "inference": {"whenExhausted": "Zero"}}""");
        await scene.JobAsync("too-long", declared: "3h", runFor: "70m");
        await scene.RunawayAsync("runaway");
        await world.CreateDeploymentAsync(scene.Team, "chat", 2, 1, CancellationToken.None);
        await scene.UntilConditionAsync("WithinBudget", "False", within: TimeSpan.FromMinutes(20));
        await scene.PassAsync(60 * 60);

        faults.Shown.Should().Be(0);
        (await scene.ReplicasAsync("chat")).Should().Be(2);
        foreach (var job in (string[])["too-long", "runaway"])
        {
            var seen = await world.JobAsync(scene.Team, job, CancellationToken.None);
            seen.Metadata.Generation.Should().Be(1);
            seen.Metadata.Annotations.Should().NotContainKey("bursar.dev/suspended-by");
        }
        var events = (await world.EventsAsync(scene.Team, CancellationToken.None))
            .Where(e => e.ReportingController == "bursar.dev/operator")
            .ToArray();
        events
            .Should()
            .NotBeEmpty()
            .And.OnlyContain(e => e.Regarding!.Kind == "GpuBudget", "it reports on the budget, and changed no workload");
        (await scene.StatusAsync())!.State.Should().Be("Observing");
    }

    [Fact]
    public async Task Observe_only_mode_stops_every_action_until_it_is_unset()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.JobAsync("suspended", declared: "2h");
        await scene.UntilSuspendedAsync("suspended");

        await scene.SetControlAsync("enforcement", "observe");
        await scene.PassAsync(5);
        await scene.JobAsync("too-long", declared: "2h");
        await scene.SetLimitAsync("0.5");
        await scene.UntilRunsAsync("too-long");
        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("too-long")).Should().BeFalse();
        (await scene.StatusAsync())!.State.Should().Be("Observing");
        await scene.SetLimitAsync("100");
        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("suspended")).Should().BeTrue("giving back is an action too");

        await scene.SetControlAsync("enforcement", null);
        await scene.UntilResumedAsync("suspended", TimeSpan.FromSeconds(15));
    }

    [Fact]
    public async Task Mass_suspension_opens_the_breaker_until_it_is_reset()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1000", """{"training": {"settle": "0s"}}""");
        for (var i = 0; i < 8; i++)
            await scene.JobAsync($"job-{i}", declared: "2h");
        for (var i = 0; i < 8; i++)
            await scene.UntilRunsAsync($"job-{i}");
        await scene.PassAsync(70);
        await scene.SetLimitAsync("4");
        await scene.UntilConditionAsync("BreakerOpen", "True");
        await scene.PassAsync(30);
        (await CountAsync(scene)).Should().Be(5, "max(5, 20 %) of the cluster's work");

        // A restart lifts nothing, neither soon nor when the five minutes are over.
        await world.StopOperatorAsync();
        await world.StartOperatorAsync(CancellationToken.None);
        await scene.PassAsync(330);
        (await CountAsync(scene)).Should().Be(5, "the open breaker is remembered");

        using var output = new StringWriter();
        await ResetBreakerCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, output, CancellationToken.None);
        await scene.UntilAsync("the rest is suspended", async () => await CountAsync(scene) == 8, TimeSpan.FromSeconds(20));
        await scene.UntilAsync("the breaker is closed", async () => await scene.ConditionAsync("BreakerOpen") is null);
    }

    /// <summary>The limits of a label's values are decided on in one pass, and have no status of their own.</summary>
    [Fact]
    public async Task Limits_of_a_label_share_the_breaker_and_the_budget_reports_it()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        static string Spec(int limit) =>
            $$$$"""{"training": {"settle": "0s"}, "perLabel": {"key": "user", "limit": {"cost": "{{{{limit}}}}"}}}""";
        await scene.BudgetAsync("1000", Spec(100));
        for (var i = 0; i < 8; i++)
            await PartialLimits.JobAsync(scene, $"job-{i}", "2h", $"user-{i}");
        for (var i = 0; i < 8; i++)
            await scene.UntilRunsAsync($"job-{i}");
        await scene.PassAsync(70);
        await scene.UntilAsync("each user has a limit", async () => (await scene.StatusAsync())?.PerLabelCount == 8);
        await PartialLimits.PatchAsync(scene, Spec(1));
        await scene.UntilConditionAsync("BreakerOpen", "True");
        await scene.PassAsync(30);
        (await CountAsync(scene)).Should().Be(5, "max(5, 20 %) of the cluster's work");

        using var output = new StringWriter();
        await ResetBreakerCommand.RunAsync(world.Client, ClusterWorld.OwnNamespace, output, CancellationToken.None);
        await scene.UntilAsync("the rest is suspended", async () => await CountAsync(scene) == 8, TimeSpan.FromSeconds(20));
        await scene.UntilAsync("the breaker is closed", async () => await scene.ConditionAsync("BreakerOpen") is null);
    }

    private static async Task<int> CountAsync(Scene scene)
    {
        var count = 0;
        for (var i = 0; i < 8; i++)
            if (await scene.IsSuspendedAsync($"job-{i}"))
                count++;
        return count;
    }
}
