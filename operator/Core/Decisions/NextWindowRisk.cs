using Bursar.Core.Budgets;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Running workloads that the next window does not cover. A job counts to the end of the present window only, so it may fit that one and be
/// suspended when the next begins.
/// </summary>
/// <param name="Window">The window that begins.</param>
/// <param name="Limit">Its limit.</param>
/// <param name="Needed">The cost of the workloads in it.</param>
/// <param name="Suspends">The workloads that are suspended when it begins.</param>
internal sealed record NextWindowRisk(Window Window, Amount Limit, Amount Needed, IReadOnlyList<CostedWorkload> Suspends)
{
    /// <returns>Null if the next window is more than <see cref="LimitWarnings.Lead"/> away or covers the workloads.</returns>
    public static NextWindowRisk? From(Plan plan)
    {
        var (budget, memory) = (plan.Budget, plan.Memory);
        if (Window.NextEdge(budget.Terms.Window, budget.Now) is not { } edge || edge - budget.Now > LimitWarnings.Lead)
            return null;
        WorkloadSnapshot[] runs = [.. plan.Workloads.Select(plan.After).OfType<WorkloadSnapshot>()];
        var then = WhatWouldChange.SnapshotAt(
            budget with
            {
                Workloads = runs,
                BurnRate = runs.Aggregate(HourlyCost.Zero, (sum, workload) => sum + workload.BurnRate),
            },
            edge
        );
        if (!then.Window.Contains(edge))
            return null;
        var limit = BudgetDecider.LimitOf(then);
        var later = CostedWorkload.From(then);
        var sums = BudgetTotals.From(then, limit, later);
        if (LimitRule.IsReached(sums))
            return Risk(
                sums.Spent + sums.OverspendBound,
                [
                    .. later.Where(workload =>
                        workload is { Suspendable: true, Snapshot.State: WorkloadState.Running or WorkloadState.Pending }
                    ),
                ]
            );
        if (then.ForecastDoubt is not null || sums.MinimumReplicasExceedLimit)
            return null;
        var claims = ForecastRule.CountedJobs(later.Where(workload => workload.IsActiveJob), then);
        Amount Needed(IReadOnlyCollection<CostedWorkload> suspended) =>
            ForecastRule.Needed(sums, [], claims, suspended, workload => workload.Cost.Planned);
        var needed = Needed([]);
        return needed <= sums.Allowed
            ? null
            : Risk(
                needed,
                Victims.Choose(ForecastRule.Candidates(claims, then), claims, suspended => Needed(suspended) - sums.Allowed, then, memory)
            );

        NextWindowRisk? Risk(Amount amount, IReadOnlyList<CostedWorkload> suspends) =>
            suspends.Count == 0 ? null : new(then.Window, limit, amount, suspends);
    }
}
