namespace Bursar.Core.Decisions;

/// <summary>
/// A parking that the ledger holds and nobody has seen come true: the operator was stopped between the two. It is
/// carried out, as it was decided; otherwise a crash would be a way around the budget.
/// </summary>
internal static class UnfinishedRule
{
    public static void Evaluate(Plan plan, CostedWorkload item)
    {
        if (
            item.Suspendable
            && item.Work is { State: WorkloadState.Running or WorkloadState.Pending, Suspension: { Confirmed: false } parked }
        )
            plan.Suspend(item, parked.Reason, Messages.Unfinished(item, plan.Budget), byForecast: false);
    }
}
