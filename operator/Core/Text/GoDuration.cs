using System.Globalization;
using System.Text;

namespace Bursar.Core.Text;

/// <summary>
/// Durations in the format of Go and Kubernetes, extended by days of 24 hours: <c>90s</c>, <c>2h30m</c>, <c>1.5h</c>, <c>100ms</c>,
/// <c>30d</c>, <c>1d12h</c>.
/// </summary>
public static class GoDuration
{
    /// <summary>A schema pattern for non-negative durations. Days come first and are whole, so that a CEL rule can read them.</summary>
    public const string Pattern = @"^(0|[0-9]+d([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))*|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+)$";

    /// <summary>Parses a duration. Parts below 100 ns, .NET's tick, are truncated.</summary>
    public static bool TryParse(string? text, out TimeSpan duration)
    {
        duration = default;
        if (string.IsNullOrEmpty(text) || text.Length > 64)
            return false;
        var rest = text.AsSpan();
        var negative = rest[0] == '-';
        if (rest[0] is '-' or '+')
            rest = rest[1..];
        if (rest is "0")
            return true;
        if (rest.IsEmpty)
            return false;

        Int128 nanoseconds = 0;
        while (!rest.IsEmpty)
        {
            var number = 0;
            while (number < rest.Length && (char.IsAsciiDigit(rest[number]) || rest[number] == '.'))
                number++;
            if (!TryNumber(rest[..number], out var whole, out var fraction, out var scale))
                return false;
            rest = rest[number..];

            long unit;
            int length;
            if (rest.StartsWith("ns"))
                (unit, length) = (1, 2);
            else if (rest.StartsWith("us") || rest.StartsWith("µs") || rest.StartsWith("μs"))
                (unit, length) = (1_000, 2);
            else if (rest.StartsWith("ms"))
                (unit, length) = (1_000_000, 2);
            else if (rest.StartsWith("s"))
                (unit, length) = (1_000_000_000, 1);
            else if (rest.StartsWith("m"))
                (unit, length) = (60_000_000_000, 1);
            else if (rest.StartsWith("h"))
                (unit, length) = (3_600_000_000_000, 1);
            else if (rest.StartsWith("d"))
                (unit, length) = (86_400_000_000_000, 1);
            else
                return false;
            rest = rest[length..];

            nanoseconds += whole * unit + fraction * unit / scale;
            if (nanoseconds > long.MaxValue)
                return false; // Go's own limit, some 292 years
        }
        var ticks = (long)(nanoseconds / 100);
        duration = new TimeSpan(negative ? -ticks : ticks);
        return true;
    }

    /// <summary>
    /// Formats in the shortest form with the same value, largest unit first: <c>2h30m</c>, <c>90s</c> as <c>1m30s</c>, <c>1.5s</c>,
    /// <c>100ms</c>, <c>0s</c>. Unlike Go, empty smaller units are left out (<c>5m</c>, not <c>5m0s</c>).
    /// </summary>
    public static string Format(TimeSpan duration)
    {
        if (duration == TimeSpan.Zero)
            return "0s";
        var text = new StringBuilder();
        var ticks = (Int128)duration.Ticks;
        if (ticks < 0)
        {
            text.Append('-');
            ticks = -ticks;
        }
        if (ticks < TimeSpan.TicksPerSecond)
        {
            var (unit, name) =
                ticks >= TimeSpan.TicksPerMillisecond ? (TimeSpan.TicksPerMillisecond, "ms")
                : ticks >= TimeSpan.TicksPerMicrosecond ? (TimeSpan.TicksPerMicrosecond, "us")
                : (0L, "ns");
            return unit == 0
                ? text.Append(CultureInfo.InvariantCulture, $"{(long)ticks * 100}ns").ToString()
                : text.Append(((decimal)(long)ticks / unit).ToString("0.#######", CultureInfo.InvariantCulture)).Append(name).ToString();
        }
        var hours = (long)(ticks / TimeSpan.TicksPerHour);
        var minutes = (long)(ticks % TimeSpan.TicksPerHour / TimeSpan.TicksPerMinute);
        var seconds = (decimal)(long)(ticks % TimeSpan.TicksPerMinute) / TimeSpan.TicksPerSecond;
        if (hours > 0)
            text.Append(CultureInfo.InvariantCulture, $"{hours}h");
        if (minutes > 0)
            text.Append(CultureInfo.InvariantCulture, $"{minutes}m");
        if (seconds > 0)
            text.Append(seconds.ToString("0.#######", CultureInfo.InvariantCulture)).Append('s');
        return text.ToString();
    }

    private static bool TryNumber(ReadOnlySpan<char> text, out Int128 whole, out Int128 fraction, out Int128 scale)
    {
        (whole, fraction, scale) = (0, 0, 1);
        var dot = text.IndexOf('.');
        var before = dot < 0 ? text : text[..dot];
        var after = dot < 0 ? default : text[(dot + 1)..];
        if (before.IsEmpty && after.IsEmpty || before.Length > 20 || after.Contains('.'))
            return false;
        foreach (var digit in before)
            whole = whole * 10 + (digit - '0');
        foreach (var digit in after)
        {
            if (scale >= 1_000_000_000_000_000)
                break; // beyond any nanosecond of an hour
            fraction = fraction * 10 + (digit - '0');
            scale *= 10;
        }
        return true;
    }
}
