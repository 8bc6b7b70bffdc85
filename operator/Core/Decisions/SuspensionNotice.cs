using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The settle time between the announcement of a suspension by forecast and the suspension. A job may become slower at once, which no
/// earlier forecast could know. It is announced then and keeps running for the settle time, where the budget covers that beside everything
/// that is reserved for others. A new job gets no notice. Its first measured step time replaces a guess, so it is suspended as soon as that
/// shows.
/// </summary>
public static class SuspensionNotice
{
    /// <summary>A job counts as new for this long.</summary>
    public static readonly TimeSpan NewFor = TimeSpan.FromMinutes(10);

    /// <param name="victims">The jobs that the forecast suspends.</param>
    /// <param name="budget">The snapshot.</param>
    /// <param name="allowed">The limit with its tolerance.</param>
    /// <param name="memory">The memory during this decision.</param>
    /// <param name="needed">What the budget comes to when each job counts with the given amount.</param>
    /// <returns>The jobs that keep running for now, by UID, and when their suspension was announced. Empty where the budget does not cover
    /// them until then.</returns>
    internal static IReadOnlyDictionary<string, DateTimeOffset> Of(
        IReadOnlyCollection<CostedWorkload> victims,
        BudgetSnapshot budget,
        Amount allowed,
        BudgetMemory memory,
        Func<Func<CostedWorkload, Amount>, Amount> needed
    )
    {
        var announced = victims
            .Where(item => HasNotice(item, budget, memory))
            .Select(item =>
                KeyValuePair.Create(
                    item.Work.Key.Uid,
                    memory.SuspensionsAnnounced.TryGetValue(item.Work.Key.Uid, out var at) ? at : budget.Now
                )
            )
            .ToSorted();
        var suspended = victims.Select(item => item.Work.Key.Uid).ToHashSet(StringComparer.Ordinal);
        Amount Spends(CostedWorkload item) =>
            !suspended.Contains(item.Work.Key.Uid) ? item.Cost.Planned
            : !announced.TryGetValue(item.Work.Key.Uid, out var at) ? Victims.StillSpends(item)
            : Amount.Min(
                item.Cost.Planned,
                item.Cost.StopCost + (item.Work.Rate ?? HourlyCost.Zero).For(at + budget.Terms.Settle - budget.Now)
            );
        return announced.Count == 0 || needed(Spends) <= allowed
            ? announced
            : new SortedDictionary<string, DateTimeOffset>(StringComparer.Ordinal);
    }

    private static bool HasNotice(CostedWorkload item, BudgetSnapshot budget, BudgetMemory memory) =>
        memory.SuspensionsAnnounced.TryGetValue(item.Work.Key.Uid, out var at)
            ? budget.Now - at < budget.Terms.Settle
            : budget.Terms.Settle > TimeSpan.Zero
                && budget.Now - item.Work.CreatedAt >= NewFor
                && item.Work is { Suspension: null, IsSuspendedByOtherBudget: false }
                && memory.Admitted.ContainsKey(item.Work.Key.Uid)
                && CheckpointRule.RequestOf(item.Work, budget) is null
                && !LimitWarnings.IsNamed(item.Work, budget.Memory);
}
