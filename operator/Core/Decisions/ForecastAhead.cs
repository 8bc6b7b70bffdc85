using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The next suspension by forecast at the current rates. Workloads without a reservation (inference with <c>whenExhausted: Zero</c>, bare
/// pods, jobs of unknown duration) spend what is reserved for jobs, at a known rate. So the time and the jobs are known too.
/// </summary>
/// <param name="At">When the forecast test first fails.</param>
/// <param name="Suspends">The jobs that it suspends then.</param>
public sealed record ForecastAhead(DateTimeOffset At, IReadOnlyList<CostedWorkload> Suspends)
{
    /// <param name="until">When the limit itself suspends workloads or is reached.</param>
    /// <param name="stopping">The workloads that this decision suspends. Null: none.</param>
    /// <returns>Null if no job is suspended by forecast before then. O(workloads × log time).</returns>
    public static ForecastAhead? From(
        BudgetSnapshot budget,
        BudgetTotals totals,
        IReadOnlyList<CostedWorkload> workloads,
        DateTimeOffset until,
        Func<CostedWorkload, bool>? stopping
    )
    {
        if (budget.ForecastDoubt is not null || totals.MinimumReplicasExceedLimit)
            return null;
        CostedWorkload[] awaitingCheckpoint = stopping is null ? [] : [.. workloads.Where(stopping)];
        var runs = stopping is null ? workloads : [.. workloads.Where(workload => !stopping(workload))];
        var claims = ForecastRule.CountedJobs(runs.Where(workload => workload.IsActiveJob), budget);
        if (!claims.Any(workload => workload.Suspendable && Victims.Saves(workload) > Amount.Zero))
            return null;

        bool FailsAfter(TimeSpan time) => Needed(budget, totals, awaitingCheckpoint, claims, runs, time) > totals.Allowed;
        var (fits, fails) = (TimeSpan.Zero, until - budget.Now);
        if (FailsAfter(fits) || !FailsAfter(fails))
            return null;
        // A rolling sum is expensive, so a distant time is searched only to 1/64 of its distance.
        while (fails - fits > TimeSpan.FromSeconds(1) + (budget.Terms.Window.Period == WindowPeriod.Rolling ? fits / 64 : TimeSpan.Zero))
        {
            var middle = fits + (fails - fits) / 2;
            if (FailsAfter(middle))
                fails = middle;
            else
                fits = middle;
        }

        // The test itself selects the jobs, on the snapshot of that time.
        var then = WhatWouldChange.SnapshotAt(
            budget with
            {
                Workloads = [.. runs.Select(workload => workload.Snapshot)],
            },
            budget.Now + fails + budget.ReactionTime
        );
        var later = CostedWorkload.From(then);
        var sums = BudgetTotals.From(then, totals.Limit, later);
        if (LimitRule.IsReached(sums) || sums.MinimumReplicasExceedLimit)
            return null;
        var left = ForecastRule.CountedJobs(later.Where(workload => workload.IsActiveJob), then);
        var victims = Victims.Choose(
            ForecastRule.Candidates(left, then),
            left,
            suspended => ForecastRule.Needed(sums, [], left, suspended, workload => workload.Cost.Planned) - sums.Allowed,
            then,
            budget.Memory
        );
        return victims.Count == 0 ? null : new(budget.Now + fails, victims);
    }

    /// <summary>Computes the sum of the forecast test after a time in which nothing new starts.</summary>
    internal static Amount Needed(
        BudgetSnapshot budget,
        BudgetTotals totals,
        IEnumerable<CostedWorkload> awaitingCheckpoint,
        IEnumerable<CostedWorkload> claims,
        IEnumerable<CostedWorkload> runs,
        TimeSpan time
    ) =>
        totals.Projection.Total([
            .. totals.MinimumReplicasClaims,
            .. totals.ReleasedClaims,
            .. awaitingCheckpoint.Select(workload => new Claim(workload.Snapshot.Rate ?? HourlyCost.Zero, workload.Cost.StopCost)),
            .. claims.Select(workload => new Claim(workload.Snapshot.Rate ?? HourlyCost.Zero, workload.Cost.Planned)),
            .. runs.Select(workload => new Claim(workload.Snapshot.BurnRate, Unreserved(workload, budget, time))),
        ]);

    /// <summary>Returns what a workload spends in a time beyond its reservation.</summary>
    private static Amount Unreserved(CostedWorkload workload, BudgetSnapshot budget, TimeSpan time)
    {
        var (snapshot, cost) = (workload.Snapshot, workload.Cost);
        var spends = snapshot.BurnRate.For(time);
        if (snapshot.State is WorkloadState.SuspendedByBudget or WorkloadState.SuspendedByOther || Outlook.IsNew(workload, budget))
            return Amount.Min(spends, cost.StopCost);
        if (snapshot.Class != WorkloadClass.Training)
        {
            if (cost.Likely <= Amount.Zero)
                return spends;
            var reserved = AffordableRate.IsElastic(snapshot) ? snapshot.MinReplicasRate!.Value : snapshot.Rate ?? HourlyCost.Zero;
            return Amount.Max(Amount.Zero, spends - reserved.For(time));
        }
        if (!cost.DurationKnown)
            return WorkloadCost.ReservesWindow(snapshot, budget) ? Amount.Zero : spends;
        // A job may spend more than the test counts if that is the low end of the estimate.
        spends = Amount.Min(spends, cost.Settled);
        return Amount.Max(Amount.Zero, spends + Amount.Min(cost.StopCost, cost.Settled - spends) - cost.Planned);
    }
}
