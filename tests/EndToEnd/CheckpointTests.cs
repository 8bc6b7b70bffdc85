using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Hosting;
using Bursar.Sandbox.ApiServer;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// A job that can answer is asked for a checkpoint, by its node's agent or by annotation, before it is suspended, and continues from it.
/// </summary>
public sealed class CheckpointTests
{
    private const string Asked = "bursar.dev/checkpoint-requested";
    private const string TwoMinutes = """{"training": {"checkpoint": {"grace": "2m"}}}""";

    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Job_asked_through_its_agent_saves_is_suspended_and_continues_from_that_step()
    {
        var scene = await AgentsAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("2", TwoMinutes);
        await TrainAsync(scene, "post");

        await UntilAskedAsync(scene);
        (await scene.IsSuspendedAsync("train")).Should().BeFalse("it is waited for");
        (await AskedAsync(scene)).Should().StartWith("b/2026-11-21T09:");
        await scene.UntilAsync("Events report it", async () =>
            (await scene.EventsAsync("CheckpointRequested", "train")).Count == 1
            && (await scene.EventsAsync("CheckpointRequested", "b")).Count == 1
        );
        (await scene.EventsAsync("CheckpointRequested", "train"))[0].Note.Should().ContainAll("0.10 USD", "would cost 2.");
        (await scene.StatusAsync())!.Workloads!.Single().Reason.Should().StartWith("CheckpointRequested");

        var from = world.Time.GetUtcNow();
        await scene.UntilSuspendedAsync("train", TimeSpan.FromMinutes(1));
        (world.Time.GetUtcNow() - from)
            .Should()
            .BeGreaterThan(TimeSpan.FromSeconds(15))
            .And.BeLessThan(TimeSpan.FromSeconds(45), "it writes for 20 s, and the rest of the two minutes is not waited for");
        (await AskedAsync(scene)).Should().BeNull();
        await scene.UntilAsync("an Event reports it", async () => (await scene.EventsAsync("Suspended", "train")).Count == 1);
        var note = (await scene.EventsAsync("Suspended", "train"))[0].Note!;
        var saved = long.Parse(
            System.Text.RegularExpressions.Regex.Match(note, "checkpoint was acknowledged.* after step ([0-9,]+)").Groups[1].Value,
            System.Globalization.NumberStyles.AllowThousands,
            System.Globalization.CultureInfo.InvariantCulture
        );
        saved.Should().BePositive();
        await scene.UntilAsync("the status reports both", async () =>
            (await scene.StatusAsync())?.Decisions is [{ Action: "Suspend" }, { Action: "RequestCheckpoint" }]
        );
        await scene.UntilAsync("its rest is foreseen from there", async () =>
            (await scene.StatusAsync())?.Workloads?.Single() is { State: "SuspendedByBudget", Eta: not null }
        );

        await scene.SetLimitAsync("10");
        await scene.UntilResumedAsync("train");
        await scene.UntilRunsAsync("train");
        await scene.UntilAsync("it makes steps", () =>
            Task.FromResult(world.Nodes.Pods().SingleOrDefault(p => p.Namespace == scene.Team)?.Step is not null)
        );
        world.Nodes.Pods().Single(p => p.Namespace == scene.Team).Step.Should().BeGreaterThanOrEqualTo(saved).And.BeLessThan(saved + 100);
        await scene.PassAsync(300);
        (await scene.IsSuspendedAsync("train")).Should().BeFalse();
        (await scene.EventsAsync("CheckpointRequested", "train")).Should().ContainSingle();
    }

    [Fact]
    public async Task Job_without_an_answer_is_suspended_at_the_deadline_and_its_loss_reported()
    {
        var scene = await AgentsAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("2", TwoMinutes);
        await TrainAsync(scene, "ignore");

        await UntilAskedAsync(scene);
        await scene.PassAsync(110);
        (await scene.IsSuspendedAsync("train")).Should().BeFalse();
        await scene.UntilSuspendedAsync("train", TimeSpan.FromSeconds(15));
        await scene.UntilAsync("an Event reports it", async () => (await scene.EventsAsync("Suspended", "train")).Count == 1);
        (await scene.EventsAsync("Suspended", "train"))[0]
            .Note.Should()
            .ContainAll("No checkpoint was acknowledged", "2m", "since its start");
    }

    [Fact]
    public async Task Request_and_answer_without_an_agent_are_annotations()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("2", TwoMinutes);
        await TrainAsync(scene, "annotation", ("bursar.dev/checkpoint", "supported"), ("sim.bursar.dev/report", "annotation"));

        await UntilAskedAsync(scene);
        await scene.UntilSuspendedAsync("train", TimeSpan.FromMinutes(1));
        await scene.UntilAsync("an Event reports it", async () => (await scene.EventsAsync("Suspended", "train")).Count == 1);
        (await scene.EventsAsync("Suspended", "train"))[0]
            .Note.Should()
            .ContainAll("checkpoint was acknowledged", "after step ")
            .And.NotContain("No checkpoint");
    }

    [Fact]
    public async Task Top_up_withdraws_the_checkpoint_request_and_the_job_runs_on()
    {
        var scene = await AgentsAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("2", TwoMinutes);
        await TrainAsync(scene, "ignore");
        await UntilAskedAsync(scene);

        await world.Client.PatchAsync<V1Alpha1GpuBudget>(
            "b",
            scene.Team,
            KubePatch.Merge(JsonNode.Parse("""{"spec": {"topUps": [{"amount": "20", "window": "2026-11", "reason": "deadline"}]}}""")!),
            Ct
        );
        await scene.UntilAsync("the request is off", async () => await AskedAsync(scene) is null);
        await scene.UntilAsync("an Event reports it", async () => (await scene.EventsAsync("CheckpointWithdrawn", "train")).Count == 1);
        await scene.PassAsync(180);
        (await scene.IsSuspendedAsync("train")).Should().BeFalse();
    }

    [Theory]
    [InlineData("gpuledgers", true)] // the ledger has the request, and no pod has received it
    [InlineData("jobs", false)] // likewise, and its agent may know
    [InlineData("jobs", true)] // all pods have received it
    public async Task Kill_around_a_checkpoint_request_keeps_the_request_and_its_deadline(string resource, bool happens)
    {
        var scene = await AgentsAsync(startOperator: false);
        await using var world = scene.World;
        await world.StartOperatorAsync(Ct, new OperatorOptions { Identity = "first" });
        await scene.BudgetAsync("2", TwoMinutes);
        await TrainAsync(scene, "ignore");
        await scene.UntilRunsAsync("train");
        await scene.UntilAsync("it is admitted and asks its agent", async () =>
            (await scene.StatusAsync())?.Workloads is [{ State: "Running" }]
        );
        await scene.PassAsync(5);
        var faults = scene.Sandbox.Server.Faults;
        var dead = new FaultRule(new Fault.Answer(500)) { Client = "(first)" };
        // The request's own write of the ledger holds its decision; those before it do not come to an act.
        faults.Add(
            new(happens ? new Fault.AnswerAfter(500) : new Fault.Answer(500))
            {
                Client = "(first)",
                Resource = resource,
                Verb = "patch",
                PathPart = resource == "gpuledgers" ? $"/gpuledgers/{scene.Team}." : "",
                Times = 1,
                Then = dead,
            }
        );
        await scene.UntilAsync("the operator dies", () => Task.FromResult(faults.Shown >= 1), TimeSpan.FromSeconds(150));
        await world.AbandonOperatorAsync();
        var first = await AskedAsync(scene);
        await scene.PassAsync(20);
        await world.StartOperatorAsync(Ct, new OperatorOptions { Identity = "second" });

        await UntilAskedAsync(scene);
        var asked = (await AskedAsync(scene))!;
        if (first is not null)
            asked.Should().Be(first);
        var since = DateTimeOffset.Parse(asked["b/".Length..], System.Globalization.CultureInfo.InvariantCulture);
        await scene.UntilSuspendedAsync("train", TimeSpan.FromMinutes(3));
        (world.Time.GetUtcNow() - since).Should().BeGreaterThanOrEqualTo(TimeSpan.FromMinutes(2)).And.BeLessThan(TimeSpan.FromSeconds(135));
        await scene.UntilAsync("the status reports both", async () =>
            (await scene.StatusAsync())?.Decisions is [{ Action: "Suspend" }, { Action: "RequestCheckpoint" }]
        );
    }

    private static async Task<Scene> AgentsAsync(bool startOperator = true)
    {
        var world = await ClusterWorld.StartAsync(
            real: false,
            new AgentPlacement(),
            Ct,
            new FleetNode { Name = "gpu-1", Gpu = SimulatedGpuModel.V100 }
        );
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        if (startOperator)
            await world.StartOperatorAsync(Ct);
        return scene;
    }

    /// <summary>The founding example's job, which answers: it declares 20 minutes, needs 45, and writes a checkpoint in 20 s.</summary>
    private static Task TrainAsync(Scene scene, string answers, params (string, string)[] more) =>
        scene.World.CreateJobAsync(
            scene.Team,
            "train",
            1,
            Ct,
            [
                ("bursar.dev/total-steps", "30000"),
                ("bursar.dev/expected-duration", "20m"),
                ("sim.bursar.dev/work", "training"),
                ("sim.bursar.dev/steps", "30000"),
                ("sim.bursar.dev/step-time", "90ms"),
                ("sim.bursar.dev/report-every", "20s"),
                ("sim.bursar.dev/checkpoint-on-request", answers),
                ("sim.bursar.dev/checkpoint-time", "20s"),
                ("sim.bursar.dev/checkpoint-poll", "2s"),
                .. more.Any(one => one.Item1 == "sim.bursar.dev/report") ? more : [("sim.bursar.dev/report", "post"), .. more],
            ]
        );

    private static async Task<string?> AskedAsync(Scene scene) =>
        (await scene.World.JobAsync(scene.Team, "train", Ct)).Metadata.Annotations.GetValueOrDefault(Asked);

    private static Task UntilAskedAsync(Scene scene) =>
        scene.UntilAsync("it is asked for a checkpoint", async () => await AskedAsync(scene) is not null, TimeSpan.FromMinutes(4));
}
