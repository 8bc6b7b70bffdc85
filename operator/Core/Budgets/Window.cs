using System.Globalization;
using NodaTime;
using NodaTime.Calendars;
using NodaTime.TimeZones;

namespace Bursar.Core.Budgets;

/// <summary>
/// One period of a budget, [Start, End), and its key, which top-ups use: <c>2026-11-21T13</c>, <c>2026-11-21</c>, <c>2026-W47</c>,
/// <c>2026-11</c>, <c>2026-Q4</c>, <c>2026</c>, <c>rolling</c>, <c>once</c>. Calendar windows have no gaps: each ends where the next
/// begins, even if clocks change (days of 23 or 25 hours) or a zone skips a whole date.
/// </summary>
public sealed record Window(DateTimeOffset Start, DateTimeOffset End, string Key)
{
    public const string RollingKey = "rolling";
    public const string OnceKey = "once";

    /// <summary>Returns a key as sentences name it: <c>2026-11</c>, "the rolling window".</summary>
    public static string NameOf(string key) =>
        key switch
        {
            RollingKey => "the rolling window",
            OnceKey => "the window",
            _ => key,
        };

    public TimeSpan Length => End - Start;

    public bool Contains(DateTimeOffset moment) => moment >= Start && moment < End;

    /// <summary>
    /// Returns the window that contains <paramref name="now"/>. Rolling: the length up to now. Once: the single window, whether future,
    /// open or over.
    /// </summary>
    public static Window At(WindowSpec spec, DateTimeOffset now) =>
        spec.Period switch
        {
            WindowPeriod.Rolling => new(now.ToUniversalTime() - spec.Length!.Value, now.ToUniversalTime(), RollingKey),
            WindowPeriod.Once => new(spec.Start!.Value.ToUniversalTime(), spec.End!.Value.ToUniversalTime(), OnceKey),
            WindowPeriod.Hour => HourAt(spec.Zone, Instant.FromDateTimeOffset(now)),
            _ => CalendarAt(spec.Period, spec.Zone, Instant.FromDateTimeOffset(now)),
        };

    /// <summary>Returns the first time after <paramref name="now"/> at which the window changes, begins or ends. Null: never.</summary>
    public static DateTimeOffset? NextEdge(WindowSpec spec, DateTimeOffset now)
    {
        if (spec.Period == WindowPeriod.Rolling)
            return null;
        var window = At(spec, now);
        if (now < window.Start)
            return window.Start;
        return now < window.End ? window.End : null;
    }

    /// <summary>Whether a text is a valid key for this kind of window, as <c>topUps[].window</c> must be.</summary>
    public static bool IsKeyOf(WindowSpec spec, string text)
    {
        switch (spec.Period)
        {
            case WindowPeriod.Rolling:
                return text == RollingKey;
            case WindowPeriod.Once:
                return text == OnceKey;
            case WindowPeriod.Year:
                return TryNumber(text, 4, 1, 9999, out _);
            case WindowPeriod.Quarter:
                return text.Length == 7
                    && text[4] == '-'
                    && text[5] == 'Q'
                    && TryNumber(text[..4], 4, 1, 9999, out _)
                    && TryNumber(text[6..], 1, 1, 4, out _);
            case WindowPeriod.Month:
                return text.Length == 7
                    && text[4] == '-'
                    && TryNumber(text[..4], 4, 1, 9999, out _)
                    && TryNumber(text[5..], 2, 1, 12, out _);
            case WindowPeriod.Week:
                return text.Length == 8
                    && text[4] == '-'
                    && text[5] == 'W'
                    && TryNumber(text[..4], 4, 1, 9999, out var year)
                    && TryNumber(text[6..], 2, 1, WeekYearRules.Iso.GetWeeksInWeekYear(year), out _);
            case WindowPeriod.Day:
                return IsDate(text);
            default:
                // An hour that clocks repeat has its offset in the key: 2026-10-25T02+01:00.
                return text.Length is 13 or 19
                    && text[10] == 'T'
                    && IsDate(text[..10])
                    && TryNumber(text[11..13], 2, 0, 23, out _)
                    && (
                        text.Length == 13
                        || text[13] is '+' or '-'
                            && text[16] == ':'
                            && TryNumber(text[14..16], 2, 0, 18, out _)
                            && TryNumber(text[17..], 2, 0, 59, out _)
                    );
        }
    }

    private static Window CalendarAt(WindowPeriod period, DateTimeZone zone, Instant now)
    {
        var first = FirstDay(period, now.InZone(zone).Date);
        // If clocks go back over midnight, a date is entered, left and entered again. The window is the one whose edges contain the time,
        // not the one of the wall clock.
        while (now < StartOf(zone, first))
            first = FirstDay(period, first.PlusDays(-1));
        var next = Following(period, first);
        while (now >= StartOf(zone, next))
            (first, next) = (next, Following(period, next));
        return new(StartOf(zone, first).ToDateTimeOffset(), StartOf(zone, next).ToDateTimeOffset(), Name(period, first));
    }

    private static LocalDate FirstDay(WindowPeriod period, LocalDate date) =>
        period switch
        {
            WindowPeriod.Day => date,
            WindowPeriod.Week => date.PlusDays(IsoDayOfWeek.Monday - date.DayOfWeek),
            WindowPeriod.Month => new(date.Year, date.Month, 1),
            WindowPeriod.Quarter => new(date.Year, (date.Month - 1) / 3 * 3 + 1, 1),
            _ => new(date.Year, 1, 1),
        };

    private static LocalDate Following(WindowPeriod period, LocalDate first) =>
        period switch
        {
            WindowPeriod.Day => first.PlusDays(1),
            WindowPeriod.Week => first.PlusDays(7),
            WindowPeriod.Month => first.PlusMonths(1),
            WindowPeriod.Quarter => first.PlusMonths(3),
            _ => first.PlusYears(1),
        };

    private static string Name(WindowPeriod period, LocalDate first) =>
        period switch
        {
            WindowPeriod.Day => string.Create(CultureInfo.InvariantCulture, $"{first.Year:0000}-{first.Month:00}-{first.Day:00}"),
            WindowPeriod.Week => string.Create(
                CultureInfo.InvariantCulture,
                $"{WeekYearRules.Iso.GetWeekYear(first):0000}-W{WeekYearRules.Iso.GetWeekOfWeekYear(first):00}"
            ),
            WindowPeriod.Month => string.Create(CultureInfo.InvariantCulture, $"{first.Year:0000}-{first.Month:00}"),
            WindowPeriod.Quarter => string.Create(CultureInfo.InvariantCulture, $"{first.Year:0000}-Q{(first.Month + 2) / 3}"),
            _ => first.Year.ToString("0000", CultureInfo.InvariantCulture),
        };

    /// <summary>Returns the first midnight of a date. If clocks skip it (or the whole date), the time after the gap.</summary>
    private static Instant StartOf(DateTimeZone zone, LocalDate date) => zone.ResolveLocal(date.AtMidnight(), FirstOrAfterGap).ToInstant();

    private static readonly ZoneLocalMappingResolver FirstOrAfterGap = Resolvers.CreateMappingResolver(
        Resolvers.ReturnEarlier,
        Resolvers.ReturnStartOfIntervalAfter
    );

    /// <summary>
    /// Hours begin when the wall clock shows a full hour. A clock change of half an hour makes one of 90 minutes. A repeated hour is two
    /// windows; the key of the second contains its offset.
    /// </summary>
    private static Window HourAt(DateTimeZone zone, Instant now)
    {
        var interval = zone.GetZoneInterval(now);
        var start = FloorHour(now, interval.WallOffset);
        while (interval.HasStart && start < interval.Start)
        {
            var before = interval.Start - Duration.Epsilon;
            interval = zone.GetZoneInterval(before);
            start = FloorHour(before, interval.WallOffset);
        }
        var local = start.InZone(zone);
        var key = string.Create(CultureInfo.InvariantCulture, $"{local.Year:0000}-{local.Month:00}-{local.Day:00}T{local.Hour:00}");
        var mapping = zone.MapLocal(local.LocalDateTime);
        if (mapping.Count == 2 && mapping.Last().ToInstant() == start)
        {
            var minutes = Math.Abs(local.Offset.Seconds) / 60;
            key += string.Create(
                CultureInfo.InvariantCulture,
                $"{(local.Offset.Seconds < 0 ? '-' : '+')}{minutes / 60:00}:{minutes % 60:00}"
            );
        }

        interval = zone.GetZoneInterval(now);
        var end = FloorHour(now, interval.WallOffset) + Duration.FromHours(1);
        while (interval.HasEnd && end >= interval.End)
        {
            var from = interval.End;
            interval = zone.GetZoneInterval(from);
            end = FloorHour(from, interval.WallOffset);
            if (end < from)
                end += Duration.FromHours(1);
        }
        return new(start.ToDateTimeOffset(), end.ToDateTimeOffset(), key);
    }

    private static Instant FloorHour(Instant moment, Offset offset)
    {
        var shift = Duration.FromSeconds(offset.Seconds);
        var ticks = (moment + shift).ToUnixTimeTicks();
        var floor = ticks - ((ticks % TimeSpan.TicksPerHour + TimeSpan.TicksPerHour) % TimeSpan.TicksPerHour);
        return Instant.FromUnixTimeTicks(floor) - shift;
    }

    private static bool IsDate(string text) =>
        DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _);

    private static bool TryNumber(string text, int digits, int min, int max, out int value)
    {
        value = 0;
        return text.Length == digits
            && int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value)
            && value >= min
            && value <= max;
    }
}
