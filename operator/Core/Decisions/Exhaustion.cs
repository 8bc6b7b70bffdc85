using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>Whether a budget is used up, and since when.</summary>
internal static class Exhaustion
{
    /// <summary>
    /// The limit test stands, or it suspended work in this window and neither the limit nor the available amount rose since. Stopping
    /// early leaves a few cents, not a budget on its way.
    /// </summary>
    public static bool Is(BudgetSnapshot budget, BudgetTotals balance) =>
        LimitRule.IsReached(balance)
        || budget.Workloads.Any(work =>
            Stopped(work, budget) is { } suspended && suspended.Limit >= balance.Limit && !ResumeRule.HasRisen(suspended, budget, balance)
        );

    /// <summary>Spending beyond what the budget allows, while work that is not being suspended still costs money; zero otherwise.</summary>
    public static Amount Overspent(BudgetSnapshot budget, BudgetTotals balance, IEnumerable<CostedWorkload> runsOn) =>
        budget.Spent > balance.Allowed && runsOn.Any() ? budget.Spent - balance.Limit : Amount.Zero;

    /// <summary>When the budget was used up. Its memory keeps the moment, since it must not move with each evaluation.</summary>
    public static DateTimeOffset Began(BudgetSnapshot budget, BudgetTotals balance)
    {
        var stopped = budget.Workloads.Select(work => Stopped(work, budget)).OfType<SuspendedSnapshot>().ToArray();
        if (stopped.Length > 0)
            return stopped.Min(suspended => suspended.Since);
        var over = budget.Spent - balance.Limit;
        var limitFell = budget.Memory.LastLimit is { } last && balance.Limit < last;
        if (over <= Amount.Zero || budget.BurnRate.NanoPerHour <= 0 || limitFell)
            return budget.Now;
        // The operator was away when the limit was passed: the present rate tells when that was.
        var since = over.Units / budget.BurnRate.NanoPerHour;
        var most = (Int128)(budget.Now - budget.Window.Start).TotalMilliseconds;
        return budget.Now.AddMilliseconds(-(double)Int128.Clamp(since, 0, Int128.Max(most, 0)));
    }

    private static SuspendedSnapshot? Stopped(WorkloadSnapshot work, BudgetSnapshot budget) =>
        work is { State: WorkloadState.SuspendedByBudget, Suspension: { Reason: Reasons.BudgetExhausted } suspended }
        && suspended.WindowKey == budget.Window.Key
            ? suspended
            : null;
}
