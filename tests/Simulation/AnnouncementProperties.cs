using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Simulation;

/// <summary>
/// Random budgets in virtual time. Each suspension by forecast or limit was announced before, with the workload's name, unless its cause
/// came suddenly and is among the inputs of that decision.
/// </summary>
public sealed class AnnouncementProperties
{
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Suspension_was_announced_by_name_unless_its_cause_came_suddenly(bool changes)
    {
        int byForecast = 0,
            byLimit = 0,
            sudden = 0;
        NamedAmountProperties.Check(
            seed =>
            {
                var (forecast, limit, unannounced) = Live(seed, changes);
                (byForecast, byLimit, sudden) = (byForecast + forecast, byLimit + limit, sudden + unannounced);
            },
            150
        );
        byForecast.Should().BeGreaterThan(20);
        byLimit.Should().BeGreaterThan(20);
        if (changes)
            sudden.Should().BeGreaterThan(5);
        else
            sudden.Should().Be(0);
    }

    /// <summary>Seeds in which a suspension was not announced once.</summary>
    [Theory]
    // A second suspension follows while an announced job uses up its settle time.
    [InlineData(3744)]
    // Running work without a reservation brings a rolling sum to the limit right after a resume.
    [InlineData(4533)]
    // A job runs past its declared duration in a budget that holds jobs of unknown duration, while others are announced.
    [InlineData(5262)]
    public void Suspension_of_a_former_counterexample_was_announced(int seed)
    {
        Live(seed, changes: false);
        Live(seed, changes: true);
    }

    /// <summary>
    /// Runs one budget for ten hours and counts its suspensions: by forecast, by limit, and those of both that were sudden.
    /// </summary>
    internal static (int ByForecast, int ByLimit, int Sudden) Live(int seed, bool changes)
    {
        int byForecast = 0,
            byLimit = 0,
            sudden = 0;
        var random = new Random(seed);
        var world = new LivingBudget(Started(random));
        foreach (var work in world.Budget.Workloads)
            if (work.Estimate.Source == EstimateSource.Progress && random.Next(3) == 0)
                world.Slow(work.Key.Uid, random.Next(85, 100));
        var named = new HashSet<string>(StringComparer.Ordinal);
        // Work that does not fit when the budget is created is suspended at once.
        var before = world.Budget;
        Note(world.Turn(), named);
        for (var turn = 0; turn < 600; turn++)
        {
            if (changes && random.Next(60) == 0)
                world.Change(Changed(world.Budget, random, turn));
            var inputs = world.Budget;
            var decision = world.Turn(Minute);
            foreach (var action in decision.Actions.Where(action => action.Kind == ActionKind.Suspend))
            {
                if (action.ByForecast)
                    byForecast++;
                else
                    byLimit++;
                if (named.Contains(action.Workload.Uid))
                    continue;
                SuddenCause(before, inputs, decision, action)
                    .Should()
                    .NotBeNull(
                        "seed {0}, turn {1}: {2} is suspended unannounced: {3}\n{4}",
                        seed,
                        turn,
                        action.Workload.Name,
                        action.Sentence,
                        world.Log
                    );
                sudden++;
            }
            // Each suspension needs a new announcement.
            named.ExceptWith(decision.Actions.Where(action => action.Kind == ActionKind.Resume).Select(action => action.Workload.Uid));
            Note(decision, named);
            before = inputs;
        }
        return (byForecast, byLimit, sudden);
    }

    private static void Note(BudgetDecision decision, HashSet<string> named)
    {
        foreach (var announcement in decision.Announcements.Where(one => one.Reason is Reasons.AtRisk or Reasons.WillSuspend))
            named.UnionWith(announcement.About.Select(work => work.Uid));
    }

    /// <summary>
    /// A change from one snapshot to the next that nothing foretold; null where there is none, or where there was time to announce the
    /// suspension.
    /// </summary>
    private static string? SuddenCause(BudgetSnapshot before, BudgetSnapshot now, BudgetDecision decision, BudgetAction action)
    {
        var isNew =
            !now.Memory.Admitted.ContainsKey(action.Workload.Uid)
            || now.Now - now.Workloads.Single(work => work.Key.Uid == action.Workload.Uid).CreatedAt < SuspensionNotice.NewFor;
        if (action.ByForecast && !isNew && CoversSettleTime(now, decision))
            return null;
        if (BudgetDecider.LimitOf(now) < BudgetDecider.LimitOf(before))
            return "the limit was lowered";
        foreach (var work in now.Workloads)
        {
            if (before.Workloads.FirstOrDefault(one => one.Key.Uid == work.Key.Uid) is not { } known)
                return $"{work.Key.Name} is new";
            if (work.Rate > known.Rate)
                return $"{work.Key.Name} costs more";
            // Only a forecast suspends for these, either a new job or because the budget does not cover the settle time.
            if (!action.ByForecast)
                continue;
            if (work.State == WorkloadState.SuspendedByBudget && !WorkloadCost.IsSuspendable(work, now))
                return $"{work.Key.Name} may not be suspended any more";
            if (work.Estimate.Settled && known.Estimate is { IsKnown: true, Settled: false })
                return $"the estimate of {work.Key.Name} settled";
            if (
                work.State == WorkloadState.Running
                && known.Estimate.IsKnown
                && work.Estimate.IsKnown
                && work.Estimate.Likely > known.Estimate.High
            )
                return $"the estimate of {work.Key.Name} leapt";
        }
        return null;
    }

    /// <summary>Whether the limit covers everything that is reserved while what is suspended runs on for the settle time.</summary>
    private static bool CoversSettleTime(BudgetSnapshot budget, BudgetDecision decision)
    {
        var suspended = decision
            .Actions.Where(action => action.Kind == ActionKind.Suspend)
            .Select(action => action.Workload.Uid)
            .ToHashSet(StringComparer.Ordinal);
        var work = CostedWorkload.From(budget);
        var balance = BudgetTotals.From(budget, decision.Limit, work);
        var jobs = work.Where(item => item.IsActiveJob && !BudgetTotals.ReleasesReservation(item.Snapshot, budget))
            .Select(item => new Claim(
                item.Snapshot.Rate ?? HourlyCost.Zero,
                suspended.Contains(item.Snapshot.Key.Uid)
                    ? Amount.Min(item.Cost.Planned, item.Snapshot.Rate!.Value.For(budget.Terms.Settle) + item.Cost.StopCost)
                    : item.Cost.Planned
            ));
        return budget.Terms.Settle > TimeSpan.Zero
            && balance.Projection.Total([.. balance.MinimumReplicasClaims, .. balance.ReleasedClaims, .. jobs]) <= balance.Allowed;
    }

    private static BudgetSnapshot Started(Random random)
    {
        var budget = NamedAmountProperties.Enforced(random);
        // The budget covers the running jobs, so that later events decide.
        if (random.Next(3) > 0)
            budget = budget with
            {
                Terms = budget.Terms with
                {
                    Limit =
                        budget.Workloads.Aggregate(budget.Spent, (sum, work) =>
                            sum + (work.Rate ?? HourlyCost.Zero).For(work.Estimate.Likely)
                        ) + Money(random.Next(1, 20)),
                },
            };
        budget = budget with
        {
            Terms = budget.Terms with { Settle = Minute * new[] { 0, 1, 10 }[random.Next(3)] },
            Memory = budget.Memory with { LastLimit = BudgetDecider.LimitOf(budget) },
        };
        // Some jobs have a declared duration and run on past it.
        budget = budget with
        {
            Workloads =
            [
                .. budget.Workloads.Select(work =>
                    work.Estimate.IsKnown && random.Next(3) == 0 ? work with { Estimate = Declared(work.Estimate.Likely) } : work
                ),
            ],
        };
        return budget with
        {
            Workloads =
            [
                .. budget.Workloads.Select(work =>
                    work.State == WorkloadState.SuspendedByBudget
                        ? work with
                        {
                            Suspension = work.Suspension! with { Limit = BudgetDecider.LimitOf(budget) },
                        }
                        : work
                ),
            ],
        };
    }

    private static Estimate Declared(TimeSpan left) => new(left, left, left * 1.25, EstimateSource.Declared, true, "expected-duration");

    private static BudgetSnapshot Changed(BudgetSnapshot budget, Random random, int turn)
    {
        var running = budget
            .Workloads.Where(work => work is { Class: WorkloadClass.Training, State: WorkloadState.Running, Estimate.IsKnown: true })
            .ToArray();
        switch (random.Next(4))
        {
            case 0:
                return budget with { Terms = budget.Terms with { Limit = budget.Terms.Limit.Percent(random.Next(70, 100)) } };
            case 1:
                return budget with
                {
                    Workloads = [.. budget.Workloads, Job($"new-{turn}", random.NextDouble() * 6) with { CreatedAt = budget.Now }],
                };
            case 2:
                return budget with
                {
                    Workloads =
                    [
                        .. budget.Workloads.Select(work =>
                            work.Rate is { } rate
                                ? work with
                                {
                                    Rate = new HourlyCost(rate.NanoPerHour * 3 / 2),
                                    BurnRate = new HourlyCost(work.BurnRate.NanoPerHour * 3 / 2),
                                }
                                : work
                        ),
                    ],
                };
            default:
                if (running.Length == 0)
                    return budget;
                var grows = running[random.Next(running.Length)];
                return budget with
                {
                    Workloads =
                    [
                        .. budget.Workloads.Select(work =>
                            work == grows ? work with { Estimate = Settled(work.Estimate.Likely * (1 + random.NextDouble())) } : work
                        ),
                    ],
                };
        }
    }
}
