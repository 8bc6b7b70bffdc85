using System.Numerics;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Chooses the jobs that a forecast suspends. New jobs that were never admitted come first, then jobs of unknown duration, then jobs above
/// the reservation they were admitted with, then the rest. Within a group the order is by priority, then by what is least lost for what it
/// saves, then by age. A job inside its reservation is not suspended for the growth of jobs of equal or lower priority. Jobs that turn out
/// not to be needed are removed from the list.
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

    /// <param name="candidates">The jobs that may be suspended.</param>
    /// <param name="claims">All jobs that are counted, including the candidates.</param>
    /// <param name="excess">The amount over the allowed one, if the given jobs are suspended.</param>
    public static IReadOnlyList<CostedWorkload> Choose(
        IEnumerable<CostedWorkload> candidates,
        IReadOnlyList<CostedWorkload> claims,
        Func<IReadOnlyCollection<CostedWorkload>, Amount> excess,
        BudgetSnapshot budget,
        BudgetMemory memory
    )
    {
        var chosen = new List<CostedWorkload>();
        // Growth is summed per priority, so that a candidate is compared with levels and not with every other job.
        var growth = new Dictionary<(int, int), Amount>();
        foreach (var workload in claims)
            AddGrowth(workload, Growth(workload, budget, memory));
        foreach (var workload in InOrder(candidates, budget, memory))
        {
            var left = excess(chosen);
            if (left <= Amount.Zero)
                break;
            if (
                !IsRequested(workload, memory)
                && GroupOf(workload, budget, memory) == VictimGroup.InsideReservation
                && left <= GrowthNotAbove(workload)
            )
                continue;
            chosen.Add(workload);
            AddGrowth(workload, -Growth(workload, budget, memory));
        }
        // From the last chosen, so that the jobs most worth keeping are spared first.
        for (var i = chosen.Count - 1; i >= 0; i--)
            if (excess([.. chosen.Take(i), .. chosen.Skip(i + 1)]) <= Amount.Zero)
                chosen.RemoveAt(i);
        return chosen;

        void AddGrowth(CostedWorkload workload, Amount by) => growth[Level(workload)] = growth.GetValueOrDefault(Level(workload)) + by;

        Amount GrowthNotAbove(CostedWorkload workload) =>
            growth
                .Where(level => level.Key.CompareTo(Level(workload)) <= 0)
                .Aggregate(-Growth(workload, budget, memory), (sum, level) => sum + level.Value);
    }

    private static (int, int) Level(CostedWorkload workload) => (workload.Snapshot.Priority, workload.Snapshot.PriorityWithin);

    /// <summary>Returns the jobs whose suspension saves anything, in the order in which they are chosen.</summary>
    public static IEnumerable<CostedWorkload> InOrder(IEnumerable<CostedWorkload> candidates, BudgetSnapshot budget, BudgetMemory memory) =>
        candidates
            .Where(workload => Saves(workload) > Amount.Zero)
            // A job with a checkpoint request is already chosen; the same shortfall must not cost a second job.
            .OrderByDescending(workload => IsRequested(workload, memory))
            .ThenBy(workload => GroupOf(workload, budget, memory))
            .ThenBy(workload => workload.Snapshot.Priority)
            .ThenBy(workload => workload.Snapshot.PriorityWithin)
            .ThenBy(workload => workload, budget.Terms.Victims == VictimOrder.LeastLost ? LeastLostFirst : NoPreference)
            .ThenByDescending(workload => workload.Snapshot.CreatedAt)
            // The reverse of the resume order.
            .ThenByDescending(workload => workload.Snapshot.Key.Name, StringComparer.Ordinal)
            .ThenByDescending(workload => workload.Uid, StringComparer.Ordinal);

    private static bool IsRequested(CostedWorkload workload, BudgetMemory memory) => memory.Checkpoints.ContainsKey(workload.Uid);

    /// <summary>
    /// Returns the cost of the progress that a suspension now loses: the GPU time since the last checkpoint, which has to be repeated.
    /// </summary>
    public static Amount Lost(CostedWorkload workload) =>
        workload.Snapshot is not { Class: Ledger.WorkloadClass.Training, State: WorkloadState.Running, Rate: { } rate } ? Amount.Zero
        : workload.Snapshot.EstimateAfterResume is not { } again ? Amount.Zero
        : again.IsKnown && workload.Snapshot.Estimate.IsKnown
            ? rate.For(again.Likely > workload.Snapshot.Estimate.Likely ? again.Likely - workload.Snapshot.Estimate.Likely : TimeSpan.Zero)
        // No checkpoint is known, so everything that it has spent is lost.
        : workload.Snapshot.Spent;

    /// <summary>Returns what a suspension saves: the planned cost less the cost of the stop itself.</summary>
    public static Amount Saves(CostedWorkload workload) => workload.Cost.Planned - StillSpends(workload);

    /// <summary>Returns the part of the planned cost that is spent even if the job is suspended.</summary>
    public static Amount StillSpends(CostedWorkload workload) => Amount.Min(workload.Cost.StopCost, workload.Cost.Planned);

    public static VictimGroup GroupOf(CostedWorkload workload, BudgetSnapshot budget, BudgetMemory memory) =>
        !memory.Admitted.ContainsKey(workload.Uid) ? VictimGroup.New
        : !workload.Cost.DurationKnown ? VictimGroup.UnknownLength
        : Growth(workload, budget, memory) > Amount.Zero ? VictimGroup.Grown
        : VictimGroup.InsideReservation;

    /// <summary>Compares loss per saving as products, because a quotient would be rounded.</summary>
    private static readonly Comparer<CostedWorkload> LeastLostFirst = Comparer<CostedWorkload>.Create(
        (one, other) =>
            ((BigInteger)Lost(one).Units * (BigInteger)Saves(other).Units).CompareTo(
                (BigInteger)Lost(other).Units * (BigInteger)Saves(one).Units
            )
    );

    private static readonly Comparer<CostedWorkload> NoPreference = Comparer<CostedWorkload>.Create((_, _) => 0);

    /// <summary>Returns how far a job is above its reservation. A job admitted in an earlier window has no growth in this one.</summary>
    private static Amount Growth(CostedWorkload workload, BudgetSnapshot budget, BudgetMemory memory) =>
        memory.Admitted.TryGetValue(workload.Uid, out var admission) && admission.At >= budget.Window.Start
            ? Amount.Max(Amount.Zero, workload.Snapshot.Spent - admission.SpentBefore + workload.Cost.Planned - admission.Reserved)
            : Amount.Zero;
}
