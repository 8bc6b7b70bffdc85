using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

internal static class Exhaustion
{
    /// <summary>
    /// Whether the budget is used up: the limit is reached, or the limit test suspended workloads in this window and neither the limit nor
    /// the available amount has risen since. The few cents left by stopping early do not count as available.
    /// </summary>
    public static bool IsExhausted(BudgetSnapshot budget, BudgetTotals totals) =>
        LimitRule.IsReached(totals)
        || budget.Workloads.Any(workload =>
            SuspendedAtLimit(workload, budget) is { } suspended
            && suspended.Limit >= totals.Limit
            && !ResumeRule.AvailableHasRisen(suspended, budget, totals)
        );

    /// <summary>
    /// Returns the spending beyond the limit while workloads that are not being suspended still cost something, otherwise zero.
    /// </summary>
    public static Amount Overspent(BudgetSnapshot budget, BudgetTotals totals, IEnumerable<CostedWorkload> runsOn) =>
        budget.Spent > totals.Allowed && runsOn.Any() ? budget.Spent - totals.Limit : Amount.Zero;

    /// <summary>Returns when the budget was used up. The memory stores it, so that it does not move with each evaluation.</summary>
    public static DateTimeOffset Began(BudgetSnapshot budget, BudgetTotals totals)
    {
        var stopped = budget.Workloads.Select(workload => SuspendedAtLimit(workload, budget)).OfType<SuspendedSnapshot>().ToArray();
        if (stopped.Length > 0)
            return stopped.Min(suspended => suspended.Since);
        var over = budget.Spent - totals.Limit;
        var limitFell = budget.Memory.LastLimit is { } last && BudgetDecider.OwnLimitOf(budget) < last;
        if (over <= Amount.Zero || budget.BurnRate.NanoPerHour <= 0 || limitFell)
            return budget.Now;
        // The limit was passed while the operator was not running, so the time is derived from the current rate.
        var since = over.Units / budget.BurnRate.NanoPerHour;
        var most = (Int128)(budget.Now - budget.Window.Start).TotalMilliseconds;
        return budget.Now.AddMilliseconds(-(double)Int128.Clamp(since, 0, Int128.Max(most, 0)));
    }

    private static SuspendedSnapshot? SuspendedAtLimit(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        workload is { State: WorkloadState.SuspendedByBudget, Suspension: { Reason: Reasons.BudgetExhausted } suspended }
        && suspended.WindowKey == budget.Window.Key
            ? suspended
            : null;
}
