namespace Bursar.Core.Scaling;

/// <summary>
/// How often something took how long: cumulative counts under upper bounds, as Prometheus keeps them. The last count is of everything
/// (<c>le="+Inf"</c>), so there is one more of them than bounds.
/// <code>
/// bounds  0.1  0.5  1
/// counts    3   10  11  12
/// </code>
/// </summary>
public sealed class LatencyHistogram
{
    /// <summary>Servers have twenty or so; a page is a stranger's.</summary>
    public const int MaxBounds = 256;

    private readonly double[] _bounds;
    private readonly long[] _counts;

    private LatencyHistogram(double[] bounds, long[] counts)
    {
        _bounds = bounds;
        _counts = counts;
    }

    /// <summary>Nothing was observed, under no bounds.</summary>
    public static LatencyHistogram Empty { get; } = new([], [0]);

    /// <summary>The finite upper bounds in seconds, rising.</summary>
    public IReadOnlyList<double> Bounds => _bounds;

    /// <summary>How many were at most as long as each bound, then how many there were.</summary>
    public IReadOnlyList<long> Counts => _counts;

    /// <summary>How many observations there are.</summary>
    public long Count => _counts[^1];

    /// <summary>Refused with a reason where bounds do not rise or counts fall from one to the next.</summary>
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
    /// Both together. Of different bounds, those that both have are kept: under them the counts are exact, which cannot be said of a sum
    /// that counts one side only.
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
        // Without observations, the other's bounds say nothing against ours.
        return other.Count == 0 && other._bounds.Length == 0 ? this
            : Count == 0 && _bounds.Length == 0 ? other
            : new([.. bounds], [.. counts]);
    }

    /// <summary>
    /// What came since an earlier reading of the same counters. One that fell, or has other bounds, is a server that began anew: then all
    /// of it is new.
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
            // A page may be written while a request ends: a bucket that is ahead of the next drags that along, as Prometheus does it.
            counts[i] = Math.Max(i > 0 ? counts[i - 1] : 0, _counts[i] - earlier._counts[i]);
        }
        return new(_bounds, counts);
    }

    /// <summary>Any of the counters is less than it was, or stands under other bounds: they began anew.</summary>
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
    /// Prometheus's histogram_quantile: within a bucket as if evenly spread, from 0 on in the first; what lies beyond the highest finite
    /// bound is said to be that bound. Null where nothing was observed, where there is no finite bound, and for what is no share.
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

    private static long Sum(long one, long other) => one > long.MaxValue - other ? long.MaxValue : one + other;
}
