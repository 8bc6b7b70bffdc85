using Bursar.Kube.Objects;
using Bursar.Sandbox.Faults;
using Bursar.Tests.Cluster.Worlds;

namespace Bursar.Tests.Cluster;

/// <summary>
/// The operator is cut off from the API server for good, at a chosen request, as a process that is killed: nothing it
/// would still say at its end arrives. Another one takes over from what the cluster holds.
/// </summary>
public sealed class KillTests
{
    private const string Operator = "bursar/";

    /// <summary>Where it dies: which request, and whether that one still takes place.</summary>
    public static TheoryData<string, string, bool> Places => new()
    {
        { "gpuledgers", "patch", true },    // the ledger holds it, its answer is lost
    };

    [Theory]
    [MemberData(nameof(Places))]
    public async Task Killed_around_a_parking_it_is_parked_once_and_no_amount_changes(string resource, string verb, bool happens)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await using var bill = await PodBill.OpenAsync(scene);
        await scene.BudgetAsync("2");
        await scene.RunawayAsync("runaway");
        await scene.UntilRunsAsync("runaway");
        await scene.PassAsync(7);
        (await scene.IsSuspendedAsync("runaway")).Should().BeFalse();

        await KillAtAsync(scene, resource, verb, happens);
        await world.StartOperatorAsync(CancellationToken.None);

        await scene.UntilSuspendedAsync("runaway");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await scene.UntilAsync("an Event tells it", async () => (await scene.EventsAsync("Suspended", "runaway")).Count >= 1);
        (await scene.FinalSpentAsync()).Should().Be(bill.Total(Scene.V100).ToString());
        bill.Pods.Should().Be(1);
        await scene.PassAsync(20);
        (await scene.IsSuspendedAsync("runaway")).Should().BeTrue("a restart is no cause to resume");

        await scene.SetLimitAsync("10");
        await scene.UntilResumedAsync("runaway");
        await scene.UntilAsync("the record is gone", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
    }

    [Theory]
    [InlineData(11)]
    [InlineData(12)]
    public async Task Killed_again_and_again_at_random_moments_it_bills_the_same(int seed)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await using var bill = await PodBill.OpenAsync(scene);
        var chance = new Random(seed);
        await scene.BudgetAsync("100");
        for (var i = 0; i < 4; i++) await scene.JobAsync($"job-{i}", declared: "3m", runFor: $"{30 + chance.Next(120)}s");
        for (var kill = 0; kill < 5; kill++)
        {
            await scene.PassAsync(5 + chance.NextDouble() * 30);
            await KillAsync(scene);
            // It is away for a while; pods end meanwhile.
            await scene.PassAsync(chance.NextDouble() * 20);
            await world.StartOperatorAsync(CancellationToken.None);
        }
        await scene.UntilAsync("all jobs are done", async () =>
        {
            for (var i = 0; i < 4; i++)
                if ((await world.JobAsync(scene.Team, $"job-{i}", CancellationToken.None)).Status.Succeeded != 1) return false;
            return true;
        }, TimeSpan.FromMinutes(5));
        await scene.PassAsync(70);
        (await scene.FinalSpentAsync()).Should().Be(bill.Total(Scene.V100).ToString());
        bill.Pods.Should().Be(4);
    }

    /// <summary>A parked Job's pods are deleted: their end is known only to who saw it, so it must not wait for the ledger's pace.</summary>
    [Fact]
    public async Task Killed_soon_after_parked_pods_have_gone_it_still_knows_when_they_ended()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await using var bill = await PodBill.OpenAsync(scene);
        await scene.BudgetAsync("2");
        // The namespace's ledger object is there and was written lately: what follows would have to wait for its turn.
        await scene.JobAsync("short", declared: "1s", runFor: "1s");
        await scene.UntilAsync("short is done", async () => (await world.JobAsync(scene.Team, "short", CancellationToken.None)).Status.Succeeded == 1);
        await scene.RunawayAsync("runaway");
        await scene.UntilSuspendedAsync("runaway");
        await scene.UntilAsync("its pod has gone", async () => (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, CancellationToken.None)).Items.Count == 1);
        await scene.PassAsync(6);

        await KillAsync(scene);
        await scene.PassAsync(90);
        await world.StartOperatorAsync(CancellationToken.None);

        (await scene.FinalSpentAsync()).Should().Be(bill.Total(Scene.V100).ToString());
        bill.Pods.Should().Be(2);
        (await scene.StatusAsync())!.SuspendedCount.Should().Be(1);
    }

    private static async Task KillAtAsync(Scene scene, string resource, string verb, bool happens)
    {
        var faults = scene.Sandbox.Server.Faults;
        var before = faults.Shown;
        faults.Add(new(happens ? new Fault.AnswerAfter(500) : new Fault.Answer(500))
        {
            Client = Operator,
            Resource = resource,
            Verb = verb,
            Times = 1,
            Then = new(new Fault.Answer(500)) { Client = Operator },
        });
        await scene.UntilAsync($"the operator dies at {verb} {resource}", () => Task.FromResult(faults.Shown > before), TimeSpan.FromSeconds(90));
        await scene.World.StopOperatorAsync();
        faults.Clear();
    }

    private static async Task KillAsync(Scene scene)
    {
        scene.Sandbox.Server.Faults.Add(new(new Fault.Answer(500)) { Client = Operator });
        await scene.World.StopOperatorAsync();
        scene.Sandbox.Server.Faults.Clear();
    }
}
