using Bursar.Core.Ledger;

namespace Bursar.Core.Decisions;

/// <summary>
/// Suspends a new job of unknown duration until its duration is known, if the budget says so (<c>unknownDuration: Hold</c>).
/// </summary>
internal static class UnknownDurationRule
{
    public static void Evaluate(Plan plan, CostedWorkload workload)
    {
        if (
            plan.Budget.ForecastDoubt is null
            && workload is { Suspendable: true, IsActiveJob: true }
            && IsWaiting(workload, plan.Budget)
            && !plan.Memory.Admitted.ContainsKey(workload.Uid)
            && !BudgetMemoryUpdate.IsSettling(workload.Snapshot, plan.Memory, plan.Budget.Now)
        )
            plan.Suspend(workload, Reasons.UnknownDuration, Messages.DurationUnknown(workload, plan.Budget), byForecast: true);
    }

    /// <summary>
    /// Whether the job waits for its duration. Stalled progress is not an unknown duration: such a job keeps running and its user
    /// investigates.
    /// </summary>
    public static bool IsWaiting(CostedWorkload workload, BudgetSnapshot budget) =>
        budget.Terms.UnknownDuration == UnknownDuration.Hold
        && workload.Snapshot.Class == WorkloadClass.Training
        && workload.Snapshot.Rate is not null
        && !workload.Cost.DurationKnown
        && !workload.Snapshot.Estimate.Stale;
}
