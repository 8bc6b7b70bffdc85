using System.Collections.ObjectModel;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The settle time between the announcement of a suspension by forecast and the suspension. A job may become slower in a way that no
/// earlier forecast could know. It is then announced and keeps running for the settle time, if the budget covers that beside everything
/// reserved for others. A new job gets no notice, because its first measured step time replaces a guess.
/// </summary>
public static class SuspensionNotice
{
    /// <summary>A job counts as new for this long.</summary>
    public static readonly TimeSpan NewFor = TimeSpan.FromMinutes(10);

    /// <param name="victims">The jobs that the forecast suspends.</param>
    /// <param name="allowed">The limit plus its tolerance.</param>
    /// <param name="needed">Computes the cost of the budget if each job counts with the given amount.</param>
    /// <returns>The jobs that keep running for now, by UID, and when their suspension was announced. Empty if the budget does not cover
    /// them until then.</returns>
    internal static IReadOnlyDictionary<string, DateTimeOffset> From(
        IReadOnlyCollection<CostedWorkload> victims,
        BudgetSnapshot budget,
        Amount allowed,
        BudgetMemory memory,
        Func<Func<CostedWorkload, Amount>, Amount> needed
    )
    {
        var announced = victims
            .Where(workload => HasNotice(workload, budget, memory))
            .Select(workload =>
                KeyValuePair.Create(workload.Uid, memory.SuspensionsAnnounced.TryGetValue(workload.Uid, out var at) ? at : budget.Now)
            )
            .ToSorted();
        var suspended = victims.Select(workload => workload.Uid).ToHashSet(StringComparer.Ordinal);
        Amount Spends(CostedWorkload workload) =>
            !suspended.Contains(workload.Uid) ? workload.Cost.Planned
            : !announced.TryGetValue(workload.Uid, out var at) ? Victims.StillSpends(workload)
            : Amount.Min(
                workload.Cost.Planned,
                workload.Cost.StopCost + (workload.Snapshot.Rate ?? HourlyCost.Zero).For(at + budget.Terms.Settle - budget.Now)
            );
        return announced.Count == 0 || needed(Spends) <= allowed ? announced : ReadOnlyDictionary<string, DateTimeOffset>.Empty;
    }

    private static bool HasNotice(CostedWorkload workload, BudgetSnapshot budget, BudgetMemory memory) =>
        memory.SuspensionsAnnounced.TryGetValue(workload.Uid, out var at)
            ? budget.Now - at < budget.Terms.Settle
            : budget.Terms.Settle > TimeSpan.Zero
                && budget.Now - workload.Snapshot.CreatedAt >= NewFor
                && workload.Snapshot is { Suspension: null, IsSuspendedByOtherBudget: false }
                && memory.Admitted.ContainsKey(workload.Uid)
                && CheckpointRule.RequestOf(workload.Snapshot, budget) is null
                && !LimitWarnings.IsNamed(workload.Snapshot, budget.Memory);
}
