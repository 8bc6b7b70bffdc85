using Bursar.Core.Budgets;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Jobs that fit a budget at their likely cost and not at their high estimates. An estimate that grows step by step passes its high end
/// last, so the jobs are named before a forecast suspends one of them.
/// </summary>
/// <param name="Likely">Spent and reserved after this decision.</param>
/// <param name="Most">The limit that holds the high estimates; in a rolling window with what stopping the work costs.</param>
/// <param name="Suspends">The workloads that may be suspended, the first ones first, at most <see cref="MostWorkloads"/>.</param>
internal sealed record GrowthRisk(Amount Likely, Amount Most, IReadOnlyList<CostedWorkload> Suspends)
{
    public const int MostWorkloads = 20;

    /// <summary>A job that has this little left of its declared duration may run past it.</summary>
    private static readonly TimeSpan NearItsEnd = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan FirstGuesses = TimeSpan.FromMinutes(30);

    /// <summary>Null where the high estimates fit.</summary>
    public static GrowthRisk? Of(Plan plan)
    {
        var (budget, balance, work) = (plan.Budget, plan.Totals, plan.Work);
        if (budget.ForecastDoubt is not null || balance.MinimumReplicasExceedLimit || LimitRule.IsReached(balance))
            return null;
        var waits = work.Where(plan.IsSuspending).ToArray();
        var claims = ForecastRule.Claims(work.Where(item => item.IsActiveJob && !plan.IsSuspending(item)), budget);
        if (!claims.Any(item => item is { Suspendable: true, Work.Estimate.Stale: false }))
            return null;
        var most =
            budget.Terms.Window.Period == WindowPeriod.Rolling
                ? MostRolling(plan)
                : ForecastRule.Needed(balance, waits, claims, [], item => MayCost(item, budget));
        if (most <= balance.Allowed)
            return null;
        // Also a job that is almost done, since it may run past its declared end.
        var candidates = claims
            .Where(item => item is { Suspendable: true, Work.Estimate.Stale: false })
            .Select(item => item with { Cost = item.Cost with { Planned = MayCost(item, budget) } });
        // A job that is almost done, or runs past its declared end, is suspended by the limit alone, and everything else with it.
        var atLimit = work.Where(item =>
            item is { Suspendable: true, Work.State: WorkloadState.Running or WorkloadState.Pending } && !plan.IsSuspending(item)
        );
        var named = Victims.InOrder(candidates, budget, budget.Memory).Concat(atLimit).DistinctBy(item => item.Work.Key.Uid);
        CostedWorkload[] suspends = [.. named.Take(MostWorkloads)];
        return suspends.Length == 0
            ? null
            : new(ForecastRule.Needed(balance, waits, claims, [], item => item.Cost.Planned), most, suspends);
    }

    /// <summary>
    /// The peak of a rolling window at the high estimates. A rolling sum may fall while the jobs alone run and rise with what runs beside
    /// them, so that counts too. Its peak lies on the way, when work still runs and must still be stopped.
    /// </summary>
    private static Amount MostRolling(Plan plan)
    {
        var (budget, balance) = (plan.Budget, plan.Totals);
        return balance.Projection.Of(
                balance.ReleasedClaims.Concat(
                    plan.Work.Select(item =>
                        plan.IsSuspending(item) || Outlook.IsYoung(item, budget) ? new Claim(item.Work.BurnRate, item.Cost.StopCost)
                        : item is { IsActiveJob: true, Cost.KnownLength: true } && !BudgetTotals.ReleasesReservation(item.Work, budget)
                            ? new(item.Work.Rate ?? HourlyCost.Zero, MayCost(item, budget))
                        : Outlook.ClaimOf(item, budget, WorkloadCost.Horizon(budget))
                    )
                )
            ) + balance.OverspendBound;
    }

    /// <summary>The amount up to which the forecast test may come to count a job step by step.</summary>
    private static Amount MayCost(CostedWorkload item, BudgetSnapshot budget)
    {
        var (charge, estimate) = (item.Cost, item.Work.Estimate);
        if (!charge.KnownLength || Outlook.IsYoung(item, budget))
            return charge.Planned;
        var horizon = item.Work.Rate!.Value.For(WorkloadCost.Horizon(budget));
        // Past its declared end its duration is unknown, and this budget then reserves the rest of the window for it.
        if (
            budget.Terms.UnknownDuration == UnknownDuration.RunToWindowEnd
            && estimate is { Source: EstimateSource.Declared or EstimateSource.Series }
            && estimate.Likely < NearItsEnd
        )
            return horizon;
        // The first guesses leap, so only the low end, which is what the test counts, is watched at first.
        if (!estimate.Settled && budget.Now - item.Work.CreatedAt < FirstGuesses)
            return Amount.Max(charge.Planned, Amount.Min(charge.Likely, charge.Planned + charge.Planned.Percent(25)));
        if (!estimate.Settled || estimate.IsSample)
            return Amount.Max(charge.Likely, charge.Planned);
        return Amount.Min(horizon, Amount.Max(charge.High, charge.Likely + charge.StopCost));
    }
}
