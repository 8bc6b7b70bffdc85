namespace Bursar.Core.Decisions;

/// <summary>Where the budget says so, a new job that nothing tells the length of waits until something does.</summary>
public static class HoldRule
{
    public static void Apply(Plan plan, IReadOnlyList<ChargedWork> work, BudgetMemory memory)
    {
        if (plan.Budget.Terms.UnknownDuration != UnknownDuration.Hold) return;
        foreach (var item in work)
            if (item.Parkable && item.Work.Class == WorkClass.Training && item.Work.State is (WorkloadState.Running or WorkloadState.Pending)
                && !item.Charge.KnownLength && !memory.Admitted.ContainsKey(item.Work.Key.Uid) && !Remembering.IsSettling(item.Work, memory, plan.Budget.Now))
                plan.Park(item, Reasons.UnknownDuration, Sentences.HeldUnknown(item, plan.Budget), byForecast: true, memory);
    }
}
