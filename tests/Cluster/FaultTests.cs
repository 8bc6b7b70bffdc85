using Bursar.Sandbox.Faults;
using Bursar.Tests.Cluster.Worlds;

namespace Bursar.Tests.Cluster;

/// <summary>
/// The API server fails the operator, at random from a seed, while the main job runs. The end is the same: the runaway
/// job is suspended once, and every amount is what the API's own times say, to the last digit.
/// </summary>
public sealed class FaultTests
{
    private const string Operator = "bursar/";

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Errors_conflicts_throttling_lost_answers_and_broken_watches_change_nothing(int seed)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await using var bill = await PodBill.OpenAsync(scene);
        await scene.BudgetAsync("2");
        var faults = scene.Sandbox.Server.Faults;
        var chance = new Random(seed);
        foreach (var fault in (Fault[])[new Fault.Answer(500), new Fault.Answer(409), new Fault.Answer(429), new Fault.Answer(503), new Fault.AnswerAfter(500)])
            faults.Add(new(fault) { Client = Operator, Probability = 0.02 + chance.NextDouble() * 0.06 });
        faults.Add(new(new Fault.CutWatch(chance.Next(1, 6))) { Client = Operator, Probability = 0.5 });
        faults.Add(new(new Fault.ExpireWatch()) { Client = Operator, Probability = 0.3 });

        await scene.JobAsync("short", declared: "40s", runFor: "40s");
        await scene.RunawayAsync("runaway");
        var undone = 0;
        var was = false;
        await scene.UntilAsync("the runaway is suspended", async () =>
        {
            if (chance.Next(6) == 0) faults.CutWatches();
            if (chance.Next(20) == 0) scene.Sandbox.Server.Compact();
            return await scene.IsSuspendedAsync("runaway");
        }, TimeSpan.FromMinutes(3));
        for (var i = 0; i < 60; i++)
        {
            await scene.PassAsync(1);
            var now = await scene.IsSuspendedAsync("runaway");
            if (was && !now) undone++;
            was = now;
            if (chance.Next(6) == 0) faults.CutWatches();
        }
        undone.Should().Be(0, "it is suspended once");
        faults.Shown.Should().BeGreaterThan(20, "the run was disturbed");
        faults.Clear();

        await scene.UntilAsync("the short job is done", async () => (await world.JobAsync(scene.Team, "short", CancellationToken.None)).Status.Succeeded == 1);
        (await scene.IsSuspendedAsync("short")).Should().BeFalse();
        await scene.PassAsync(70);
        (await scene.FinalSpentAsync()).Should().Be(bill.Total(Scene.V100).ToString());
        bill.Pods.Should().Be(2);
        await scene.UntilAsync("an Event tells it", async () => (await scene.EventsAsync("Suspended", "runaway")).Count == 1);

        await scene.SetLimitAsync("10");
        await scene.UntilResumedAsync("runaway");
    }

    [Fact]
    public async Task A_lost_answer_to_the_suspension_still_leaves_a_record_and_an_Event()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        scene.Sandbox.Server.Faults.Add(new(new Fault.AnswerAfter(500)) { Client = Operator, Verb = "patch", Resource = "jobs", Times = 1 });
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");

        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await scene.UntilAsync("an Event on the job tells it", async () => (await scene.EventsAsync("Suspended", "too-long")).Count == 1);
        await scene.UntilAsync("an Event on the budget tells it", async () => (await scene.EventsAsync("Suspended", "b")).Count == 1);
        await scene.SuspendAsync("too-long", false);
        await scene.UntilSuspendedAsync("too-long");
        (await scene.StatusAsync())!.Decisions![0].Reason.Should().Be("ParkedAgain", "the first parking is known to have happened");
    }
}
