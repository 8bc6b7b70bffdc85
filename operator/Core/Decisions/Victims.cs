using System.Numerics;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Who pays for a shortfall: new jobs that were never admitted, then what grew (work of unknown duration, then jobs above
/// the reservation they were admitted with), then by priority, then by what is least lost for what it saves, then by age. Work inside its
/// reservation does not pay for the growth of equal or lower priority. Those that turn out not to be needed are struck from the list.
/// </summary>
public static class Victims
{
    public enum VictimGroup
    {
        New,
        UnknownLength,
        Grown,
        InsideReservation,
    }

    /// <param name="candidates">What may be suspended.</param>
    /// <param name="claims">All that is counted, the candidates among them.</param>
    /// <param name="excess">What is over the allowed amount when these are suspended.</param>
    public static IReadOnlyList<CostedWorkload> Choose(
        IEnumerable<CostedWorkload> candidates,
        IReadOnlyList<CostedWorkload> claims,
        Func<IReadOnlyCollection<CostedWorkload>, Amount> excess,
        BudgetSnapshot budget,
        BudgetMemory memory
    )
    {
        var chosen = new List<CostedWorkload>();
        // Sums are kept for each priority, so that a candidate is compared with levels and not with every other workload.
        var growth = new Dictionary<(int, int), Amount>();
        foreach (var item in claims)
            Grow(item, Growth(item, budget, memory));
        foreach (var item in InOrder(candidates, budget, memory))
        {
            var left = excess(chosen);
            if (left <= Amount.Zero)
                break;
            if (
                !IsRequested(item, memory)
                && GroupOf(item, budget, memory) == VictimGroup.InsideReservation
                && left <= GrowthNotAbove(item)
            )
                continue;
            chosen.Add(item);
            Grow(item, -Growth(item, budget, memory));
        }
        // From the last: what is more worth keeping is spared first.
        for (var i = chosen.Count - 1; i >= 0; i--)
            if (excess([.. chosen.Take(i), .. chosen.Skip(i + 1)]) <= Amount.Zero)
                chosen.RemoveAt(i);
        return chosen;

        void Grow(CostedWorkload item, Amount by) => growth[Level(item)] = growth.GetValueOrDefault(Level(item)) + by;

        Amount GrowthNotAbove(CostedWorkload item) =>
            growth
                .Where(level => level.Key.CompareTo(Level(item)) <= 0)
                .Aggregate(-Growth(item, budget, memory), (sum, level) => sum + level.Value);
    }

    private static (int, int) Level(CostedWorkload item) => (item.Work.Priority, item.Work.PriorityWithin);

    /// <summary>Those that suspension saves anything of, in the order in which they are looked at.</summary>
    public static IEnumerable<CostedWorkload> InOrder(IEnumerable<CostedWorkload> candidates, BudgetSnapshot budget, BudgetMemory memory) =>
        candidates
            .Where(w => Saves(w) > Amount.Zero)
            // Who was asked for a checkpoint is chosen already: no second one pays for the same money.
            .OrderByDescending(w => IsRequested(w, memory))
            .ThenBy(w => GroupOf(w, budget, memory))
            .ThenBy(w => w.Work.Priority)
            .ThenBy(w => w.Work.PriorityWithin)
            .ThenBy(w => w, budget.Terms.Victims == VictimOrder.LeastLost ? LeastLost : Nobody)
            .ThenByDescending(w => w.Work.CreatedAt)
            // The order of resumes, read from its end.
            .ThenByDescending(w => w.Work.Key.Name, StringComparer.Ordinal)
            .ThenByDescending(w => w.Work.Key.Uid, StringComparer.Ordinal);

    private static bool IsRequested(CostedWorkload item, BudgetMemory memory) => memory.Checkpoints.ContainsKey(item.Work.Key.Uid);

    /// <summary>The GPU-money that is lost when it is suspended now: the work since its last checkpoint, which has to be done again.</summary>
    public static Amount Lost(CostedWorkload item) =>
        item.Work is not { Class: Ledger.WorkloadClass.Training, State: WorkloadState.Running, Rate: { } rate } ? Amount.Zero
        : item.Work.EstimateAfterResume is not { } again ? Amount.Zero
        : again.IsKnown && item.Work.Estimate.IsKnown
            ? rate.For(again.Likely > item.Work.Estimate.Likely ? again.Likely - item.Work.Estimate.Likely : TimeSpan.Zero)
        // Nothing tells of a checkpoint: all that it has spent.
        : item.Work.Spent;

    /// <summary>What suspending it keeps from being spent: its claim, less what the stop itself costs.</summary>
    public static Amount Saves(CostedWorkload item) => item.Cost.Planned - StillSpends(item);

    /// <summary>What is left of its claim when it is suspended.</summary>
    public static Amount StillSpends(CostedWorkload item) => Amount.Min(item.Cost.StopCost, item.Cost.Planned);

    public static VictimGroup GroupOf(CostedWorkload item, BudgetSnapshot budget, BudgetMemory memory) =>
        !memory.Admitted.ContainsKey(item.Work.Key.Uid) ? VictimGroup.New
        : !item.Cost.KnownLength ? VictimGroup.UnknownLength
        : Growth(item, budget, memory) > Amount.Zero ? VictimGroup.Grown
        : VictimGroup.InsideReservation;

    /// <summary>Lost per saved, compared as products: shares would be rounded.</summary>
    private static readonly Comparer<CostedWorkload> LeastLost = Comparer<CostedWorkload>.Create(
        (one, other) =>
            ((BigInteger)Lost(one).Units * (BigInteger)Saves(other).Units).CompareTo(
                (BigInteger)Lost(other).Units * (BigInteger)Saves(one).Units
            )
    );

    private static readonly Comparer<CostedWorkload> Nobody = Comparer<CostedWorkload>.Create((_, _) => 0);

    /// <summary>
    /// How far it is above its reservation; one that was carried over from the window before is the first claim on this one.
    /// </summary>
    private static Amount Growth(CostedWorkload item, BudgetSnapshot budget, BudgetMemory memory) =>
        memory.Admitted.TryGetValue(item.Work.Key.Uid, out var admission) && admission.At >= budget.Window.Start
            ? Amount.Max(Amount.Zero, item.Work.Spent - admission.SpentBefore + item.Cost.Planned - admission.Reserved)
            : Amount.Zero;
}
