namespace Bursar.Core.Decisions;

/// <summary>
/// The hard limit: the amount spent plus the stop cost of all suspendable running workloads must stay below it. Otherwise all of them are
/// suspended. The rule uses API times and the last trusted price only, so no estimate, annotation or silent agent switches it off.
/// </summary>
internal static class LimitRule
{
    public static void Evaluate(Plan plan)
    {
        if (!IsReached(plan.Totals))
        {
            SuspendAgain(plan);
            return;
        }
        // Pending workloads are suspended too, because they would start to spend once a node is free.
        CostedWorkload[] suspended =
        [
            .. plan.Workloads.Where(workload =>
                workload.Suspendable && workload.Snapshot.State is (WorkloadState.Running or WorkloadState.Pending)
            ),
        ];
        plan.MarkStopping(suspended);
        foreach (var workload in suspended)
            plan.Suspend(
                workload,
                Plan.WasReverted(workload) ? Reasons.SuspendedAgain : Reasons.BudgetExhausted,
                Messages.Exhausted(workload, plan, ResumeRule.NamedLimit(workload, plan)),
                byForecast: false
            );
    }

    /// <summary>
    /// Suspends again what another actor resumed, if the limit does not cover its stop cost. It is counted before its pods are bound.
    /// Otherwise the record of its suspension, with the count of reverts, would be dropped in between.
    /// </summary>
    private static void SuspendAgain(Plan plan)
    {
        var bound = plan.Totals.OverspendBound;
        foreach (
            var workload in plan.Workloads.Where(workload =>
                workload is { Suspendable: true, Snapshot.State: WorkloadState.Pending } && Plan.WasReverted(workload)
            )
        )
        {
            var boundWithIt = bound + WorkloadCost.StopCostOnceRunning(workload.Snapshot, plan.Budget) - workload.Cost.StopCost;
            if (plan.Totals.Spent + boundWithIt >= plan.Totals.Allowed)
                plan.Suspend(
                    workload,
                    Reasons.SuspendedAgain,
                    Messages.RevertedAtLimit(workload, plan, boundWithIt, ResumeRule.NamedLimit(workload, plan)),
                    byForecast: false
                );
            else
                bound = boundWithIt;
        }
    }

    /// <summary>Whether the limit is reached. A budget with nothing left has reached it even if nothing runs.</summary>
    public static bool IsReached(BudgetTotals totals) => totals.Spent + totals.OverspendBound >= totals.Allowed;
}
