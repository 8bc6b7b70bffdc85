using Bursar.Core.Budgets;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Jobs that fit a budget at their likely cost and not at their high estimates. A growing estimate passes its high end last, so the jobs
/// are named before a forecast suspends one of them.
/// </summary>
/// <param name="Likely">Spent and reserved after this decision.</param>
/// <param name="Most">The limit that covers the high estimates. In a rolling window it includes the stop cost.</param>
/// <param name="Suspends">The workloads that may be suspended, in order, at most <see cref="MostWorkloads"/>.</param>
internal sealed record GrowthRisk(Amount Likely, Amount Most, IReadOnlyList<CostedWorkload> Suspends)
{
    public const int MostWorkloads = 20;

    /// <summary>A job with this little left of its declared duration may run past it.</summary>
    private static readonly TimeSpan NearItsEnd = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan FirstGuesses = TimeSpan.FromMinutes(30);

    /// <summary>Returns null if the high estimates fit.</summary>
    public static GrowthRisk? From(Plan plan)
    {
        var (budget, totals, workloads) = (plan.Budget, plan.Totals, plan.Workloads);
        if (budget.ForecastDoubt is not null || totals.MinimumReplicasExceedLimit || LimitRule.IsReached(totals))
            return null;
        var awaitingCheckpoint = workloads.Where(plan.IsSuspending).ToArray();
        var claims = ForecastRule.CountedJobs(workloads.Where(workload => workload.IsActiveJob && !plan.IsSuspending(workload)), budget);
        if (!claims.Any(workload => workload is { Suspendable: true, Snapshot.Estimate.Stale: false }))
            return null;
        var most =
            budget.Terms.Window.Period == WindowPeriod.Rolling
                ? RollingPeak(plan)
                : ForecastRule.Needed(totals, awaitingCheckpoint, claims, [], workload => MayCost(workload, budget));
        if (most <= totals.Allowed)
            return null;
        // Includes jobs that are almost done, because they may run past their declared end.
        var candidates = claims
            .Where(workload => workload is { Suspendable: true, Snapshot.Estimate.Stale: false })
            .Select(workload => workload with { Cost = workload.Cost with { Planned = MayCost(workload, budget) } });
        // A job that is almost done, or runs past its declared end, is suspended at the limit only, together with everything else.
        var atLimit = workloads.Where(workload =>
            workload is { Suspendable: true, Snapshot.State: WorkloadState.Running or WorkloadState.Pending }
            && !plan.IsSuspending(workload)
        );
        var named = Victims.InOrder(candidates, budget, budget.Memory).Concat(atLimit).DistinctBy(workload => workload.Uid);
        CostedWorkload[] suspends = [.. named.Take(MostWorkloads)];
        return suspends.Length == 0
            ? null
            : new(ForecastRule.Needed(totals, awaitingCheckpoint, claims, [], workload => workload.Cost.Planned), most, suspends);
    }

    /// <summary>
    /// Computes the peak of a rolling window at the high estimates. Workloads without a reservation count too, because they may raise the
    /// sum while that of the jobs falls. Workloads still run at the peak, so their stop cost is added.
    /// </summary>
    private static Amount RollingPeak(Plan plan)
    {
        var (budget, totals) = (plan.Budget, plan.Totals);
        return totals.Projection.Total(
                totals.ReleasedClaims.Concat(
                    plan.Workloads.Select(workload =>
                        plan.IsSuspending(workload) || Outlook.IsNew(workload, budget)
                            ? new Claim(workload.Snapshot.BurnRate, workload.Cost.StopCost)
                        : workload is { IsActiveJob: true, Cost.DurationKnown: true }
                        && !BudgetTotals.ReleasesReservation(workload.Snapshot, budget)
                            ? new(workload.Snapshot.Rate ?? HourlyCost.Zero, MayCost(workload, budget))
                        : Outlook.ClaimOf(workload, budget, WorkloadCost.Horizon(budget))
                    )
                )
            ) + totals.OverspendBound;
    }

    /// <summary>Returns the amount up to which the forecast test may gradually count a job.</summary>
    private static Amount MayCost(CostedWorkload workload, BudgetSnapshot budget)
    {
        var (cost, estimate) = (workload.Cost, workload.Snapshot.Estimate);
        if (!cost.DurationKnown || Outlook.IsNew(workload, budget))
            return cost.Planned;
        var horizon = workload.Snapshot.Rate!.Value.For(WorkloadCost.Horizon(budget));
        // After its declared end its duration is unknown, and this budget then reserves the rest of the window for it.
        if (
            budget.Terms.UnknownDuration == UnknownDuration.RunToWindowEnd
            && estimate is { Source: EstimateSource.Declared or EstimateSource.Series }
            && estimate.Likely < NearItsEnd
        )
            return horizon;
        // First estimates vary widely, so at first only the low end is watched, which the test counts.
        if (!estimate.Settled && budget.Now - workload.Snapshot.CreatedAt < FirstGuesses)
            return Amount.Max(cost.Planned, Amount.Min(cost.Likely, cost.Planned + cost.Planned.Percent(25)));
        if (!estimate.Settled || estimate.IsSample)
            return Amount.Max(cost.Likely, cost.Planned);
        return Amount.Min(horizon, Amount.Max(cost.High, cost.Likely + cost.StopCost));
    }
}
