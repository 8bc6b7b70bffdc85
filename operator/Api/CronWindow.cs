using NodaTime;
using NodaTime.TimeZones;
using Quartz;

namespace Bursar.Api;

/// <summary>
/// A cron trigger with KEDA's fields: active from each <c>start</c> to the next <c>end</c>, in a time zone's own time. Both are five fields
/// as in crontab, or six or seven as Quartz writes them (seconds first, perhaps years).
/// <code>
/// timezone: Europe/Berlin   start: 0 8 * * 1-5   end: 0 20 * * 1-5
/// </code>
/// The zones are NodaTime's, not the host's: Quartz computes on the wall clock's readings as if they were UTC, and each becomes a moment
/// here. A reading that the clock skips in spring is the moment at which it does; of one that it shows twice in autumn, the first.
/// </summary>
public sealed class CronWindow
{
    /// <summary>
    /// How far back the latest time of an expression is looked for: first near, since one that recurs each second has many.
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

    /// <summary>Readings that were shown twice and are passed over: an hour of seconds, and more in zones that go back further.</summary>
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

    /// <summary>Null where one of the three cannot be read; then <paramref name="error"/> says which and why.</summary>
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
    /// The latest start is not older than the latest end. KEDA compares the next start with the next end instead, and is therefore active
    /// on a Saturday before the daily end of a window that starts on weekdays alone.
    /// </summary>
    public bool IsActive(DateTimeOffset now)
    {
        var at = Instant.FromDateTimeOffset(now);
        // By the readings, since a change of the clock in spring may make both one moment.
        return Last(_start, at) is { } began && (Last(_end, at) is not { } ended || ended <= began);
    }

    /// <summary>When it next begins or ends; null where neither comes again.</summary>
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
        // From within an hour that is shown twice, what was due in it is behind us, or still to come: by its moment.
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

    /// <summary>The latest reading whose moment is not after now; null where there is none in ten years.</summary>
    private LocalDateTime? Last(CronExpression expression, Instant now)
    {
        foreach (var back in Backwards)
        {
            LocalDateTime? last = null;
            // In the hour that autumn shows twice a reading may be behind the clock's and its moment already over: the moment decides.
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
