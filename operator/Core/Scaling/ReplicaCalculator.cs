namespace Bursar.Core.Scaling;

/// <summary>One replica as the calculation needs it. For a group of pods that scales as a unit, the group.</summary>
/// <param name="Key">Identifies the replica.</param>
/// <param name="Pending">Its phase is Pending.</param>
/// <param name="Ready">It runs and is ready.</param>
/// <param name="Leaving">Deleted or failed, so it does not count.</param>
/// <param name="Stuck">It has not become ready within half an hour.</param>
public readonly record struct ReplicaState(string Key, bool Pending, bool Ready, bool Leaving, bool Stuck = false);

/// <summary>
/// Computes the replicas that one metric asks for, as Kubernetes' HorizontalPodAutoscaler does
/// (pkg/controller/podautoscaler/replica_calculator.go). Values and targets are integers in milli-units, and an average is truncated.
/// </summary>
public static class ReplicaCalculator
{
    /// <summary>
    /// For a metric with a value per replica: desired = ceil(replicas × average ÷ target). Replicas that have not started count as zero
    /// when scaling up. Replicas without a value count as zero when scaling up and as the target when scaling down. Null if no replica has
    /// a value.
    /// </summary>
    public static int? PerReplica(
        int current,
        long target,
        IReadOnlyDictionary<string, long> values,
        IReadOnlyList<ReplicaState> replicas,
        ScalingBehavior behavior
    )
    {
        var counted = new Dictionary<string, long>(StringComparer.Ordinal);
        int ready = 0,
            pending = 0,
            missing = 0;
        foreach (var replica in replicas)
        {
            if (replica.Leaving)
                continue;
            if (replica.Pending)
                pending++;
            else if (!values.TryGetValue(replica.Key, out var value))
                missing++;
            else
            {
                counted[replica.Key] = value;
                ready++;
            }
        }
        if (counted.Count == 0)
            return null;

        var total = Sum(counted.Values);
        var ratio = Ratio(total, counted.Count, target);
        var upWithPending = pending > 0 && ratio > 1;
        if (!upWithPending && missing == 0)
            return IsWithin(ratio, behavior) ? current : Ceiling(ratio * ready);

        long count = counted.Count;
        if (missing > 0 && ratio < 1)
        {
            total = Saturated(total + (Int128)target * missing);
            count += missing;
        }
        else if (missing > 0 && ratio > 1)
            count += missing;
        if (upWithPending)
            count += pending;
        var again = Ratio(total, count, target);
        if (IsWithin(again, behavior) || ratio < 1 && again > 1 || ratio > 1 && again < 1)
            return current;
        var desired = Ceiling(again * count);
        return again < 1 && desired > current || again > 1 && desired < current ? current : desired;
    }

    /// <summary>
    /// For a metric of the whole target divided among its replicas (<c>AverageValue</c>): desired = ceil(value ÷ target).
    /// </summary>
    /// <param name="actual">The present replicas, as counted by the target's controller.</param>
    /// <param name="value">The value of all replicas together, in milli-units.</param>
    /// <param name="target">The target per replica, in milli-units.</param>
    /// <param name="behavior">Provides the tolerance.</param>
    public static int Shared(int actual, long value, long target, ScalingBehavior behavior) =>
        IsWithin(value / (target * (double)actual), behavior) ? actual : Ceiling(value / (double)target);

    /// <summary>
    /// For a metric that is independent of the number of replicas (<c>Value</c>): desired = ceil(ready replicas × value ÷ target). Null if
    /// it is off target and no replica is known.
    /// </summary>
    public static int? Whole(int current, long value, long target, IReadOnlyList<ReplicaState> replicas, ScalingBehavior behavior)
    {
        var ratio = value / (double)target;
        if (current == 0)
            return Ceiling(ratio);
        if (IsWithin(ratio, behavior))
            return current;
        return replicas.Count == 0 ? null : Ceiling(ratio * replicas.Count(replica => replica.Ready));
    }

    /// <summary>Converts to milli-units, rounded up like Kubernetes quantities, so that a positive value never becomes zero.</summary>
    public static long Milli(double value) =>
        !(value > 0) ? 0
        : value >= 1e15 ? (long)1e18
        : Math.Max(1, (long)decimal.Ceiling(decimal.Round((decimal)value, 6) * 1000m));

    private static bool IsWithin(double ratio, ScalingBehavior behavior) =>
        1 - behavior.Down.Tolerance <= ratio && ratio <= 1 + behavior.Up.Tolerance;

    private static double Ratio(long total, long count, long target) => total / count / (double)target;

    private static long Sum(IEnumerable<long> values)
    {
        Int128 sum = 0;
        foreach (var value in values)
            sum += value;
        return Saturated(sum);
    }

    private static long Saturated(Int128 value) => value > long.MaxValue ? long.MaxValue : (long)value;

    private static int Ceiling(double value) =>
        !(value > 0) ? 0
        : value >= int.MaxValue ? int.MaxValue
        : (int)Math.Ceiling(value);
}
