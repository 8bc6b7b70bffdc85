using NodaTime;

namespace Bursar.Core.Ledger;

/// <summary>The CO2e that the grid emits per kilowatt-hour, by hour of the day. Whole milligrams per kWh.</summary>
/// <param name="timeZone">The IANA name of the time zone of the hours.</param>
/// <param name="hours">The hours of the day from which a value applies, in order. The last one applies until the first one of the next day.</param>
public sealed class GridIntensity(string timeZone, IReadOnlyList<(int Hour, long MilligramsPerKWh)> hours)
{
    /// <summary>The offsets of all time zones are multiples of this, so the hour of the day changes at multiples only.</summary>
    private const long Quarter = 15 * 60_000;

    private readonly DateTimeZone _zone = DateTimeZoneProviders.Tzdb[timeZone];

    public GridIntensity(long milligramsPerKWh)
        : this("UTC", [(0, milligramsPerKWh)]) { }

    /// <summary>Returns the mean over a day of 24 hours, rounded down.</summary>
    public long MilligramsInMean { get; } =
        hours.Select((one, i) => one.MilligramsPerKWh * ((i + 1 < hours.Count ? hours[i + 1].Hour : hours[0].Hour + 24) - one.Hour)).Sum()
        / 24;

    /// <summary>Returns the value at a time in milliseconds since 1970.</summary>
    internal long At(long at)
    {
        if (hours.Count == 1)
            return hours[0].MilligramsPerKWh;
        var hour = Instant.FromUnixTimeMilliseconds(at).InZone(_zone).Hour;
        var index = hours.Count - 1;
        while (index >= 0 && hours[index].Hour > hour)
            index--;
        return hours[index < 0 ? ^1 : index].MilligramsPerKWh;
    }

    /// <summary>Returns the highest value in the quarter of an hour from a time on, in which a workload can be stopped.</summary>
    internal long Highest(long from) => Math.Max(At(from), At(from + Quarter));

    /// <summary>Returns the times between two times, both exclusive, at which the value changes.</summary>
    internal IEnumerable<long> ChangesBetween(long from, long to)
    {
        if (hours.Count == 1)
            yield break;
        for (var at = (from / Quarter + 1) * Quarter; at < to; at += Quarter)
            if (At(at) != At(at - 1))
                yield return at;
    }
}
