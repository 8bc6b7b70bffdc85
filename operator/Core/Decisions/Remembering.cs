using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>Carries a budget's memory from one evaluation into the next.</summary>
public static class Remembering
{
    public static BudgetMemory Begin(BudgetSnapshot budget, Amount limit)
    {
        var memory = budget.Memory;
        if (memory.WindowKey != budget.Window.Key) memory = memory with { WindowKey = budget.Window.Key, Announced = [] };

        var appeared = memory.FirstSeen is null;
        var fell = memory.LastLimit is { } last && limit < last;
        if (appeared || fell)
            memory = memory with { SettleFrom = budget.Now, SettleUntil = budget.Now + budget.Terms.Settle };

        // An admitted job that is no longer there has ended, and freed whatever was still reserved for it. One that was
        // parked has not ended: its money is what made it be parked.
        var present = budget.Workloads.Where(w => w.State is WorkloadState.Running or WorkloadState.Pending).Select(w => w.Key.Uid).ToHashSet(StringComparer.Ordinal);
        var parked = budget.Workloads.Where(w => w.State is WorkloadState.Parked or WorkloadState.Suspended).Select(w => w.Key.Uid).ToHashSet(StringComparer.Ordinal);
        var ended = memory.Admitted.Keys.Count(uid => !present.Contains(uid) && !parked.Contains(uid));
        if (memory.Admitted.Keys.Any(uid => !present.Contains(uid)))
            memory = memory with { Admitted = memory.Admitted.Where(a => present.Contains(a.Key)).ToSorted() };

        return memory with
        {
            FirstSeen = memory.FirstSeen ?? budget.Now,
            LastLimit = limit,
            Freed = memory.Freed + ended,
        };
    }

    /// <summary>Work that was running before the budget appeared or its limit fell is spared by forecasts for a while.</summary>
    public static bool IsSettling(WorkloadSnapshot work, BudgetMemory memory, DateTimeOffset now) =>
        memory.SettleFrom is { } from && memory.SettleUntil is { } until && now < until && work.CreatedAt < from;

    public static IReadOnlyDictionary<string, TValue> ToSorted<TValue>(this IEnumerable<KeyValuePair<string, TValue>> pairs)
    {
        var sorted = new SortedDictionary<string, TValue>(StringComparer.Ordinal);
        foreach (var (key, value) in pairs) sorted[key] = value;
        return sorted;
    }
}
