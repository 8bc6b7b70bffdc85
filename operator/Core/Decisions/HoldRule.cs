using Bursar.Core.Ledger;

namespace Bursar.Core.Decisions;

/// <summary>Where the budget says so, a new job that nothing tells the length of waits until something does.</summary>
public static class HoldRule
{
    public static void Apply(Plan plan, IReadOnlyList<ChargedWork> work, BudgetMemory memory)
    {
        if (plan.Budget.ForecastDoubt is not null)
            return;
        foreach (var item in work)
            if (
                item is { Parkable: true, IsActiveJob: true }
                && IsHeld(item, plan.Budget)
                && !memory.Admitted.ContainsKey(item.Work.Key.Uid)
                && !Remembering.IsSettling(item.Work, memory, plan.Budget.Now)
            )
                plan.Park(item, Reasons.UnknownDuration, Sentences.HeldUnknown(item, plan.Budget), byForecast: true);
    }

    /// <summary>A hang is no missing word: progress that stands still is the owner's to look at, not a reason to hold.</summary>
    public static bool IsHeld(ChargedWork item, BudgetSnapshot budget) =>
        budget.Terms.UnknownDuration == UnknownDuration.Hold
        && item.Work.Class == WorkClass.Training
        && item.Work.Rate is not null
        && !item.Charge.KnownLength
        && !item.Work.Estimate.Stale;
}
