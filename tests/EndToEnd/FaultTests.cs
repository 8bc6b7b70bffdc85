using Bursar.Api;
using Bursar.Core.Money;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The API server fails the operator's requests, at random from a seed. The outcome equals that of an undisturbed run: excess work is
/// suspended once, and every amount follows exactly from the API's own times. Odd seeds cut watches. Even ones also make the server forget
/// its history and refuse the lease, so that the operator may end and restart. No operator may then have seen the end of a pod that is
/// deleted at once, and the pod counts until it is seen to be gone. The test's own watch is never cut. The order in which requests arrive
/// over HTTP decides which of them meets which fault, so a seed gives a kind of run and not the same one twice.
/// </summary>
public sealed class FaultTests
{
    private const string Operator = "bursar/";

    /// <summary>The time a cache may need until it is complete again after a new list, including refusals and back-off.</summary>
    private static readonly TimeSpan Unseen = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The longest time in which an operator that lost the lease does not act, besides <see cref="Replica.Away"/>: from the last renewal to
    /// its end, and after its start until its caches are filled.
    /// </summary>
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(60);

    private static readonly Lazy<Task<string>> Undisturbed = new(() => RunAsync(null));

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task API_faults_of_every_sort_change_no_outcome(int seed) =>
        (await RunAsync(seed)).Should().Be(await Undisturbed.Value, "faults of the API server change no outcome");

    [Fact]
    public async Task Lost_answer_to_the_suspension_still_leaves_a_record_and_an_Event()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        scene.Sandbox.Server.Faults.Add(
            new(new Fault.AnswerAfter(500))
            {
                Client = Operator,
                Verb = "patch",
                Resource = "jobs",
                Times = 1,
            }
        );
        await scene.JobAsync("too-long", declared: "2h");
        await scene.UntilSuspendedAsync("too-long");

        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await scene.UntilAsync("an Event on the job reports it", async () => (await scene.EventsAsync("Suspended", "too-long")).Count == 1);
        await scene.UntilAsync("an Event on the budget reports it", async () => (await scene.EventsAsync("Suspended", "b")).Count == 1);
        await scene.SuspendAsync("too-long", false);
        await scene.UntilSuspendedAsync("too-long");
        (await scene.StatusAsync())!.Decisions![0].Reason.Should().Be("SuspendedAgain", "the first suspension is known to have happened");
    }

    /// <summary>
    /// A conflict is what a write beside ours makes, such as a Deployment's status by its controller. The record may go only
    /// with the value that it holds: else the work would stay down for good.
    /// </summary>
    [Theory]
    [InlineData(1, "limit")]
    [InlineData(20, "limit")]
    [InlineData(1, "budget")]
    [InlineData(20, "budget")]
    public async Task Conflicts_during_a_resume_lose_nothing(int conflicts, string raised)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("0.01", """{"inference": {"whenExhausted": "Zero"}}""");
        await world.CreateDeploymentAsync(scene.Team, "chat", 3, 1, CancellationToken.None);
        await scene.UntilAsync("chat is scaled to zero", async () => await scene.ReplicasAsync("chat") == 0);
        await scene.UntilAsync("the status reports it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);

        scene.Sandbox.Server.Faults.Add(
            new(new Fault.Answer(409))
            {
                Client = Operator,
                Verb = "patch",
                Resource = "deployments",
                Times = conflicts,
            }
        );
        if (raised == "limit")
            await scene.SetLimitAsync("100");
        else
            await world.Client.DeleteAsync<V1Alpha1GpuBudget>("b", scene.Team, null, CancellationToken.None);

        await scene.UntilAsync("chat has its three replicas again", async () => await scene.ReplicasAsync("chat") == 3);
        scene.Sandbox.Server.Faults.Shown.Should().Be(conflicts);
    }

    private static Amount Parse(string text) => Amount.TryParse(text, out var amount) ? amount : throw new FormatException(text);

    /// <summary>
    /// Plays the whole scenario: a job that completes, one that a forecast suspends, one that the limit suspends. Returns the cost of the
    /// first.
    /// </summary>
    private static async Task<string> RunAsync(int? seed)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        var calm = await Scene.OpenAsync(world, "calm");
        var limited = await Scene.OpenAsync(world, "limited");
        await using var bill = await PodBill.OpenAsync(scene);
        await using var calmBill = await PodBill.OpenAsync(calm);
        await using var limitedBill = await PodBill.OpenAsync(limited);
        await scene.BudgetAsync("2");
        await calm.BudgetAsync("100");
        await limited.BudgetAsync("0.1");
        var replica = await world.StartOperatorAsync(CancellationToken.None, new() { LeaderElect = seed % 2 == 0 }, restart: true);
        var faults = scene.Sandbox.Server.Faults;
        var chance = new Random(seed ?? 0);
        var forgets = seed % 2 == 0;
        if (seed is not null)
        {
            foreach (
                var fault in (Fault[])
                    [
                        new Fault.Answer(500),
                        new Fault.Answer(409),
                        new Fault.Answer(429),
                        new Fault.Answer(503),
                        new Fault.AnswerAfter(500),
                        new Fault.Delay(TimeSpan.FromSeconds(1 + chance.Next(2))),
                    ]
            )
                faults.Add(new(fault) { Client = Operator, Probability = 0.02 + chance.NextDouble() * 0.05 });
            faults.Add(new(new Fault.CutWatch(chance.Next(1, 6))) { Client = Operator, Probability = 0.5 });
            if (forgets)
                faults.Add(new(new Fault.ExpireWatch()) { Client = Operator, Probability = 0.3 });
        }
        await calm.JobAsync("short", declared: "40s", runFor: "40s");
        await limited.JobAsync("endless");
        await scene.RunawayAsync("runaway");
        await scene.UntilRunsAsync("runaway");

        var (undone, wasSuspended, bound) = (0, false, Amount.Zero);
        async Task<bool> LookAsync()
        {
            if (seed is not null && chance.Next(6) == 0)
                faults.CutWatches(Operator);
            if (forgets && chance.Next(20) == 0)
                scene.Sandbox.Server.Compact();
            if (Amount.TryParse((await limited.StatusAsync())?.OverspendBound, out var published) && published > bound)
                bound = published;
            var suspended = await scene.IsSuspendedAsync("runaway");
            if (wasSuspended && !suspended)
                undone++;
            return wasSuspended = suspended;
        }
        await scene.UntilAsync("the runaway is suspended", LookAsync, TimeSpan.FromMinutes(3));
        await scene.UntilAsync(
            "the limit stops the endless one",
            async () => await LookAsync() & await limited.IsSuspendedAsync("endless"),
            TimeSpan.FromMinutes(5)
        );
        for (var i = 0; i < 20; i++)
        {
            await scene.PassAsync(1);
            await LookAsync();
        }
        undone.Should().Be(0, "it is suspended once");
        if (seed is not null)
            faults.Shown.Should().BeGreaterThan(50, "the run was disturbed");
        faults.Clear();

        await calm.UntilAsync("the short job is done", async () =>
            (await world.JobAsync(calm.Team, "short", CancellationToken.None)).Status.Succeeded == 1
        );
        await scene.PassAsync(70);
        (await calm.FinalSpentAsync()).Should().Be(calmBill.Total(Scene.V100).ToString());
        foreach (
            var (spent, billed) in new[]
            {
                (await scene.FinalSpentAsync(), bill.Total(Scene.V100)),
                (await limited.FinalSpentAsync(), limitedBill.Total(Scene.V100)),
            }
        )
        {
            if (!forgets)
                spent.Should().Be(billed.ToString(), "the API showed it all");
            else
                Parse(spent)
                    .Should()
                    .BeGreaterThanOrEqualTo(billed)
                    .And.BeLessThanOrEqualTo(billed + Scene.V100.For(Unseen + replica.Ends.Count * Idle + replica.Away));
        }
        (bill.Pods, calmBill.Pods, limitedBill.Pods).Should().Be((1, 1, 1));
        bound.Should().BeGreaterThan(Amount.Zero);
        limitedBill
            .Total(Scene.V100)
            .Should()
            .BeLessThanOrEqualTo(
                Amount.FromDecimal(0.1m) + bound + Scene.V100.For(replica.Ends.Count * Idle + replica.Away),
                "usage is not limited while the operator is away"
            );
        (await scene.IsSuspendedAsync("runaway")).Should().BeTrue();
        (await limited.IsSuspendedAsync("endless")).Should().BeTrue();
        (await calm.IsSuspendedAsync("short")).Should().BeFalse();
        // An Event is a courtesy and may be missing after so many refusals, but never be there twice.
        (await scene.EventsAsync("Suspended", "runaway")).Should().HaveCountLessThanOrEqualTo(1);

        await scene.SetLimitAsync("10");
        await limited.SetLimitAsync("10");
        await scene.UntilResumedAsync("runaway");
        await limited.UntilResumedAsync("endless");
        if (!forgets)
            replica.Ends.Should().BeEmpty();
        return calmBill.Total(Scene.V100).ToString();
    }
}
