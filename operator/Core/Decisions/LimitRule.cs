using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The limit itself: spent + the stop cost of all parkable running work must stay below it, else all of that work is
/// parked. Leans on API times and the last trusted price only, so no estimate, annotation or silent agent switches it off.
/// </summary>
public static class LimitRule
{
    public static void Apply(Plan plan, IReadOnlyList<ChargedWork> work)
    {
        if (!IsReached(plan.Balance)) return;
        foreach (var item in work)
            // What waits for a node is parked with the rest: it would begin to spend money that is gone.
            if (item.Parkable && item.Work.State is (WorkloadState.Running or WorkloadState.Pending))
                plan.Park(item, Plan.WasUndone(item) ? Reasons.ParkedAgain : Reasons.BudgetExhausted, Sentences.Exhausted(item, plan.Budget, plan.Balance), byForecast: false);
    }

    /// <summary>A budget with nothing left is exhausted also while nothing runs.</summary>
    public static bool IsReached(Balance balance) => balance.Spent + balance.OverspendBound >= balance.Allowed;
}
