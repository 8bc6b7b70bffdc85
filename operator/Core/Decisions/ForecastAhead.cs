using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The next suspension by forecast on the present course. Work without a reservation (inference with <c>whenExhausted: Zero</c>, bare
/// pods, jobs of unknown duration) spends what is reserved for jobs, at a rate that is known. So the moment and the jobs are known too.
/// </summary>
/// <param name="At">When the forecast test fails first.</param>
/// <param name="Suspends">The jobs that it suspends then.</param>
public sealed record ForecastAhead(DateTimeOffset At, IReadOnlyList<CostedWorkload> Suspends)
{
    /// <param name="budget">The snapshot.</param>
    /// <param name="balance">Its sums.</param>
    /// <param name="work">Its workloads with their charges.</param>
    /// <param name="until">When the limit itself suspends work or is reached.</param>
    /// <param name="stopping">Work that this decision suspends already.</param>
    /// <returns>Null where no job is suspended by forecast before then. O(workloads × log time).</returns>
    public static ForecastAhead? Of(
        BudgetSnapshot budget,
        BudgetTotals balance,
        IReadOnlyList<CostedWorkload> work,
        DateTimeOffset until,
        Func<CostedWorkload, bool>? stopping
    )
    {
        if (budget.ForecastDoubt is not null || balance.MinimumReplicasExceedLimit)
            return null;
        CostedWorkload[] waits = stopping is null ? [] : [.. work.Where(stopping)];
        var runs = stopping is null ? work : [.. work.Where(item => !stopping(item))];
        var claims = ForecastRule.Claims(runs.Where(item => item.IsActiveJob), budget);
        if (!claims.Any(item => item.Suspendable && Victims.Saves(item) > Amount.Zero))
            return null;

        bool FailsAfter(TimeSpan time) => Needed(budget, balance, waits, claims, runs, time) > balance.Allowed;
        var (fits, fails) = (TimeSpan.Zero, until - budget.Now);
        if (FailsAfter(fits) || !FailsAfter(fails))
            return null;
        // A rolling sum is expensive, so a distant moment is searched to a 64th of its distance only.
        while (fails - fits > TimeSpan.FromSeconds(1) + (budget.Terms.Window.Period == WindowPeriod.Rolling ? fits / 64 : TimeSpan.Zero))
        {
            var middle = fits + (fails - fits) / 2;
            if (FailsAfter(middle))
                fails = middle;
            else
                fits = middle;
        }

        // The test itself says which jobs it suspends, on the snapshot of that moment.
        var then = WhatWouldChange.Later(
            budget with
            {
                Workloads = [.. runs.Select(item => item.Work)],
            },
            budget.Now + fails + budget.ReactionTime
        );
        var later = CostedWorkload.Of(then);
        var sums = BudgetTotals.Of(then, balance.Limit, later);
        if (LimitRule.IsReached(sums) || sums.MinimumReplicasExceedLimit)
            return null;
        var left = ForecastRule.Claims(later.Where(item => item.IsActiveJob), then);
        var victims = Victims.Choose(
            ForecastRule.Candidates(left, then),
            left,
            suspended => ForecastRule.Needed(sums, [], left, suspended, item => item.Cost.Planned) - sums.Allowed,
            then,
            budget.Memory
        );
        return victims.Count == 0 ? null : new(budget.Now + fails, victims);
    }

    /// <summary>The sum of the forecast test after a time in which nothing new starts.</summary>
    internal static Amount Needed(
        BudgetSnapshot budget,
        BudgetTotals balance,
        IEnumerable<CostedWorkload> waits,
        IEnumerable<CostedWorkload> claims,
        IEnumerable<CostedWorkload> runs,
        TimeSpan time
    ) =>
        balance.Projection.Of([
            .. balance.MinimumReplicasClaims,
            .. balance.ReleasedClaims,
            .. waits.Select(item => new Claim(item.Work.Rate ?? HourlyCost.Zero, item.Cost.StopCost)),
            .. claims.Select(item => new Claim(item.Work.Rate ?? HourlyCost.Zero, item.Cost.Planned)),
            .. runs.Select(item => new Claim(item.Work.BurnRate, Unreserved(item, budget, time))),
        ]);

    /// <summary>What a workload spends in a time beyond what the forecast test reserves for it.</summary>
    private static Amount Unreserved(CostedWorkload item, BudgetSnapshot budget, TimeSpan time)
    {
        var (work, charge) = (item.Work, item.Cost);
        var spends = work.BurnRate.For(time);
        if (work.State is WorkloadState.SuspendedByBudget or WorkloadState.SuspendedByOther || Outlook.IsYoung(item, budget))
            return Amount.Min(spends, charge.StopCost);
        if (work.Class != WorkloadClass.Training)
        {
            if (charge.Likely <= Amount.Zero)
                return spends;
            var reserved = AffordableRate.IsElastic(work) ? work.MinReplicasRate!.Value : work.Rate ?? HourlyCost.Zero;
            return Amount.Max(Amount.Zero, spends - reserved.For(time));
        }
        if (!charge.KnownLength)
            return WorkloadCost.ReservesWindow(work, budget) ? Amount.Zero : spends;
        // Where the test counts the low end of an estimate, the job may spend more.
        spends = Amount.Min(spends, charge.Settled);
        return Amount.Max(Amount.Zero, spends + Amount.Min(charge.StopCost, charge.Settled - spends) - charge.Planned);
    }
}
