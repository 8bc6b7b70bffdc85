using System.Globalization;

namespace Bursar.Core.Text;

/// <summary>The time format of the ledger and the wire: UTC, whole milliseconds, <c>2026-11-21T10:08:57.120Z</c>.</summary>
public static class Rfc3339
{
    /// <summary>Returns the time in UTC, truncated to milliseconds (toward the past).</summary>
    public static DateTimeOffset Truncate(DateTimeOffset moment) => FromMilliseconds(ToMilliseconds(moment));

    /// <summary>Returns milliseconds since 1970, rounded toward the past.</summary>
    public static long ToMilliseconds(DateTimeOffset moment) => moment.ToUnixTimeMilliseconds();

    public static DateTimeOffset FromMilliseconds(long milliseconds) => DateTimeOffset.FromUnixTimeMilliseconds(milliseconds);

    /// <summary>Formats with seconds if nothing is lost, otherwise with milliseconds.</summary>
    public static string Format(DateTimeOffset moment)
    {
        var utc = moment.UtcDateTime;
        return utc.ToString(
            utc.Ticks % TimeSpan.TicksPerSecond < TimeSpan.TicksPerMillisecond
                ? "yyyy-MM-dd'T'HH:mm:ss'Z'"
                : "yyyy-MM-dd'T'HH:mm:ss.fff'Z'",
            CultureInfo.InvariantCulture
        );
    }

    /// <summary>Parses RFC 3339 with <c>Z</c> or an offset and up to nine fractional digits. The result is UTC.</summary>
    public static bool TryParse(string? text, out DateTimeOffset moment)
    {
        moment = default;
        // 2026-11-21T10:08:57Z is the shortest form.
        if (
            text is null
            || text.Length is < 20 or > 35
            || text[4] != '-'
            || text[7] != '-'
            || text[10] is not ('T' or 't')
            || text[13] != ':'
            || text[16] != ':'
        )
            return false;
        var rest = text.AsSpan(19);
        long ticks = 0;
        if (rest[0] == '.')
        {
            var digits = 1;
            while (digits < rest.Length && char.IsAsciiDigit(rest[digits]))
                digits++;
            if (digits is 1 or > 10)
                return false;
            for (var i = 1; i <= 7; i++)
                ticks = ticks * 10 + (i < digits ? rest[i] - '0' : 0);
            rest = rest[digits..];
        }
        TimeSpan offset;
        if (rest is "Z" or "z")
            offset = TimeSpan.Zero;
        else
        {
            if (rest.Length != 6 || rest[0] is not ('+' or '-') || rest[3] != ':')
                return false;
            if (!TryTwoDigits(rest[1..3], 23, out var hours) || !TryTwoDigits(rest[4..], 59, out var minutes))
                return false;
            offset = new TimeSpan(hours, minutes, 0);
            if (rest[0] == '-')
                offset = -offset;
        }
        if (!DateTime.TryParseExact(text.AsSpan(0, 10), "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var date))
            return false;
        if (
            !TryTwoDigits(text.AsSpan(11, 2), 23, out var hour)
            || !TryTwoDigits(text.AsSpan(14, 2), 59, out var minute)
            || !TryTwoDigits(text.AsSpan(17, 2), 60, out var second)
        )
            return false;
        var local = date.Ticks + new TimeSpan(hour, minute, second).Ticks + ticks - offset.Ticks;
        if (local < 0 || local > DateTime.MaxValue.Ticks)
            return false;
        moment = new DateTimeOffset(local, TimeSpan.Zero);
        return true;
    }

    private static bool TryTwoDigits(ReadOnlySpan<char> text, int max, out int value)
    {
        value = 0;
        if (!char.IsAsciiDigit(text[0]) || !char.IsAsciiDigit(text[1]))
            return false;
        value = (text[0] - '0') * 10 + text[1] - '0';
        return value <= max;
    }
}
