using Bursar.Agent.Nvml;
using Bursar.Agent.Pods;
using Bursar.Core.Money;
using Bursar.Core.Usage;

namespace Bursar.Agent.Sampling;

/// <summary>
/// Turns samples into intervals, without reading clock or device. A sample tells of the time since the one before it:
/// utilisation in percent times milliseconds is kept as an integer, and only whole milliseconds leave with an interval, the
/// rest stays for the next, so that the sum over any split is exact. What a device did is divided among its holders
/// (<see cref="DeviceSplit"/>); intervals of one pod on one device never overlap.
/// </summary>
public sealed class UsageAccumulator
{
    /// <summary>An interval is closed when it is this long.</summary>
    public static readonly TimeSpan Length = TimeSpan.FromSeconds(60);

    /// <summary>Samples further apart than this do not tell what happened between them: the time stays out.</summary>
    public TimeSpan LongestGap { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The driver's figure is of the second before the sample. Over a longer pause the mean of both ends is taken: the sampler pauses
    /// while nothing changes, and a change then came, on average, in the middle.
    /// </summary>
    public static readonly TimeSpan Trailing = TimeSpan.FromSeconds(2);

    /// <summary>Two ends of a pause, each in percent: a millisecond has two hundred parts.</summary>
    private const long Parts = 200;

    private const long BytesPerMiB = 1024 * 1024;

    private readonly Dictionary<HoldingKey, Open> _open = [];
    private readonly EnergyCounters _counters = new();
    private Dictionary<string, int> _percents = new(StringComparer.Ordinal);
    private DateTimeOffset? _previous;

    /// <summary>Takes the sample of this moment and returns the intervals it closes. A clock that went back is waited for.</summary>
    /// <param name="at">The moment.</param>
    /// <param name="holdings">Who holds what from now on.</param>
    /// <param name="gpus">What the devices did since the last sample.</param>
    /// <param name="ownerOf">Whose a process is; null where nobody can tell.</param>
    /// <param name="unusedCacheOf">By pod UID, the bytes of each device that its model server's cache holds unused; null where that is not
    /// known.</param>
    public List<UsageInterval> Take(
        DateTimeOffset at,
        IReadOnlyList<DeviceHolding> holdings,
        GpuSnapshot gpus,
        Func<int, ProcessOwner>? ownerOf = null,
        Func<string, long?>? unusedCacheOf = null
    )
    {
        var now = WireTime.Truncate(at);
        var closed = new List<UsageInterval>();
        if (_previous is { } earlier && now <= earlier)
            return closed;
        // Where a source shows a device twice, it has worked once.
        gpus = gpus with { Devices = [.. gpus.Devices.DistinctBy(r => r.Uuid)] };
        var elapsed = now - (_previous ?? now);
        var energy = _counters.Since(gpus, now, LongestGap);
        if (_previous is not null)
        {
            if (elapsed > LongestGap)
                closed.AddRange(CloseAll());
            else
                Extend(now, elapsed, holdings, gpus, energy, ownerOf ?? (_ => ProcessOwner.Unknown), unusedCacheOf, closed);
        }
        _previous = now;
        _percents = gpus.Devices.Where(r => r.UtilizationPercent is not null).ToDictionary(r => r.Uuid, r => r.UtilizationPercent!.Value);

        var held = new HashSet<HoldingKey>();
        foreach (var holding in holdings)
        {
            held.Add(holding.Key);
            if (!_open.TryGetValue(holding.Key, out var state))
                _open[holding.Key] = new Open
                {
                    From = now,
                    To = now,
                    PodUid = holding.PodUid,
                    Reason = holding.Reason,
                    Share = holding.Share,
                    Listed = holding.Listed,
                };
            else if (state.To - state.From >= Length)
                Close(holding.Key, state, closed);
        }
        foreach (var (key, state) in _open.Where(o => !held.Contains(o.Key) && (!o.Value.Nobodys || now - o.Value.From >= Length)).ToList())
        {
            Close(key, state, closed);
            if (!state.Nobodys || state.To < now)
                _open.Remove(key);
        }
        return closed;
    }

    /// <summary>Ends every interval at the last sample; at the agent's end.</summary>
    public List<UsageInterval> CloseAll()
    {
        var closed = new List<UsageInterval>();
        foreach (var (key, state) in _open)
            Close(key, state, closed);
        _open.Clear();
        return closed;
    }

    /// <summary>Ends every interval at the last sample; the next one begins anew, and tells nothing of the time before it.</summary>
    public List<UsageInterval> Break()
    {
        _previous = null;
        _percents.Clear();
        return CloseAll();
    }

    private void Extend(
        DateTimeOffset now,
        TimeSpan elapsed,
        IReadOnlyList<DeviceHolding> holdings,
        GpuSnapshot gpus,
        Dictionary<string, long> energy,
        Func<int, ProcessOwner> ownerOf,
        Func<string, long?>? unusedCacheOf,
        List<UsageInterval> closed
    )
    {
        var holders = new Dictionary<string, List<(HoldingKey Key, Open State)>>(StringComparer.Ordinal);
        foreach (var (key, state) in _open)
        {
            if (state.Nobodys)
                continue;
            var holding = holdings.FirstOrDefault(h => h.Key == key);
            var reading = gpus.Devices.FirstOrDefault(r => r.Uuid == key.Device);
            // A pod that has just gone held the device until now: only the reading can have changed its reason.
            string? reason = holding is not null
                ? holding.Reason
                : state.Reason ?? (reading is { Lost: false, UtilizationPercent: not null } ? null : UsageReasons.DeviceUnreadable);
            string? uid = holding?.PodUid ?? state.PodUid;
            string share = holding?.Share ?? state.Share;
            if (state.PodUid is not null && uid != state.PodUid)
            {
                // Another pod under the same name: what it held began with this sample.
                Close(key, state, closed);
                state.From = state.To = now;
                (state.PodUid, state.Reason, state.Share) = (uid, reason, share);
                continue;
            }
            state.PodUid = uid;
            state.Gone = holding is null;
            if (
                state.Reason is UsageReasons.DeviceLost or UsageReasons.DeviceUnreadable
                && reason is null
                && !_percents.ContainsKey(key.Device)
            )
            {
                // It is back; what it did until now, or whether it did, nobody has seen.
                state.To = now;
                Close(key, state, closed);
                (state.Reason, state.Share) = (reason, share);
                continue;
            }
            if (reason != state.Reason || share != state.Share)
            {
                Close(key, state, closed);
                (state.Reason, state.Share) = (reason, share);
            }
            state.To = now;
            if (reason is null or UsageReasons.MigActivityUnknown or UsageReasons.ReservedForOthers)
            {
                if (!holders.TryGetValue(key.Device, out var list))
                    holders[key.Device] = list = [];
                list.Add((key, state));
            }
        }
        foreach (var reading in gpus.Devices)
            Divide(
                reading,
                holders.TryGetValue(reading.Uuid, out var list) ? list : [],
                now,
                elapsed,
                energy.TryGetValue(reading.Uuid, out long used) ? used : null,
                ownerOf,
                unusedCacheOf
            );
    }

    private void Divide(
        GpuReading reading,
        List<(HoldingKey Key, Open State)> all,
        DateTimeOffset now,
        TimeSpan elapsed,
        long? energy,
        Func<int, ProcessOwner> ownerOf,
        Func<string, long?>? unusedCacheOf
    )
    {
        long elapsedMs = elapsed.Ticks / TimeSpan.TicksPerMillisecond;
        var holders = all.Where(h => h.State.Reason != UsageReasons.ReservedForOthers).ToList();
        long busy = 0;
        if (reading.UtilizationPercent is { } percent)
        {
            int before = elapsed > Trailing && _percents.TryGetValue(reading.Uuid, out int known) ? known : percent;
            // A pod that has gone in a pause may not be said to have worked after its end, which nobody here knows.
            busy = (all.Exists(h => h.State.Gone) ? 2L * Math.Min(before, percent) : before + percent) * elapsedMs;
        }
        // A device that was not to be seen before has done what it did for nobody knows whom, at a time that nobody knows.
        if (holders.Count == 0 && !_percents.ContainsKey(reading.Uuid))
            busy = 0;
        if (busy > 0)
        {
            var parts = DeviceSplit.Of(
                reading,
                [.. holders.Select(h => new DeviceHolder(h.Key.Namespace, h.Key.Pod, h.State.PodUid))],
                ownerOf
            );
            long[] weights = [.. parts.Select(p => p.Weight)];
            Int128[] works = LargestRemainder.Divide(busy, weights),
                energies = LargestRemainder.Divide(energy ?? 0, weights);
            for (int i = 0; i < parts.Count; i++)
            {
                var state = parts[i].Holder >= 0 ? holders[parts[i].Holder].State : Nobody(reading.Uuid, parts[i].Reason, now, elapsed);
                state.Busy += (long)works[i];
                if (energy is not null)
                    state.EnergyMj = (state.EnergyMj ?? 0) + (long)energies[i];
                state.To = now;
            }
        }
        else if (energy is { } drawn && all.Count > 0)
        {
            // An idle device draws power for those who keep it: equally.
            var keepers = holders.Count > 0 ? holders : all;
            var energies = LargestRemainder.Divide(drawn, [.. keepers.Select(_ => 1L)]);
            for (int i = 0; i < keepers.Count; i++)
                keepers[i].State.EnergyMj = (keepers[i].State.EnergyMj ?? 0) + (long)energies[i];
        }
        foreach (var (_, state) in holders)
        {
            long? bytes = Memory(reading, state.PodUid, holders.Count == 1, ownerOf);
            if (bytes is not { } known)
                continue;
            state.MemoryMiBMs = (state.MemoryMiBMs ?? 0) + known / BytesPerMiB * elapsedMs;
            if (state.PodUid is { } uid && unusedCacheOf?.Invoke(uid) is { } unused && unused < known)
                state.NeededMiB = Math.Max(state.NeededMiB ?? 0, (known - unused) / BytesPerMiB);
        }
    }

    /// <summary>What the pod's processes have of the device's memory; an only holder without any has what is used.</summary>
    private static long? Memory(GpuReading reading, string? uid, bool only, Func<int, ProcessOwner> ownerOf)
    {
        long? sum = null;
        foreach (var process in reading.Processes)
        {
            if (
                process.MemoryBytes is { } bytes
                && uid is not null
                && ownerOf(process.Pid) is { Kind: ProcessKind.Pod } owner
                && owner.PodUid == uid
            )
                sum = (sum ?? 0) + bytes;
        }
        return sum ?? (only ? reading.MemoryUsedBytes : null);
    }

    private Open Nobody(string device, string reason, DateTimeOffset now, TimeSpan elapsed)
    {
        var key = new HoldingKey("", "", reason, device);
        if (!_open.TryGetValue(key, out var state))
            _open[key] = state = new Open
            {
                From = now - elapsed,
                To = now,
                Reason = reason,
                Nobodys = true,
            };
        return state;
    }

    private static void Close(HoldingKey key, Open state, List<UsageInterval> closed)
    {
        long busyMs = state.Busy / Parts;
        if (state.To > state.From && (!state.Nobodys || busyMs > 0))
        {
            state.Busy -= busyMs * Parts;
            closed.Add(
                new UsageInterval
                {
                    PodUid = state.PodUid,
                    // A pod that did not ask for the device is not billed for it by an agent's word: its UID alone tells it, to whom it is
                    // known.
                    Namespace = state.Listed ? key.Namespace : "",
                    Pod = state.Listed || key.Namespace.Length == 0 ? key.Pod : $"{key.Namespace}/{key.Pod}",
                    Container = state.Nobodys ? "" : key.Container,
                    Device = key.Device,
                    Share = state.Share,
                    // Work that is nobody's has no frame but itself: the interval is as long as the work.
                    From = state.Nobodys ? state.To.AddMilliseconds(-busyMs) : state.From,
                    To = state.To,
                    BusyMs = busyMs,
                    EnergyMj = state.EnergyMj,
                    MemoryMiBMs = state.MemoryMiBMs,
                    NeededMiB = state.NeededMiB,
                    Reason = state.Reason ?? (state.Listed ? null : UsageReasons.NotRequested),
                }
            );
            state.EnergyMj = null;
            state.MemoryMiBMs = null;
            state.NeededMiB = null;
        }
        else if (!state.Nobodys)
        {
            state.EnergyMj = null;
            state.MemoryMiBMs = null;
            state.NeededMiB = null;
        }
        state.From = state.To;
    }

    private sealed class Open
    {
        public DateTimeOffset From;
        public DateTimeOffset To;
        public string? PodUid;
        public string? Reason;
        public string Share = "0/1";
        public bool Listed = true;
        public bool Nobodys;
        public bool Gone;
        public long Busy;
        public long? EnergyMj;
        public long? MemoryMiBMs;
        public long? NeededMiB;
    }
}
