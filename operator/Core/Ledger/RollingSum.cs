using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>Sums over a window that moves with time.</summary>
public static class RollingSum
{
    /// <summary>What the segments cost in [end − length, end).</summary>
    public static Amount At(IReadOnlyCollection<SpendSegment> segments, TimeSpan length, DateTimeOffset end)
    {
        var to = end.ToUnixTimeMilliseconds();
        var from = to - (long)length.TotalMilliseconds;
        var sum = Amount.Zero;
        foreach (var segment in segments)
        {
            var begin = Math.Max(from, segment.From.ToUnixTimeMilliseconds());
            var close = Math.Min(to, segment.To?.ToUnixTimeMilliseconds() ?? long.MaxValue);
            if (begin < close)
                sum += segment.RatePerHour.For(close - begin);
        }
        return sum;
    }

    /// <summary>The largest such sum for an end in [from, to], and where it is first reached.</summary>
    public static (Amount Sum, DateTimeOffset At) Max(
        IReadOnlyCollection<SpendSegment> segments,
        TimeSpan length,
        DateTimeOffset from,
        DateTimeOffset to
    )
    {
        var (best, bestAt) = (Amount.Zero, DateTimeOffset.MinValue);
        foreach (var (at, sum) in Bends(segments, length, from, to))
            if (bestAt == DateTimeOffset.MinValue || sum > best)
                (best, bestAt) = (sum, at);
        return (best, bestAt);
    }

    /// <summary>
    /// Such sums for the ends in [from, to] at which their course may change, in order, both included. The sum is linear between the
    /// moments at which a segment begins or ends, or leaves the window again a length later: only those are looked at.
    /// </summary>
    public static IEnumerable<(DateTimeOffset At, Amount Sum)> Bends(
        IReadOnlyCollection<SpendSegment> segments,
        TimeSpan length,
        DateTimeOffset from,
        DateTimeOffset to
    )
    {
        var span = (long)length.TotalMilliseconds;
        var first = from.ToUnixTimeMilliseconds();
        var last = to.ToUnixTimeMilliseconds();
        // How the slope of the sum changes, in nano per hour.
        var bends = new SortedDictionary<long, Int128> { [first] = 0, [last] = 0 };
        Int128 slope = 0;
        void Bend(long at, Int128 change)
        {
            if (at <= first)
                slope += change;
            else if (at < last)
                bends[at] = bends.GetValueOrDefault(at) + change;
        }
        foreach (var segment in segments)
        {
            var begin = segment.From.ToUnixTimeMilliseconds();
            var rate = segment.RatePerHour.NanoPerHour;
            Bend(begin, rate);
            Bend(begin + span, -rate);
            if (segment.To?.ToUnixTimeMilliseconds() is not { } end)
                continue;
            Bend(end, -rate);
            Bend(end + span, rate);
        }
        var sum = At(segments, length, from).Units;
        var previous = first;
        foreach (var (at, change) in bends)
        {
            sum += slope * (at - previous);
            yield return (DateTimeOffset.FromUnixTimeMilliseconds(at), new(sum));
            slope += change;
            previous = at;
        }
    }
}
