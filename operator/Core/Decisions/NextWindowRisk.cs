using Bursar.Core.Budgets;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Running work that the next window does not cover. A job counts to the end of the present window only, so it may fit that one and be
/// suspended when the next one begins.
/// </summary>
/// <param name="Window">The window that begins.</param>
/// <param name="Limit">Its limit.</param>
/// <param name="Needed">What the work costs in it.</param>
/// <param name="Suspends">The workloads that are suspended when it begins.</param>
public sealed record NextWindowRisk(Window Window, Amount Limit, Amount Needed, IReadOnlyList<ChargedWork> Suspends)
{
    /// <param name="budget">The snapshot.</param>
    /// <param name="work">The work that runs after this decision.</param>
    /// <param name="memory">The memory after this decision.</param>
    /// <returns>Null while the next window is more than <see cref="LimitWarnings.Lead"/> away, and where it covers the work.</returns>
    public static NextWindowRisk? Of(BudgetSnapshot budget, IEnumerable<WorkloadSnapshot> work, BudgetMemory memory)
    {
        if (Window.NextEdge(budget.Terms.Window, budget.Now) is not { } edge || edge - budget.Now > LimitWarnings.Lead)
            return null;
        WorkloadSnapshot[] runs = [.. work];
        var then = WhatWouldChange.Later(
            budget with
            {
                Workloads = runs,
                BurnRate = runs.Aggregate(HourlyCost.Zero, (sum, one) => sum + one.BurnRate),
            },
            edge
        );
        if (!then.Window.Contains(edge))
            return null;
        var limit = BudgetDecider.LimitOf(then);
        var later = ChargedWork.Of(then);
        var sums = Balance.Of(then, limit, later);
        if (LimitRule.IsReached(sums))
            return Of(
                sums.Spent + sums.OverspendBound,
                [.. later.Where(item => item is { Parkable: true, Work.State: WorkloadState.Running or WorkloadState.Pending })]
            );
        if (then.ForecastDoubt is not null || sums.FloorExceedsLimit)
            return null;
        var claims = ForecastRule.Claims(later.Where(item => item.IsActiveJob), then);
        Amount Needed(IReadOnlyCollection<ChargedWork> parked) =>
            ForecastRule.Needed(then, sums, [], claims, parked, item => item.Charge.Tested);
        var needed = Needed([]);
        return needed <= sums.Allowed
            ? null
            : Of(
                needed,
                Victims.Choose(ForecastRule.Candidates(claims, then), claims, parked => Needed(parked) - sums.Allowed, then, memory)
            );

        NextWindowRisk? Of(Amount amount, IReadOnlyList<ChargedWork> suspends) =>
            suspends.Count == 0 ? null : new(then.Window, limit, amount, suspends);
    }
}
