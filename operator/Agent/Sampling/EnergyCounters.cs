using Bursar.Agent.Nvml;

namespace Bursar.Agent.Sampling;

/// <summary>
/// What each device used between two samples, in whole millijoules. The counter is the driver's, so no pause between samples loses
/// any of it; a GPU without one (before Volta) is reckoned by the mean of its power at both samples. A MIG device has its slices'
/// part of its GPU's: NVML measures the GPU alone. What was drawn while the device was not seen for long is not known, and left out.
/// </summary>
internal sealed class EnergyCounters
{
    /// <summary>Ten kilowatts: no GPU draws as much. A counter that grew faster has shown something else in between.</summary>
    private const long MostMilliwatts = 10_000_000;

    private readonly Dictionary<string, Counter> _counters = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (long Milliwatts, DateTimeOffset At)> _powers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Int128> _carries = new(StringComparer.Ordinal);

    public Dictionary<string, long> Since(GpuSnapshot gpus, DateTimeOffset now, TimeSpan longestGap)
    {
        var used = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var reading in gpus.Devices)
        {
            if (reading.ParentUuid is { } parent)
            {
                int? all = gpus.Devices.FirstOrDefault(r => r.Uuid == parent)?.Slices;
                if (used.TryGetValue(parent, out long whole) && reading.Slices is { } slices && all is { } of && slices <= of && of > 0)
                    used[reading.Uuid] = Whole(reading.Uuid, (Int128)whole * slices, of);
                continue;
            }
            bool counted = _counters.TryGetValue(reading.Uuid, out var last) && now - last.Seen <= longestGap;
            if (reading.EnergyMillijoules is { } counter)
            {
                // A decrease is a counter that began anew with the driver: all it shows was used since.
                long grown = counted && counter < last.Millijoules ? counter : counter - last.Millijoules;
                // An exporter's counter moves in steps: what it grew by is of the time since the last of them.
                if (counted && grown <= (Int128)Milliseconds(now - last.Moved) * MostMilliwatts / 1000)
                    used[reading.Uuid] = grown;
                _counters[reading.Uuid] = new(counter, now, counted && grown == 0 ? last.Moved : now);
            }
            else if (reading.PowerMilliwatts is { } power && !counted)
            {
                if (_powers.TryGetValue(reading.Uuid, out var before) && now - before.At <= longestGap)
                    used[reading.Uuid] = Whole(reading.Uuid, (Int128)(before.Milliwatts + power) * Milliseconds(now - before.At), 2000);
                _powers[reading.Uuid] = (power, now);
            }
        }
        return used;
    }

    private static long Milliseconds(TimeSpan time) => time.Ticks / TimeSpan.TicksPerMillisecond;

    /// <summary>The quotient; what is less than a millijoule waits for the next sample.</summary>
    private long Whole(string device, Int128 amount, int divisor)
    {
        var (quotient, rest) = Int128.DivRem(amount + _carries.GetValueOrDefault(device), divisor);
        _carries[device] = rest;
        return (long)quotient;
    }

    /// <param name="Millijoules">What it showed last.</param>
    /// <param name="Seen">When.</param>
    /// <param name="Moved">Since when it has shown that.</param>
    private readonly record struct Counter(long Millijoules, DateTimeOffset Seen, DateTimeOffset Moved);
}
