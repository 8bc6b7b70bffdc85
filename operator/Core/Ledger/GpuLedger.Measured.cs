namespace Bursar.Core.Ledger;

/// <summary>
/// Sums of measurements for limits on energy, CO2e and tokens. Measurements are kept by UTC day, and by the times within a day from which
/// a limit counts (<see cref="SetCuts"/>). So the sum of a window is exact if its edges were known when the measurements arrived.
/// Otherwise the measurements of the day are divided evenly over the time in which they were made.
/// </summary>
public sealed partial class GpuLedger
{
    private readonly Dictionary<string, IReadOnlyList<DateTimeOffset>> _cuts = new(StringComparer.Ordinal);
    private Measuring _measuring = Measuring.None;

    /// <summary>
    /// The grid intensity at which later measurements are recorded. Null: none, and CO2e is not counted. It is not stored.
    /// </summary>
    public GridIntensity? GridIntensity
    {
        get
        {
            lock (_gate)
                return _measuring.Intensity;
        }
        set
        {
            lock (_gate)
                _measuring = _measuring with { Intensity = value };
        }
    }

    /// <summary>
    /// Sets the times from which a budget counts measurements. They are not stored and must be set before the first report is recorded.
    /// </summary>
    /// <param name="budgetUid">The budget.</param>
    /// <param name="times">The edges of its windows; empty removes them.</param>
    public void SetCuts(string budgetUid, IReadOnlyList<DateTimeOffset> times)
    {
        lock (_gate)
        {
            if (_cuts.TryGetValue(budgetUid, out var known) ? known.SequenceEqual(times) : times.Count == 0)
                return;
            if (times.Count == 0)
                _cuts.Remove(budgetUid);
            else
                _cuts[budgetUid] = times;
            _measuring = _measuring with
            {
                Cuts = [.. _cuts.Values.SelectMany(all => all).Select(time => time.ToUnixTimeMilliseconds()).Distinct().Order()],
            };
        }
    }

    /// <summary>Returns what was measured in [from, to), in units of an amount.</summary>
    private Int128 MeasuredUnits(PodAccount pod, long from, long to, UsageUnit unit)
    {
        Int128 units = 0;
        foreach (var day in pod.Days)
            if (UtcDay.Start(day.Day + 1) > from && UtcDay.Start(day.Day) < to)
                units += MeasuredSince(pod, day, from, unit) - MeasuredSince(pod, day, to, unit);
        return units;
    }

    /// <summary>Returns what was measured on a day from a time on.</summary>
    private static Int128 MeasuredSince(PodAccount pod, DayUsage day, long at, UsageUnit unit)
    {
        var (start, end) = (UtcDay.Start(day.Day), UtcDay.Start(day.Day + 1));
        if (at >= end)
            return 0;
        var all = day.UnitsOf(unit);
        if (at <= start)
            return all;
        if (day.UnitsSince(at, unit) is { } exact)
            return exact;
        var from = Math.Max(start, pod.JournalFrom ?? pod.From);
        var to = Math.Min(end, pod.RecordedTo ?? at);
        return at >= to ? 0
            : at <= from ? all
            : all * (to - at) / (to - from);
    }

    /// <summary>Adds what was measured of a pod on all kept days (for CO2e, the energy), and the GPU time of that.</summary>
    private void AddMean(PodAccount pod, UsageUnit unit, long now, ref Int128 units, ref Int128 gpuMs)
    {
        foreach (var day in pod.Days)
        {
            units += day.UnitsOf(unit == UsageUnit.Co2e ? UsageUnit.Energy : unit);
            if (unit != UsageUnit.Tokens)
                gpuMs += day.MeasuredMs;
        }
        // A pod produces tokens as long as it runs.
        if (unit == UsageUnit.Tokens)
            gpuMs += (Int128)Math.Max(0, Math.Min(pod.End ?? now, now) - Math.Max(pod.From, CountedFrom)) * pod.Gpus;
    }
}
