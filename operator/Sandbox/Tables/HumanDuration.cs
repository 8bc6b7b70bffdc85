using System.Globalization;

namespace Bursar.Sandbox.Tables;

/// <summary>Formats durations like kubectl: at most two units (<c>5m12s</c>, <c>3h</c>, <c>2d4h</c>).</summary>
public static class HumanDuration
{
    private const long Hour = 60;
    private const long Day = 24;
    private const long Year = 365;

    public static string Format(TimeSpan duration)
    {
        var seconds = (long)Math.Truncate(duration.TotalSeconds);
        if (seconds < 0)
        {
            return seconds < -1 ? "<invalid>" : "0s";
        }

        if (seconds < 120)
        {
            return One(seconds, 's');
        }

        var minutes = seconds / 60;
        if (minutes < 10)
        {
            return Two(minutes, 'm', seconds % 60, 's');
        }

        if (minutes < 3 * Hour)
        {
            return One(minutes, 'm');
        }

        var hours = minutes / Hour;
        if (hours < 8)
        {
            return Two(hours, 'h', minutes % Hour, 'm');
        }

        if (hours < 2 * Day)
        {
            return One(hours, 'h');
        }

        var days = hours / Day;
        if (days < 8)
        {
            return Two(days, 'd', hours % Day, 'h');
        }

        if (days < 2 * Year)
        {
            return One(days, 'd');
        }

        return days < 8 * Year ? Two(days / Year, 'y', days % Year, 'd') : One(days / Year, 'y');
    }

    private static string One(long value, char unit) => value.ToString(CultureInfo.InvariantCulture) + unit;

    private static string Two(long value, char unit, long rest, char restUnit) =>
        rest == 0 ? One(value, unit) : One(value, unit) + One(rest, restUnit);
}
