using Bursar.Sandbox.Faults;
using Bursar.Tests.Cluster.Worlds;

namespace Bursar.Tests.Cluster;

/// <summary>
/// The API server fails the operator: what was done is known and told all the same.
/// </summary>
public sealed class FaultTests
{
    private const string Operator = "bursar/";

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
