using Bursar.Agent.Nvml;
using Bursar.Agent.Pods;
using Bursar.Core.Money;
using Bursar.Core.Usage;

namespace Bursar.Agent.Sampling;

/// <summary>
/// Turns samples into intervals without reading the clock or a device. Each sample covers the time since the one before it.
/// Utilization in percent times milliseconds is kept as an integer. An interval carries whole milliseconds and the remainder goes to
/// the next, so that the sum over any split is exact. <see cref="DeviceSplit"/> divides the activity among the holders. Intervals of
/// one pod on one device never overlap. Not safe for concurrent use.
/// </summary>
public sealed class UsageAccumulator
{
    /// <summary>An interval is closed when it is this long.</summary>
    public static readonly TimeSpan Length = TimeSpan.FromSeconds(60);

    /// <summary>The time between two samples that are further apart than this is not counted.</summary>
    public TimeSpan LongestGap { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The driver's utilization covers about one second before the sample. Over a pause longer than this, the mean of both ends is used,
    /// because a change that ends the pause came, on average, in its middle.
    /// </summary>
    public static readonly TimeSpan Trailing = TimeSpan.FromSeconds(2);

    /// <summary>Units of <c>Busy</c> per millisecond: the sum of two utilizations, each in percent.</summary>
    private const long Parts = 200;

    private const long BytesPerMiB = 1024 * 1024;

    private readonly Dictionary<HoldingKey, Open> _open = [];
    private readonly EnergyCounters _counters = new();
    private Dictionary<string, int> _percents = new(StringComparer.Ordinal);
    private DateTimeOffset? _previous;

    /// <summary>
    /// Records a sample and returns the intervals that it closes. Samples are ignored until the clock is past the last one, if it was
    /// set back.
    /// </summary>
    /// <param name="at">The time of the sample.</param>
    /// <param name="holdings">The pods that hold each device from now on.</param>
    /// <param name="gpus">The readings since the last sample.</param>
    /// <param name="ownerOf">Returns the owner of a process id; null if the agent cannot see processes.</param>
    /// <param name="unusedCacheOf">Returns the bytes of each device that the pod's model server reserved for its cache but does not use, by
    /// pod UID; null if unknown.</param>
    public List<UsageInterval> Record(
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
        // A source may list a device twice; count it once.
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
        foreach (
            var (key, state) in _open.Where(o => !held.Contains(o.Key) && (!o.Value.Unattributed || now - o.Value.From >= Length)).ToList()
        )
        {
            Close(key, state, closed);
            if (!state.Unattributed || state.To < now)
                _open.Remove(key);
        }
        return closed;
    }

    /// <summary>Ends every interval at the last sample.</summary>
    public List<UsageInterval> CloseAll()
    {
        var closed = new List<UsageInterval>();
        foreach (var (key, state) in _open)
            Close(key, state, closed);
        _open.Clear();
        return closed;
    }

    /// <summary>Ends every interval at the last sample. The time until the next sample is not counted.</summary>
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
            if (state.Unattributed)
                continue;
            var holding = holdings.FirstOrDefault(h => h.Key == key);
            var reading = gpus.Devices.FirstOrDefault(r => r.Uuid == key.Device);
            // A pod that has just gone held the device until this sample, so only the reading can change its reason.
            string? reason = holding is not null
                ? holding.Reason
                : state.Reason ?? (reading is { Lost: false, UtilizationPercent: not null } ? null : UsageReasons.DeviceUnreadable);
            string? uid = holding?.PodUid ?? state.PodUid;
            string share = holding?.Share ?? state.Share;
            if (state.PodUid is not null && uid != state.PodUid)
            {
                // A new pod with the same name; its holding starts with this sample.
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
                // The device is readable again. Its activity before this sample is unknown.
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
            // When a pod went away within the pause is unknown, so use the lower end rather than overstate its busy time.
            busy = (all.Exists(h => h.State.Gone) ? 2L * Math.Min(before, percent) : before + percent) * elapsedMs;
        }
        // Without holders and without an earlier reading, neither the pod nor the time of the activity is known.
        if (holders.Count == 0 && !_percents.ContainsKey(reading.Uuid))
            busy = 0;
        if (busy > 0)
        {
            var parts = DeviceSplit.Divide(
                reading,
                [.. holders.Select(h => new DeviceHolder(h.Key.Namespace, h.Key.Pod, h.State.PodUid))],
                ownerOf
            );
            long[] weights = [.. parts.Select(p => p.Weight)];
            Int128[] works = LargestRemainder.Divide(busy, weights),
                energies = LargestRemainder.Divide(energy ?? 0, weights);
            for (int i = 0; i < parts.Count; i++)
            {
                var state =
                    parts[i].Holder >= 0 ? holders[parts[i].Holder].State : Unattributed(reading.Uuid, parts[i].Reason, now, elapsed);
                state.Busy += (long)works[i];
                if (energy is not null)
                    state.EnergyMj = (state.EnergyMj ?? 0) + (long)energies[i];
                state.To = now;
            }
        }
        else if (energy is { } drawn && all.Count > 0)
        {
            // The energy of an idle device is divided equally among the pods that hold it.
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

    /// <summary>
    /// Returns the device memory of the pod's processes. If none is known and the pod is the single holder, returns all used memory.
    /// </summary>
    private static long? Memory(GpuReading reading, string? uid, bool singleHolder, Func<int, ProcessOwner> ownerOf)
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
        return sum ?? (singleHolder ? reading.MemoryUsedBytes : null);
    }

    private Open Unattributed(string device, string reason, DateTimeOffset now, TimeSpan elapsed)
    {
        var key = new HoldingKey("", "", reason, device);
        if (!_open.TryGetValue(key, out var state))
            _open[key] = state = new Open
            {
                From = now - elapsed,
                To = now,
                Reason = reason,
                Unattributed = true,
            };
        return state;
    }

    private static void Close(HoldingKey key, Open state, List<UsageInterval> closed)
    {
        long busyMs = state.Busy / Parts;
        if (state.To > state.From && (!state.Unattributed || busyMs > 0))
        {
            state.Busy -= busyMs * Parts;
            closed.Add(
                new UsageInterval
                {
                    PodUid = state.PodUid,
                    // An agent's report alone must not bill a pod that did not request the device, so the namespace stays empty. The UID
                    // still identifies the pod.
                    Namespace = state.Listed ? key.Namespace : "",
                    Pod = state.Listed || key.Namespace.Length == 0 ? key.Pod : $"{key.Namespace}/{key.Pod}",
                    Container = state.Unattributed ? "" : key.Container,
                    Device = key.Device,
                    Share = state.Share,
                    // Unattributed activity has no holding, so its interval is as long as its busy time.
                    From = state.Unattributed ? state.To.AddMilliseconds(-busyMs) : state.From,
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
        else if (!state.Unattributed)
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
        public bool Unattributed;
        public bool Gone;
        public long Busy;
        public long? EnergyMj;
        public long? MemoryMiBMs;
        public long? NeededMiB;
    }
}
