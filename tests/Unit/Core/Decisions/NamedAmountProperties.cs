using Bursar.Core.Budgets;
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
            budget = budget with { Terms = budget.Terms with { Resume = policy } };
            var decision = BudgetDecider.Decide(budget);
            var wait = TimeSpan.FromSeconds(random.Next(0, 600));
            // The amount is one of the window in which it is named.
            if (Window.NextEdge(budget.Terms.Window, budget.Now) is { } edge && edge - budget.Now < TimeSpan.FromMinutes(15)) return;
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
        return Windowed(budget with
        {
            Workloads = works,
            BurnRate = works.Aggregate(Rate.Zero, (sum, work) => sum + work.BurnRate),
            Terms = budget.Terms with { Mode = EnforcementMode.Enforce, Resume = ResumePolicy.Automatic },
        }, random);
    }

    /// <summary>The same budget in a window of any kind, at any moment of it. Rolling: what was spent was spent in a few stretches.</summary>
    private static BudgetSnapshot Windowed(BudgetSnapshot budget, Random random)
    {
        var now = budget.Now + TimeSpan.FromMinutes(random.Next(0, 12 * 60));
        WindowSpec spec = random.Next(8) switch
        {
            0 => new(WindowPeriod.Hour),
            1 => new(WindowPeriod.Day),
            2 => new(WindowPeriod.Week),
            3 => new(WindowPeriod.Once, Start: budget.Now.AddDays(-1), End: now.AddMinutes(random.Next(5, 48 * 60))),
            4 or 5 => new(WindowPeriod.Rolling, Length: TimeSpan.FromHours(new[] { 1, 6, 24, 168, 720 }[random.Next(5)])),
            _ => budget.Terms.Window,
        };
        var window = Window.At(spec, now);
        budget = budget with { Now = now, Window = window, Terms = budget.Terms with { Window = spec }, Memory = budget.Memory with { WindowKey = window.Key } };
        if (spec.Period == WindowPeriod.Rolling)
        {
            var past = Enumerable.Range(0, random.Next(1, 5)).Select(_ =>
            {
                var from = window.Start + window.Length * (random.NextDouble() * 0.98);
                return new SpendSegment(from, from + (now - from) * (0.1 + random.NextDouble() * 0.9), Rate.FromDecimal(random.Next(1, 20)));
            }).OrderBy(past => past.From).ToArray();
            // About as much as the limit at most.
            var sum = RollingSum.At(past, window.Length, now);
            var most = BudgetDecider.LimitOf(budget).Percent(random.Next(0, 110));
            if (sum > most) past = [.. past.Select(one => one with { RatePerHour = new((long)(one.RatePerHour.NanoPerGpuHour * (double)most.Units / (double)sum.Units)) })];
            budget = budget with { RollingSpend = past, Spent = RollingSum.At(past, window.Length, now) };
        }
        // Most were suspended in this very window.
        return budget with { Workloads = [.. budget.Workloads.Select(work => work.Parked is { } parked ? work with { Parked = parked with { WindowKey = random.Next(6) == 0 ? "before" : window.Key, Spent = random.Next(2) == 0 ? budget.Spent : null } } : work)] };
    }
}
