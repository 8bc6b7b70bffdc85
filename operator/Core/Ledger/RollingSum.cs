using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>Sums over a window that moves with time.</summary>
public static class RollingSum
{
    /// <summary>Returns the cost of the segments in [end − length, end).</summary>
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
}
