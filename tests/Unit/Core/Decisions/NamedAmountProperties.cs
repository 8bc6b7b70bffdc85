using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using FsCheck;
using FsCheck.Fluent;
using static Bursar.Tests.Unit.Core.Decisions.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>Random budgets that live on after a decision, as the controller would carry it out.</summary>
public sealed class NamedAmountProperties
{
    private static readonly TimeSpan Pass = TimeSpan.FromSeconds(5);

    [Theory]
    [InlineData(ResumePolicy.Automatic)]
    [InlineData(ResumePolicy.Manual)]
    public void Limit_that_a_message_names_is_enough_whatever_others_do_meanwhile(ResumePolicy policy)
    {
        int named = 0, busy = 0;
        Check(seed =>
        {
            var random = new Random(seed);
            var budget = Enforced(random);
            // A workload that is suspended and may not be is resumed at once and may push others out.
            budget = budget with { Terms = budget.Terms with { Resume = policy }, Workloads = [.. budget.Workloads.Where(work => work.State != WorkloadState.Parked || Charge.IsParkable(work, budget))] };
            var decision = BudgetDecider.Decide(budget);
            var wait = TimeSpan.FromSeconds(random.Next(0, 600));
            foreach (var verdict in decision.Workloads.Where(verdict => verdict.EnoughLimit is { } limit && limit > decision.Limit))
            {
                named++;
                verdict.Sentence.Should().Contain($"at least {verdict.EnoughLimit!.Value.ToShortString()} USD");
                if (policy == ResumePolicy.Manual) verdict.Sentence.Should().Contain("set bursar.dev/resume: approved on it");
                foreach (var before in new[] { TimeSpan.Zero, wait })
                {
                    var world = new LivingBudget(budget);
                    world.Turn();
                    var others = 0;
                    for (var at = Pass; at <= before; at += Pass) others += world.Turn().Actions.Count;
                    if (others > 0) busy++;
                    world.Raise(verdict.EnoughLimit!.Value);
                    world.Approve(verdict.Key.Uid);
                    for (var turn = 0; turn < 2 * budget.Workloads.Count + 4 && !world.Runs(verdict.Key.Uid); turn++) world.Turn();
                    world.Runs(verdict.Key.Uid).Should().BeTrue("seed {0}: {1} was told that {2} is enough, granted after {3}: {4}", seed, verdict.Key.Name, verdict.EnoughLimit, before, world.Log);
                    for (var turn = 0; turn < 24; turn++) world.Turn();
                    world.Runs(verdict.Key.Uid).Should().BeTrue("seed {0}: {1} is suspended again within two minutes of {2}, granted after {3}: {4}", seed, verdict.Key.Name, verdict.EnoughLimit, before, world.Log);
                }
            }
        }, 400);
        named.Should().BeGreaterThan(200);
        busy.Should().BeGreaterThan(3);
    }

    [Fact]
    public void Amount_named_in_the_status_is_the_one_named_in_the_event()
    {
        var compared = 0;
        Check(seed =>
        {
            var world = new LivingBudget(Enforced(new Random(seed)));
            var told = world.Turn().Actions.Where(action => action is { Kind: ActionKind.Park, Parked.EnoughLimit: not null }).ToDictionary(action => action.Workload.Uid, action => action.Parked!.EnoughLimit!.Value);
            // What is suspended or resumed meanwhile changes what is needed.
            if (world.Turn().Actions.Count > 0) return;
            foreach (var verdict in world.Turn().Workloads)
                if (verdict is { State: WorkloadState.Parked, EnoughLimit: { } now } && told.TryGetValue(verdict.Key.Uid, out var then) && then >= now)
                {
                    compared++;
                    then.Should().Be(now, "seed {0}: {1}: {2}\n{3}", seed, verdict.Key.Name, world.Log, verdict.Sentence);
                }
        }, 200);
        compared.Should().BeGreaterThan(50);
    }

    internal static void Check(Action<int> holds, int runs) =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
        {
            holds(seed);
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(runs).WithQuietOnSuccess(true).WithReplay(20261129, 1));

    internal static BudgetSnapshot Enforced(Random random)
    {
        var budget = DeciderProperties.Any(random);
        var works = budget.Workloads.ToList();
        if (random.Next(3) == 0)
            works.Add(Job("notebook", 0) with { Key = new("team", "Pod", "notebook", "uid-notebook"), Class = WorkClass.Interactive, NotParkable = "a bare pod", BurnRate = Rate.FromDecimal(random.Next(1, 20)), Rate = Rate.FromDecimal(20m), Estimate = Bursar.Core.Forecast.Estimate.Unknown("") });
        // What the world gives back is told by its state alone.
        works = [.. works.Select(work => work.State == WorkloadState.Parked ? work with { Parked = work.Parked! with { Limit = BudgetDecider.LimitOf(budget) } } : work)];
        return budget with
        {
            Workloads = works,
            BurnRate = works.Aggregate(Rate.Zero, (sum, work) => sum + work.BurnRate),
            Terms = budget.Terms with { Mode = EnforcementMode.Enforce, Resume = ResumePolicy.Automatic },
        };
    }
}
