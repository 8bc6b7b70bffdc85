using Bursar.Agent.Nvml;

namespace Bursar.Agent.Sampling;

/// <summary>
/// Computes the energy that each device used between two samples, in whole millijoules, from the driver's counter. For a GPU without
/// a counter (before Volta) it is the mean power of both samples times the time between them. NVML measures whole GPUs only, so a MIG
/// device gets its slices' fraction of its GPU. Energy during a gap longer than <c>longestGap</c> is left out.
/// </summary>
internal sealed class EnergyCounters
{
    /// <summary>10 kW, more than any GPU draws. A counter that grew faster is not consistent and is ignored for that sample.</summary>
    private const long MaxMilliwatts = 10_000_000;

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
                // A decrease means that the driver was reloaded and the counter restarted at zero.
                long grown = counted && counter < last.Millijoules ? counter : counter - last.Millijoules;
                // An exporter's counter moves in steps, so a step covers the time since the previous step.
                if (counted && grown <= (Int128)Milliseconds(now - last.Moved) * MaxMilliwatts / 1000)
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

    /// <summary>Divides and carries the remainder of less than a millijoule over to the device's next sample.</summary>
    private long Whole(string device, Int128 amount, int divisor)
    {
        var (quotient, rest) = Int128.DivRem(amount + _carries.GetValueOrDefault(device), divisor);
        _carries[device] = rest;
        return (long)quotient;
    }

    /// <param name="Seen">When the counter was read last.</param>
    /// <param name="Moved">When the counter last changed.</param>
    private readonly record struct Counter(long Millijoules, DateTimeOffset Seen, DateTimeOffset Moved);
}
