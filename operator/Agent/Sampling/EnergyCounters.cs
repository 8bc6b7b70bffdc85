using Bursar.Agent.Nvml;

namespace Bursar.Agent.Sampling;

/// <summary>
/// What each device used between two samples, in whole millijoules. The counter is the driver's, so no pause between samples loses
/// any of it; a GPU without one (before Volta) is reckoned by the mean of its power at both samples. A MIG device has its slices'
/// part of its GPU's: NVML measures the GPU alone.
/// </summary>
internal sealed class EnergyCounters
{
    private readonly Dictionary<string, long> counters = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> powers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Int128> carries = new(StringComparer.Ordinal);

    public Dictionary<string, long> Since(GpuSnapshot gpus, long elapsedMs)
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
            if (reading.EnergyMillijoules is { } counter)
            {
                // A decrease is a counter that began anew with the driver: all it shows was used since.
                if (counters.TryGetValue(reading.Uuid, out long last))
                    used[reading.Uuid] = counter >= last ? counter - last : counter;
                counters[reading.Uuid] = counter;
            }
            else if (reading.PowerMilliwatts is { } power)
            {
                if (powers.TryGetValue(reading.Uuid, out long before) && elapsedMs > 0)
                    used[reading.Uuid] = Whole(reading.Uuid, (Int128)(before + power) * elapsedMs, 2000);
                powers[reading.Uuid] = power;
            }
        }
        return used;
    }

    /// <summary>The quotient; what is less than a millijoule waits for the next sample.</summary>
    private long Whole(string device, Int128 amount, int divisor)
    {
        var (quotient, rest) = Int128.DivRem(amount + carries.GetValueOrDefault(device), divisor);
        carries[device] = rest;
        return (long)quotient;
    }
}
