namespace Bursar.Core.Scaling;

/// <summary>One replica, as far as the arithmetic asks. For a group of pods that scales as one: the group.</summary>
/// <param name="Key">Names it among the others.</param>
/// <param name="Pending">Not started: its phase is Pending.</param>
/// <param name="Ready">Runs and is ready.</param>
/// <param name="Leaving">Deleted or failed: it counts for nothing.</param>
/// <param name="Stuck">It has had half an hour to become ready, and is not.</param>
public readonly record struct ReplicaState(string Key, bool Pending, bool Ready, bool Leaving, bool Stuck = false);

/// <summary>
/// How many replicas one metric asks for: the arithmetic of Kubernetes's HorizontalPodAutoscaler
/// (pkg/controller/podautoscaler/replica_calculator.go), with its integers: values and targets are milli-units, and an average is cut.
/// </summary>
public static class ReplicaCalculator
{
    /// <summary>
    /// A metric that each replica has a value of: desired = ceil(replicas × average ÷ target). Replicas that have not started count as
    /// nothing when more are wanted; those whose value is missing count as nothing then, and as the target when fewer are. Null where no
    /// replica has a value.
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

    /// <summary>A metric of the whole, shared by its replicas (<c>AverageValue</c>): desired = ceil(value ÷ target).</summary>
    /// <param name="actual">The replicas that there are, as the target's controller counts them.</param>
    /// <param name="value">Of all together, in milli-units.</param>
    /// <param name="target">For each, in milli-units.</param>
    /// <param name="behavior">Whose tolerance counts.</param>
    public static int Shared(int actual, long value, long target, ScalingBehavior behavior) =>
        IsWithin(value / (target * (double)actual), behavior) ? actual : Ceiling(value / (double)target);

    /// <summary>
    /// A metric that is what it is however many replicas there are (<c>Value</c>): desired = ceil(ready replicas × value ÷ target). Null
    /// where it is off target and no replica is known.
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

    /// <summary>
    /// A figure in milli-units, rounded up as Kubernetes's quantities are: what is more than nothing is never made nothing.
    /// </summary>
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
