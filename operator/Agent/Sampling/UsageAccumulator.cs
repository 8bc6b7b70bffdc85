using Bursar.Agent.Nvml;
using Bursar.Core.Usage;

namespace Bursar.Agent.Sampling;

/// <summary>
/// Turns samples into intervals, without reading clock or device. A sample tells of the time since the one before it:
/// utilisation in percent times milliseconds is kept as an integer, and only whole milliseconds leave with an interval, the
/// rest stays for the next, so that the sum over any split is exact. Intervals of one device never overlap.
/// </summary>
public sealed class UsageAccumulator
{
    /// <summary>An interval is closed when it is this long.</summary>
    public static readonly TimeSpan Length = TimeSpan.FromSeconds(60);

    /// <summary>Samples further apart than this do not tell what happened between them: the time stays out.</summary>
    public static readonly TimeSpan LongestGap = TimeSpan.FromSeconds(30);

    private readonly Dictionary<HoldingKey, Open> open = [];
    private readonly Dictionary<string, long> lastEnergy = new(StringComparer.Ordinal);
    private DateTimeOffset? previous;

    /// <summary>Takes the sample of this moment and returns the intervals it closes. A clock that went back is waited for.</summary>
    public List<UsageInterval> Take(DateTimeOffset at, IReadOnlyList<DeviceHolding> holdings, GpuSnapshot gpus)
    {
        var now = WireTime.Truncate(at);
        var closed = new List<UsageInterval>();
        if (previous is { } earlier && now <= earlier)
            return closed;
        var energy = EnergySince(gpus);
        if (previous is { } before)
        {
            if (now - before > LongestGap)
                closed.AddRange(CloseAll());
            else
                Extend(before, now, holdings, gpus, energy, closed);
        }
        previous = now;

        var held = new HashSet<HoldingKey>();
        foreach (var holding in holdings)
        {
            held.Add(holding.Key);
            if (!open.TryGetValue(holding.Key, out var state))
                open[holding.Key] = new Open { From = now, To = now, PodUid = holding.PodUid, Reason = holding.Reason };
            else if (state.To - state.From >= Length)
                Close(holding.Key, state, closed);
        }
        foreach (var (key, state) in open.Where(o => !held.Contains(o.Key)).ToList())
        {
            Close(key, state, closed);
            open.Remove(key);
        }
        return closed;
    }

    /// <summary>Ends every interval at the last sample; at the agent's end.</summary>
    public List<UsageInterval> CloseAll()
    {
        var closed = new List<UsageInterval>();
        foreach (var (key, state) in open)
            Close(key, state, closed);
        open.Clear();
        return closed;
    }

    private void Extend(
        DateTimeOffset before, DateTimeOffset now, IReadOnlyList<DeviceHolding> holdings, GpuSnapshot gpus,
        Dictionary<string, long> energy, List<UsageInterval> closed)
    {
        long elapsedMs = (now - before).Ticks / TimeSpan.TicksPerMillisecond;
        foreach (var (key, state) in open)
        {
            var holding = holdings.FirstOrDefault(h => h.Key == key);
            var reading = gpus.Devices.FirstOrDefault(r => r.Uuid == key.Device);
            // A pod that has just gone held the device until now: only the reading can have changed its reason.
            string? reason = holding is not null ? holding.Reason
                : state.Reason ?? (reading is { Lost: false, UtilizationPercent: not null } ? null : UsageReasons.DeviceUnreadable);
            string? uid = holding?.PodUid ?? state.PodUid;
            if (state.PodUid is not null && uid != state.PodUid)
            {
                // Another pod under the same name: what it held began with this sample.
                Close(key, state, closed);
                state.From = state.To = now;
                (state.PodUid, state.Reason) = (uid, reason);
                continue;
            }
            state.PodUid = uid;
            if (reason != state.Reason)
            {
                Close(key, state, closed);
                state.Reason = reason;
            }
            state.To = now;
            if (reason is null && reading is { UtilizationPercent: { } percent })
            {
                state.BusyPercentMs += percent * elapsedMs;
                if (energy.TryGetValue(key.Device, out long used))
                    state.EnergyMj = (state.EnergyMj ?? 0) + used;
            }
        }
    }

    private Dictionary<string, long> EnergySince(GpuSnapshot gpus)
    {
        var used = new Dictionary<string, long>(StringComparer.Ordinal);
        foreach (var reading in gpus.Devices)
        {
            if (reading.EnergyMillijoules is not { } counter)
                continue;
            // A decrease is a counter that began anew with the driver: all it shows was used since.
            if (lastEnergy.TryGetValue(reading.Uuid, out long last))
                used[reading.Uuid] = counter >= last ? counter - last : counter;
            lastEnergy[reading.Uuid] = counter;
        }
        return used;
    }

    private static void Close(HoldingKey key, Open state, List<UsageInterval> closed)
    {
        if (state.To > state.From)
        {
            long busyMs = state.BusyPercentMs / 100;
            state.BusyPercentMs -= busyMs * 100;
            closed.Add(new UsageInterval
            {
                PodUid = state.PodUid,
                Namespace = key.Namespace,
                Pod = key.Pod,
                Container = key.Container,
                Device = key.Device,
                // A share that nobody has worked out claims nothing of the device.
                Share = state.Reason is UsageReasons.MigNotAttributed or UsageReasons.SharedDevice ? "0/1" : "1/1",
                From = state.From,
                To = state.To,
                BusyMs = busyMs,
                EnergyMj = state.EnergyMj,
                Reason = state.Reason,
            });
        }
        state.From = state.To;
        state.EnergyMj = null;
    }

    private sealed class Open
    {
        public DateTimeOffset From;
        public DateTimeOffset To;
        public string? PodUid;
        public string? Reason;
        public long BusyPercentMs;
        public long? EnergyMj;
    }
}
