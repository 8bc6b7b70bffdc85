using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Agents' reports, and the results that stay correct when an agent is gone.</summary>
internal static class Agents
{
    /// <summary>Ninety milliseconds, as a loaded machine's scrapes have them.</summary>
    private const string Told = @"from its progress: 0\.(0[6-9]|1[0-3])\d* s per step over \d+ steps, reported by its node's agent";

    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>The founding example, reported only by the metrics page that the node's agent scrapes. Then the agent is removed.</summary>
    /// <param name="scene">One node with an agent.</param>
    /// <param name="withoutAgent">How long the work runs on without it.</param>
    /// <param name="meanwhile">What holds at the end of that time.</param>
    public static async Task ProgressComesFromTheAgentAndTheBillDoesNotAsync(
        Scene scene,
        TimeSpan withoutAgent,
        Func<Task>? meanwhile = null
    )
    {
        await using var bill = await PodBill.OpenAsync(scene);
        await scene.BudgetAsync("2");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await scene.World.CreateJobAsync(
            scene.Team,
            "finetune",
            1,
            Ct,
            (AgentTargets.PortAnnotation, "9000"),
            ("sim.bursar.dev/work", "training"),
            ("sim.bursar.dev/steps", "30000"),
            ("sim.bursar.dev/step-time", "90ms"),
            ("sim.bursar.dev/report", "metric")
        );
        await scene.UntilRunsAsync("finetune");
        var node = (await PodsAsync(scene)).Single().Spec.NodeName!;
        await scene.UntilAsync("the agent answers", async () => await MissingAsync(scene) == 0, TimeSpan.FromSeconds(90));
        await scene.UntilSuspendedAsync("finetune", TimeSpan.FromMinutes(2));

        (await scene.World.JobAsync(scene.Team, "finetune", Ct))
            .Metadata.Annotations.Keys.Should()
            .NotContain(["bursar.dev/progress", "bursar.dev/total-steps", "bursar.dev/expected-duration"], "only the agent reports");
        await scene.UntilAsync("an Event reports it", async () => (await scene.EventsAsync("Suspended", "finetune")).Count > 0);
        (await scene.EventsAsync("Suspended", "finetune"))[0].Note.Should().Contain("would cost 2.").And.MatchRegex(Told);
        await scene.UntilAsync("the status reports it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        var status = (await scene.StatusAsync())!;
        status.Decisions![0].Message.Should().MatchRegex(Told);
        status.Workloads!.Single(w => w.Name == "finetune").Eta!.Source.Should().Be("progress");
        await scene.UntilAsync("the state reports it", async () => (await scene.StatusAsync())?.State == "WorkloadsSuspended");
        await scene.UntilAsync("the GPU's busy time is known", async () => await SecondsAsync(scene, "busy") > 0);
        (await SecondsAsync(scene, "busy")).Should().BeLessThanOrEqualTo(await SecondsAsync(scene, "reserved"));

        await scene.SetLimitAsync("5");
        await scene.UntilResumedAsync("finetune");
        await scene.UntilRunsAsync("finetune");

        await scene.UntilAsync("the status names the source", async () =>
            (await scene.ConditionAsync("MeteringFresh"))?.Message?.Contains("agents", StringComparison.Ordinal) == true
        );
        (await scene.StatusAsync())!.Workloads!.Single(w => w.Name == "finetune").MeteredBy.Should().Be("agent");

        // The agent stays away. The status reports it, and billing continues by the API server's times.
        await scene.World.Client.DeleteAsync<V1Pod>($"bursar-agent-{node}", ClusterWorld.AgentNamespace, null, Ct);
        await scene.UntilAsync("the agent is missing", async () => await MissingAsync(scene) == 1);
        var (busy, reserved) = (await SecondsAsync(scene, "busy"), await SecondsAsync(scene, "reserved"));
        await scene.World.PassAsync(withoutAgent, Ct);
        (await SecondsAsync(scene, "busy")).Should().Be(busy, "no source measures");
        (await SecondsAsync(scene, "reserved")).Should().BeGreaterThan(reserved);
        (await scene.ConditionAsync("MeteringFresh"))!.Status.Should().Be("True", "the API server's times are enough");
        (await scene.IsSuspendedAsync("finetune")).Should().BeFalse();
        if (meanwhile is not null)
            await meanwhile();

        // The limit needs no agent.
        await scene.SetLimitAsync("0.001");
        await scene.UntilSuspendedAsync("finetune");
        await scene.UntilAsync("its pods are gone", async () => (await PodsAsync(scene)).Count == 0);
        (await scene.FinalSpentAsync()).Should().Be(bill.Total(Scene.V100).ToString());
        bill.Pods.Should().Be(2);
        (await scene.StatusAsync())!.State.Should().Be("Exhausted");
    }

    private static async Task<IReadOnlyList<V1Pod>> PodsAsync(Scene scene) =>
        (await scene.World.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items;

    private static async Task<double> MissingAsync(Scene scene) =>
        (await scene.World.MetricsAsync(Ct)).Single(s => s.Name == "bursar_agents_missing").Value;

    private static async Task<double> SecondsAsync(Scene scene, string basis) =>
        (await scene.World.MetricsAsync(Ct))
            .SingleOrDefault(s => s.Name == "bursar_gpu_seconds_total" && s.Label("namespace") == scene.Team && s.Label("basis") == basis)
            ?.Value
        ?? 0;
}

public sealed class AgentTests
{
    [Fact]
    public async Task Progress_arrives_through_the_agents_endpoint_and_billing_does_not_need_it()
    {
        await using var world = await ClusterWorld.StartAsync(
            real: false,
            new AgentPlacement(),
            CancellationToken.None,
            new FleetNode { Name = "gpu-1", Gpu = SimulatedGpuModel.V100 }
        );
        await world.CreateBookAsync("*V100*", "3.06", CancellationToken.None);
        var scene = await Scene.OpenAsync(world, "team");
        await world.StartOperatorAsync(CancellationToken.None);

        // Longer than progress may stall, so no forecast is made from the agent's last report.
        await Agents.ProgressComesFromTheAgentAndTheBillDoesNotAsync(scene, TimeSpan.FromMinutes(7), async () =>
        {
            (await scene.EventsAsync("ForecastPaused", "b"))
                .Should()
                .ContainSingle(e => e.Note!.Contains("Job/finetune", StringComparison.Ordinal));
            var work = (await scene.StatusAsync())!.Workloads!.Single(w => w.Name == "finetune");
            work.Reason.Should().StartWith("ForecastPaused");
            work.MeteredBy.Should().Be("api");
            var fresh = (await scene.ConditionAsync("MeteringFresh"))!;
            (fresh.Status, fresh.Reason).Should().Be(("True", "AgentMissing"));
            fresh.Message.Should().Contain("On gpu-1 no agent");
        });
    }

    [Fact]
    public async Task Agent_silent_for_an_hour_pauses_the_forecast_and_not_the_limit()
    {
        await using var world = await ClusterWorld.StartAsync(
            real: false,
            new AgentPlacement(),
            CancellationToken.None,
            new FleetNode { Name = "gpu-1", Gpu = SimulatedGpuModel.V100 }
        );
        await world.CreateBookAsync("*V100*", "3.06", CancellationToken.None);
        var scene = await Scene.OpenAsync(world, "team");
        await world.StartOperatorAsync(CancellationToken.None);
        await scene.BudgetAsync("10");
        await world.CreateJobAsync(
            scene.Team,
            "long",
            1,
            CancellationToken.None,
            (AgentTargets.PortAnnotation, "9000"),
            ("sim.bursar.dev/work", "training"),
            ("sim.bursar.dev/steps", "100000"),
            ("sim.bursar.dev/step-time", "90ms"),
            ("sim.bursar.dev/report", "metric")
        );
        await scene.UntilRunsAsync("long");
        await scene.UntilAsync(
            "its length is known",
            async () => (await scene.StatusAsync())?.Workloads?.FirstOrDefault()?.Eta?.Source == "progress",
            TimeSpan.FromMinutes(3)
        );

        await world.Client.DeleteAsync<V1Pod>("bursar-agent-gpu-1", ClusterWorld.AgentNamespace, null, CancellationToken.None);
        await world.PassAsync(TimeSpan.FromHours(1), CancellationToken.None);

        (await scene.EventsAsync("ForecastPaused", "b"))
            .Should()
            .ContainSingle(e => e.Note!.Contains("Job/long", StringComparison.Ordinal));
        // Its last forecast would overrun by far, but its present progress is unknown.
        await scene.SetLimitAsync("5");
        await world.PassAsync(TimeSpan.FromMinutes(3), CancellationToken.None);
        (await scene.IsSuspendedAsync("long")).Should().BeFalse();
        (await scene.StatusAsync())!.Workloads!.Single().Reason.Should().StartWith("ForecastPaused");
        await scene.SetLimitAsync("3");
        await scene.UntilSuspendedAsync("long");
        (await scene.StatusAsync())!.Decisions![0].Reason.Should().Be("BudgetExhausted");
    }
}
