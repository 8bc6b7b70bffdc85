using NodaTime;
using Quartz;

namespace Bursar.Sandbox.Controllers;

/// <summary>A CronJob's schedule in a time zone: five fields as in a crontab, or a macro.</summary>
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

    /// <summary>Returns null if the schedule or the time zone is invalid.</summary>
    public static CronSchedule? TryParse(string schedule, string? zone)
    {
        if (DateTimeZoneProviders.Tzdb.GetZoneOrNull(zone ?? "UTC") is not { } known)
            return null;
        try
        {
            // Quartz treats local times as UTC here, because the host may have no time zone data.
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

    /// <summary>Returns the first scheduled time after another; null if there is none.</summary>
    public DateTimeOffset? After(DateTimeOffset moment)
    {
        var reading = Instant.FromDateTimeOffset(moment).InZone(_zone).ToDateTimeUnspecified();
        return _expression.GetNextValidTimeAfter(new DateTimeOffset(reading, TimeSpan.Zero)) is { } next
            ? _zone.AtLeniently(LocalDateTime.FromDateTime(next.UtcDateTime)).ToInstant().ToDateTimeOffset()
            : null;
    }
}
