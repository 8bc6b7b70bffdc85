using Bursar.Agent.Endpoints;

namespace Bursar.Operator.Scaling.Signals;

/// <summary>
/// The latest metrics of pods from their nodes' agents, for scalers. They are kept in memory only, because two readings restore them after
/// a restart. Thread-safe.
/// </summary>
/// <param name="nodeOf">Returns the node of a pod; null for an unknown pod. Only the agent of that node is trusted.</param>
internal sealed class SignalCache(Func<string, string?> nodeOf, TimeProvider time)
{
    /// <summary>A pod that no agent reports is removed after this time.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(5);

    /// <summary>Limit of a reading's age. Agents repeat their last reading, and an older one makes no difference.</summary>
    private static readonly TimeSpan Oldest = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, SignalTrack> _pods = new(StringComparer.Ordinal);
    private DateTimeOffset _swept;

    /// <summary>Raised with the UIDs of pods that have new readings.</summary>
    public event Action<IReadOnlyCollection<string>>? Changed;

    public void Record(string node, SignalReport report)
    {
        var now = time.GetUtcNow();
        var changed = new HashSet<string>(StringComparer.Ordinal);
        lock (_gate)
        {
            Sweep_NeedsLock(now);
            foreach (var pod in report.Pods ?? [])
                if (pod is not null && Track_NeedsLock(node, pod.PodUid, now) is { } track && track.Record(pod, LocalTime(pod.At)))
                    changed.Add(pod.PodUid);
            foreach (var device in report.Devices ?? [])
            {
                if (device is not { Device: not null, PodUids: { } holders, Lost: false, UtilizationPercent: >= 0 and <= 100 })
                    continue;
                foreach (string uid in holders)
                    if (
                        Track_NeedsLock(node, uid, now) is { } track
                        && track.Record(device.Device, device.UtilizationPercent.Value, device.At, LocalTime(device.At))
                    )
                        changed.Add(uid);
            }
        }
        if (changed.Count > 0)
            Changed?.Invoke(changed);

        // The agent's clock may differ, so convert the age by its clock to the operator's time.
        DateTimeOffset LocalTime(DateTimeOffset at)
        {
            var age = report.Now - at;
            return now
                - (
                    age < TimeSpan.Zero ? TimeSpan.Zero
                    : age > Oldest ? Oldest
                    : age
                );
        }
    }

    /// <summary>Returns a pod's latest metrics; null without a recent report.</summary>
    public PodSignals? Get(string podUid)
    {
        lock (_gate)
            return _pods.TryGetValue(podUid, out var track) ? track.At(time.GetUtcNow()) : null;
    }

    public void Forget(string podUid)
    {
        lock (_gate)
            _pods.Remove(podUid);
    }

    private SignalTrack? Track_NeedsLock(string node, string? podUid, DateTimeOffset now)
    {
        if (podUid is null || nodeOf(podUid) != node)
            return null;
        // A pod is never bound twice, but a node's name may be reused.
        if (!_pods.TryGetValue(podUid, out var track) || track.Node != node)
            _pods[podUid] = track = new() { Node = node };
        track.Named = now;
        return track;
    }

    private void Sweep_NeedsLock(DateTimeOffset now)
    {
        if (now - _swept < TimeSpan.FromMinutes(1) && now >= _swept)
            return;
        _swept = now;
        foreach (
            string uid in _pods
                .Where(pod => now - pod.Value.Named > Life || nodeOf(pod.Key) != pod.Value.Node)
                .Select(pod => pod.Key)
                .ToArray()
        )
            _pods.Remove(uid);
    }
}
