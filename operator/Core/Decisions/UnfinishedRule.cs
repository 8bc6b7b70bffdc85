namespace Bursar.Core.Decisions;

/// <summary>
/// A suspension that the ledger holds and nobody has seen come true: the operator was stopped between the two. It is
/// carried out, as it was decided; otherwise a crash would be a way around the budget.
/// </summary>
internal static class UnfinishedRule
{
    public static void Evaluate(Plan plan, CostedWorkload item)
    {
        if (
            item.Suspendable
            && item.Work is { State: WorkloadState.Running or WorkloadState.Pending, Suspension: { Confirmed: false } suspended }
        )
            plan.Suspend(item, suspended.Reason, Messages.Unfinished(item, plan.Budget), byForecast: false);
    }
}
