using NodaTime;
using NodaTime.TimeZones;
using Quartz;

namespace Bursar.Api;

/// <summary>
/// A cron trigger with KEDA's fields. It is active from each <c>start</c> to the next <c>end</c> in a time zone. Both have five fields as
/// in a crontab, or six or seven as in Quartz (seconds first, optional years last).
/// <code>
/// timezone: Europe/Berlin   start: 0 8 * * 1-5   end: 0 20 * * 1-5
/// </code>
/// Time zones come from NodaTime, not from the host. Quartz computes local times as if they were UTC, and this class converts them to
/// instants. A local time that is skipped in spring becomes the instant of the change. One that repeats in autumn becomes the first.
/// </summary>
public sealed class CronWindow
{
    /// <summary>
    /// How far back the latest time of an expression is searched, near first, because one that recurs each second has many times.
    /// </summary>
    private static readonly Duration[] Backwards =
    [
        Duration.FromMinutes(1),
        Duration.FromHours(1),
        Duration.FromDays(1),
        Duration.FromDays(31),
        Duration.FromDays(366),
        Duration.FromDays(3660),
    ];

    /// <summary>The most repeated local times to skip: an hour of seconds, and more in zones that go back further.</summary>
    private const int MaxPassed = 20_000;

    private readonly CronExpression _start;
    private readonly CronExpression _end;
    private readonly DateTimeZone _zone;

    private CronWindow(CronExpression start, CronExpression end, DateTimeZone zone)
    {
        _start = start;
        _end = end;
        _zone = zone;
    }

    /// <summary>Returns null if one of the three is invalid; <paramref name="error"/> then names it and the reason.</summary>
    public static CronWindow? TryParse(string start, string end, string timezone, out string error)
    {
        error = "";
        if (DateTimeZoneProviders.Tzdb.GetZoneOrNull(timezone) is not { } zone)
        {
            error = $"timezone: no such time zone: \"{timezone}\"";
            return null;
        }
        if (Parse("start", start, ref error) is not { } from || Parse("end", end, ref error) is not { } to)
            return null;
        if (string.Equals(start.Trim(), end.Trim(), StringComparison.OrdinalIgnoreCase))
        {
            error = "start and end are the same";
            return null;
        }
        return new(from, to, zone);
    }

    /// <summary>
    /// Returns true if the latest start is not before the latest end. KEDA compares the next start with the next end instead, so that a
    /// window that starts on weekdays only is active on a Saturday before the daily end.
    /// </summary>
    public bool IsActive(DateTimeOffset now)
    {
        var at = Instant.FromDateTimeOffset(now);
        // Compare local times, because the change in spring may map both to the same instant.
        return Last(_start, at) is { } began && (Last(_end, at) is not { } ended || ended <= began);
    }

    /// <summary>Returns the next start or end; null if neither occurs again.</summary>
    public DateTimeOffset? NextEdge(DateTimeOffset now)
    {
        var at = Instant.FromDateTimeOffset(now);
        var (start, end) = (Next(_start, at), Next(_end, at));
        return start is null && end is null
            ? null
            : (start is { } from && end is { } to ? Instant.Min(from.At, to.At) : (start ?? end)!.Value.At).ToDateTimeOffset();
    }

    private static CronExpression? Parse(string field, string text, ref string error)
    {
        int fields = text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries).Length;
        if (fields is 5 or 6 or 7 && text.Length <= 256)
        {
            try
            {
                return CronExpression.Parse(text, fields == 5 ? CronFormat.Unix : CronFormat.Quartz).WithTimeZone(TimeZoneInfo.Utc);
            }
            catch (FormatException exception)
            {
                error = $"{field}: \"{text}\": {exception.Message}";
                return null;
            }
        }
        error =
            $"{field}: \"{(text.Length > 256 ? text[..256] : text)}\" has neither the five fields of a crontab nor Quartz's six or seven";
        return null;
    }

    private (Instant At, LocalDateTime Reading)? Next(CronExpression expression, Instant now)
    {
        var reading = now.InZone(_zone).LocalDateTime;
        // In an hour that repeats, local times after this one may already be over, so compare instants.
        for (int passed = 0; passed < MaxPassed; passed++)
        {
            if (After(expression, reading) is not { } next)
                return null;
            var at = MomentOf(next);
            if (at > now)
                return (at, next);
            reading = next;
        }
        return null;
    }

    /// <summary>Returns the latest local time whose instant is not after now; null if there is none in ten years.</summary>
    private LocalDateTime? Last(CronExpression expression, Instant now)
    {
        foreach (var back in Backwards)
        {
            LocalDateTime? last = null;
            // In an hour that repeats, local times do not order instants, so compare instants.
            var next = After(expression, (now - back).InZone(_zone).LocalDateTime);
            while (next is { } reading && MomentOf(reading) <= now)
            {
                last = reading;
                next = After(expression, reading);
            }
            if (last is not null)
                return last;
        }
        return null;
    }

    private static LocalDateTime? After(CronExpression expression, LocalDateTime reading) =>
        expression.GetNextValidTimeAfter(new DateTimeOffset(reading.ToDateTimeUnspecified(), TimeSpan.Zero)) is { } next
            ? LocalDateTime.FromDateTime(next.UtcDateTime)
            : null;

    private Instant MomentOf(LocalDateTime reading) => _zone.ResolveLocal(reading, Resolve).ToInstant();

    private static ZoneLocalMappingResolver Resolve { get; } =
        Resolvers.CreateMappingResolver(Resolvers.ReturnEarlier, Resolvers.ReturnStartOfIntervalAfter);
}
