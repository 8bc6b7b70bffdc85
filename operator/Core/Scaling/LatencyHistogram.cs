namespace Bursar.Core.Scaling;

/// <summary>
/// A latency distribution: cumulative counts at upper bounds, as in Prometheus. The last count is the total (<c>le="+Inf"</c>), so there is
/// one more count than bounds.
/// <code>
/// bounds  0.1  0.5  1
/// counts    3   10  11  12
/// </code>
/// </summary>
public sealed class LatencyHistogram
{
    /// <summary>Servers have about twenty. The limit protects against pages that Bursar does not control.</summary>
    public const int MaxBounds = 256;

    private readonly double[] _bounds;
    private readonly long[] _counts;

    private LatencyHistogram(double[] bounds, long[] counts)
    {
        _bounds = bounds;
        _counts = counts;
    }

    /// <summary>A histogram without observations and bounds.</summary>
    public static LatencyHistogram Empty { get; } = new([], [0]);

    /// <summary>The finite upper bounds in seconds, ascending.</summary>
    public IReadOnlyList<double> Bounds => _bounds;

    /// <summary>The cumulative count at each bound, followed by the total.</summary>
    public IReadOnlyList<long> Counts => _counts;

    /// <summary>The total number of observations.</summary>
    public long Count => _counts[^1];

    /// <summary>Returns null with a reason if the bounds do not ascend or the counts decrease.</summary>
    public static LatencyHistogram? TryCreate(IReadOnlyList<double>? bounds, IReadOnlyList<long>? counts, out string reason)
    {
        reason = "";
        if (bounds is null || counts is null || counts.Count != bounds.Count + 1)
            reason = "a histogram needs a count for each bound and a total";
        else if (bounds.Count > MaxBounds)
            reason = $"a histogram of more than {MaxBounds} bounds";
        else
        {
            for (int i = 0; i < counts.Count && reason.Length == 0; i++)
            {
                if (i < bounds.Count && (!double.IsFinite(bounds[i]) || i > 0 && bounds[i] <= bounds[i - 1]))
                    reason = "a histogram's bounds must be finite and increasing";
                else if (counts[i] < (i > 0 ? counts[i - 1] : 0))
                    reason = "a histogram's counts must be cumulative";
            }
        }
        return reason.Length > 0 ? null : new([.. bounds!], [.. counts!]);
    }

    /// <summary>
    /// Returns the sum of two histograms. If the bounds differ, only the common ones are kept, because their counts are exact.
    /// </summary>
    public LatencyHistogram Plus(LatencyHistogram other)
    {
        var bounds = new List<double>(_bounds.Length);
        var counts = new List<long>(_counts.Length);
        for (int i = 0, j = 0; i < _bounds.Length && j < other._bounds.Length; )
        {
            if (_bounds[i] < other._bounds[j])
                i++;
            else if (_bounds[i] > other._bounds[j])
                j++;
            else
            {
                bounds.Add(_bounds[i]);
                counts.Add(Sum(_counts[i++], other._counts[j++]));
            }
        }
        counts.Add(Sum(Count, other.Count));
        // A histogram without observations and bounds does not restrict the other's bounds.
        return other.Count == 0 && other._bounds.Length == 0 ? this
            : Count == 0 && _bounds.Length == 0 ? other
            : new([.. bounds], [.. counts]);
    }

    /// <summary>
    /// Returns the observations since an earlier reading of the same counters. If a counter fell or the bounds changed, the server
    /// restarted and everything is new.
    /// </summary>
    public LatencyHistogram Since(LatencyHistogram earlier)
    {
        if (!_bounds.AsSpan().SequenceEqual(earlier._bounds))
            return this;
        var counts = new long[_counts.Length];
        for (int i = 0; i < counts.Length; i++)
        {
            if (_counts[i] < earlier._counts[i])
                return this;
            // A page may be written while a request ends. A bucket ahead of the next one raises that too, as in Prometheus.
            counts[i] = Math.Max(i > 0 ? counts[i - 1] : 0, _counts[i] - earlier._counts[i]);
        }
        return new(_bounds, counts);
    }

    /// <summary>Whether the counters restarted: any is lower than before, or the bounds changed.</summary>
    public bool BeganAnewSince(LatencyHistogram earlier)
    {
        if (!_bounds.AsSpan().SequenceEqual(earlier._bounds))
            return true;
        for (int i = 0; i < _counts.Length; i++)
            if (_counts[i] < earlier._counts[i])
                return true;
        return false;
    }

    /// <summary>
    /// Computes Prometheus' histogram_quantile: linear within a bucket, from 0 in the first. A value beyond the highest finite bound counts
    /// as that bound. Null without observations or finite bounds, and for a share outside 0 to 1.
    /// </summary>
    public double? Quantile(double q)
    {
        if (Count == 0 || _bounds.Length == 0 || !(q is >= 0 and <= 1))
            return null;
        double rank = q * Count;
        int bucket = 0;
        while (bucket < _bounds.Length && _counts[bucket] < rank)
            bucket++;
        if (bucket == _bounds.Length)
            return _bounds[^1];
        if (bucket == 0 && _bounds[0] <= 0)
            return _bounds[0];
        double start = bucket == 0 ? 0 : _bounds[bucket - 1];
        long before = bucket == 0 ? 0 : _counts[bucket - 1];
        long within = _counts[bucket] - before;
        return within == 0 ? start : start + (_bounds[bucket] - start) * ((rank - before) / within);
    }

    private static long Sum(long left, long right) => left > long.MaxValue - right ? long.MaxValue : left + right;
}
