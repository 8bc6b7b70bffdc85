using NodaTime;
using Quartz;

namespace Bursar.Sandbox.Controllers;

/// <summary>A CronJob's schedule: five fields as in crontab, or a macro, by the readings of a time zone's clock.</summary>
internal sealed class CronSchedule
{
    private static readonly Dictionary<string, string> Macros = new(StringComparer.Ordinal)
    {
        ["@yearly"] = "0 0 1 1 *",
        ["@annually"] = "0 0 1 1 *",
        ["@monthly"] = "0 0 1 * *",
        ["@weekly"] = "0 0 * * 0",
        ["@daily"] = "0 0 * * *",
        ["@midnight"] = "0 0 * * *",
        ["@hourly"] = "0 * * * *",
    };

    private readonly CronExpression _expression;
    private readonly DateTimeZone _zone;

    private CronSchedule(CronExpression expression, DateTimeZone zone) => (_expression, _zone) = (expression, zone);

    /// <summary>Null where the schedule or the zone cannot be read.</summary>
    public static CronSchedule? TryParse(string schedule, string? zone)
    {
        if (DateTimeZoneProviders.Tzdb.GetZoneOrNull(zone ?? "UTC") is not { } known)
            return null;
        try
        {
            // As if the zone's clock were UTC: the host may have no time zones.
            return new(
                CronExpression.Parse(Macros.GetValueOrDefault(schedule.Trim(), schedule), CronFormat.Unix).WithTimeZone(TimeZoneInfo.Utc),
                known
            );
        }
        catch (FormatException)
        {
            return null;
        }
    }

    /// <summary>The first moment after another; null where none comes.</summary>
    public DateTimeOffset? After(DateTimeOffset moment)
    {
        var reading = Instant.FromDateTimeOffset(moment).InZone(_zone).ToDateTimeUnspecified();
        return _expression.GetNextValidTimeAfter(new DateTimeOffset(reading, TimeSpan.Zero)) is { } next
            ? _zone.AtLeniently(LocalDateTime.FromDateTime(next.UtcDateTime)).ToInstant().ToDateTimeOffset()
            : null;
    }
}
