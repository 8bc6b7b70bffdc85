namespace Bursar.Core.Decisions;

/// <summary>
/// The limit itself: spent + the stop cost of all suspendable running work must stay below it, else all of that work is
/// suspended. Leans on API times and the last trusted price only, so no estimate, annotation or silent agent switches it off.
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
        CostedWorkload[] stopped =
        [
            .. plan.Work.Where(item => item.Suspendable && item.Work.State is (WorkloadState.Running or WorkloadState.Pending)),
        ];
        plan.Expect(stopped);
        foreach (var item in stopped)
            plan.Suspend(
                item,
                Plan.WasReverted(item) ? Reasons.SuspendedAgain : Reasons.BudgetExhausted,
                Messages.Exhausted(item, plan, ResumeRule.NamedLimit(item, plan)),
                byForecast: false
            );
    }

    /// <summary>
    /// What others resumed counts with its stop before its pods are bound: else its record would be let go of in between, and with it
    /// what it had before and how often it was undone.
    /// </summary>
    private static void SuspendAgain(Plan plan)
    {
        var bound = plan.Totals.OverspendBound;
        foreach (var item in plan.Work.Where(w => w is { Suspendable: true, Work.State: WorkloadState.Pending } && Plan.WasReverted(w)))
        {
            var with = bound + WorkloadCost.StopCostOnceRunning(item.Work, plan.Budget) - item.Cost.StopCost;
            if (plan.Totals.Spent + with >= plan.Totals.Allowed)
                plan.Suspend(
                    item,
                    Reasons.SuspendedAgain,
                    Messages.RevertedAtLimit(item, plan, with, ResumeRule.NamedLimit(item, plan)),
                    byForecast: false
                );
            else
                bound = with;
        }
    }

    /// <summary>A budget with nothing left is exhausted also while nothing runs.</summary>
    public static bool IsReached(BudgetTotals balance) => balance.Spent + balance.OverspendBound >= balance.Allowed;
}
