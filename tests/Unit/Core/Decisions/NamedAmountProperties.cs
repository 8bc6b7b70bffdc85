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

    [Fact]
    public void Limit_that_a_message_names_is_enough_when_it_is_granted_at_once_and_shortly_after()
    {
        var named = 0;
        Check(seed =>
        {
            var random = new Random(seed);
            var budget = Enforced(random);
            var decision = BudgetDecider.Decide(budget);
            var wait = TimeSpan.FromSeconds(random.Next(0, 600));
            foreach (var verdict in decision.Workloads.Where(verdict => verdict.EnoughLimit is { } limit && limit > decision.Limit))
            {
                named++;
                verdict.Sentence.Should().Contain($"at least {verdict.EnoughLimit!.Value.ToShortString()} USD");
                foreach (var before in new[] { TimeSpan.Zero, wait })
                {
                    var world = new World(budget);
                    world.Turn();
                    var others = 0;
                    for (var at = Pass; at <= before; at += Pass) others += world.Turn().Actions.Count;
                    // What is suspended or resumed meanwhile changes what is needed; the status then names another amount.
                    if (others > 0) continue;
                    world.Raise(verdict.EnoughLimit!.Value);
                    for (var turn = 0; turn < 2 * budget.Workloads.Count + 4 && !world.Runs(verdict.Key.Uid); turn++) world.Turn();
                    world.Runs(verdict.Key.Uid).Should().BeTrue("seed {0}: {1} was told that {2} is enough, granted after {3}: {4}", seed, verdict.Key.Name, verdict.EnoughLimit, before, world.Log);
                    for (var turn = 0; turn < 24; turn++) world.Turn();
                    world.Runs(verdict.Key.Uid).Should().BeTrue("seed {0}: {1} is suspended again within two minutes of {2}, granted after {3}: {4}", seed, verdict.Key.Name, verdict.EnoughLimit, before, world.Log);
                }
            }
        }, 200);
        named.Should().BeGreaterThan(100);
    }

    [Fact]
    public void Amount_named_in_the_status_is_the_one_named_in_the_event()
    {
        var compared = 0;
        Check(seed =>
        {
            var world = new World(Enforced(new Random(seed)));
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

    [Fact]
    public void No_work_is_suspended_at_the_limit_without_an_earlier_announcement()
    {
        var suspended = 0;
        Check(seed =>
        {
            // Work that runs and goes on as it is foreseen: nothing comes suddenly.
            var random = new Random(seed);
            var world = new World(Enforced(random));
            var announced = world.Turn().Announcements.Any(IsWarning);
            for (var turn = 0; turn < 400; turn++)
            {
                var decision = world.Turn(TimeSpan.FromMinutes(1));
                foreach (var action in decision.Actions.Where(action => action is { Kind: ActionKind.Park, Reason: Reasons.BudgetExhausted }))
                {
                    suspended++;
                    announced.Should().BeTrue("seed {0}, turn {1}: {2}", seed, turn, action.Workload.Name);
                }
                announced |= decision.Announcements.Any(IsWarning);
            }
        }, 60);
        suspended.Should().BeGreaterThan(10);
    }

    private static bool IsWarning(Announcement announcement) => announcement.Reason is Reasons.AtRisk or Reasons.WillSuspend;

    private static void Check(Action<int> holds, int runs) =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
        {
            holds(seed);
            return true;
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(runs).WithQuietOnSuccess(true).WithReplay(20261129, 1));

    private static BudgetSnapshot Enforced(Random random)
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

    /// <summary>Carries decisions out, lets running work spend and come nearer to its end.</summary>
    private sealed class World(BudgetSnapshot budget)
    {
        private BudgetSnapshot _budget = budget;
        private readonly List<string> _log = [];

        /// <summary>What was done, for a failing seed.</summary>
        public string Log => string.Join('\n', _log);

        public void Raise(Amount limit) => _budget = _budget with { Terms = _budget.Terms with { Limit = limit } };

        public bool Runs(string uid) => _budget.Workloads.All(work => work.Key.Uid != uid || work.State is WorkloadState.Running or WorkloadState.Pending);

        public BudgetDecision Turn(TimeSpan? time = null)
        {
            var pass = time ?? Pass;
            var decision = BudgetDecider.Decide(_budget);
            _log.AddRange(decision.Actions.Select(action => $"{_budget.Now:HH:mm:ss} {action.Kind} {action.Workload.Name} ({action.Reason}): {action.Sentence}"));
            var actions = decision.Actions.ToDictionary(action => action.Workload.Uid);
            var works = new List<WorkloadSnapshot>();
            var spent = _budget.Spent;
            foreach (var one in _budget.Workloads)
            {
                var work = actions.TryGetValue(one.Key.Uid, out var action)
                    ? action.Kind == ActionKind.Park
                        ? one with { State = WorkloadState.Parked, BurnRate = Rate.Zero, Parked = action.Parked! with { Confirmed = true } }
                        : one with { State = WorkloadState.Running, BurnRate = one.Rate ?? Rate.Zero, Parked = null }
                    : one;
                if (action?.Kind == ActionKind.Park) spent += one.BurnRate.For(TimeSpan.FromSeconds(30));
                var burns = work.BurnRate.For(pass);
                spent += burns;
                if (work.State == WorkloadState.Running && work.BurnRate > Rate.Zero && work.Estimate.IsKnown)
                {
                    if (work.Estimate.Mid <= pass) continue;
                    work = work with { Estimate = work.Estimate with { Low = Less(work.Estimate.Low, pass), Mid = Less(work.Estimate.Mid, pass), High = Less(work.Estimate.High, pass) } };
                }
                works.Add(work with { Spent = work.Spent + burns });
            }
            _budget = _budget with { Now = _budget.Now + pass, Workloads = works, Spent = spent, Memory = decision.Memory, BurnRate = works.Aggregate(Rate.Zero, (sum, work) => sum + work.BurnRate) };
            return decision;
        }

        private static TimeSpan Less(TimeSpan value, TimeSpan by) => value > by ? value - by : TimeSpan.Zero;
    }
}
