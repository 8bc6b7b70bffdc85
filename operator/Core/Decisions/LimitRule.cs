using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The limit itself: spent + the stop cost of all parkable running work must stay below it, else all of that work is
/// parked. Leans on API times and the last trusted price only, so no estimate, annotation or silent agent switches it off.
/// </summary>
public static class LimitRule
{
    public static void Apply(Plan plan, IReadOnlyList<ChargedWork> work, BudgetMemory memory)
    {
        if (!IsReached(plan.Balance)) return;
        foreach (var item in work)
            if (item.Parkable && item.Work.State is (WorkloadState.Running or WorkloadState.Pending))
                plan.Park(item, item.Work.Parked is null ? Reasons.BudgetExhausted : Reasons.ParkedAgain, Sentences.Exhausted(item, plan.Budget, plan.Balance), byForecast: false, memory);
    }

    public static bool IsReached(Balance balance) => balance.Spent + balance.OverspendBound >= balance.Allowed;
}
