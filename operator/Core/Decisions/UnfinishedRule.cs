namespace Bursar.Core.Decisions;

/// <summary>
/// Carries out a suspension that is in the ledger but was not confirmed, because the operator was stopped in between. Otherwise a crash
/// would be a way around the budget.
/// </summary>
internal static class UnfinishedRule
{
    public static void Evaluate(Plan plan, CostedWorkload workload)
    {
        if (
            (
                workload.Suspendable
                || workload.Snapshot.Suspension?.Reason == Reasons.SuspendedIdle
                    && WorkloadCost.IsSuspendableWhenIdle(workload.Snapshot, plan.Budget)
            ) && workload.Snapshot is { State: WorkloadState.Running or WorkloadState.Pending, Suspension: { Confirmed: false } suspended }
        )
            plan.Suspend(workload, suspended.Reason, Messages.Unfinished(workload, plan.Budget), byForecast: false);
    }
}
