using Bursar.Core.Ledger;

namespace Bursar.Core.Decisions;

/// <summary>Where the budget says so, a new job that nothing tells the length of waits until something does.</summary>
internal static class UnknownDurationRule
{
    public static void Evaluate(Plan plan, CostedWorkload item)
    {
        if (
            plan.Budget.ForecastDoubt is null
            && item is { Suspendable: true, IsActiveJob: true }
            && IsWaiting(item, plan.Budget)
            && !plan.Memory.Admitted.ContainsKey(item.Work.Key.Uid)
            && !BudgetMemoryUpdate.IsSettling(item.Work, plan.Memory, plan.Budget.Now)
        )
            plan.Suspend(item, Reasons.UnknownDuration, Messages.DurationUnknown(item, plan.Budget), byForecast: true);
    }

    /// <summary>A hang is no missing word: progress that stands still is the owner's to look at, not a reason to hold.</summary>
    public static bool IsWaiting(CostedWorkload item, BudgetSnapshot budget) =>
        budget.Terms.UnknownDuration == UnknownDuration.Hold
        && item.Work.Class == WorkloadClass.Training
        && item.Work.Rate is not null
        && !item.Cost.KnownLength
        && !item.Work.Estimate.Stale;
}
