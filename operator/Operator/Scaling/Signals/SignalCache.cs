using Bursar.Agent.Endpoints;

namespace Bursar.Operator.Scaling.Signals;

/// <summary>
/// What the pods show, as their nodes' agents tell it, for whoever scales by it. In memory alone: an operator that begins anew
/// knows it again after two readings.
/// </summary>
/// <param name="nodeOf">The node that a pod is bound to; null for a pod that is not known. An agent is believed for its own node's
/// alone.</param>
/// <param name="time">The clock.</param>
internal sealed class SignalCache(Func<string, string?> nodeOf, TimeProvider time)
{
    /// <summary>A pod that no agent names any more is forgotten after this.</summary>
    private static readonly TimeSpan Life = TimeSpan.FromMinutes(5);

    /// <summary>An agent repeats what it read last, however long ago: older than this makes no difference.</summary>
    private static readonly TimeSpan Oldest = TimeSpan.FromHours(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, SignalTrack> _pods = new(StringComparer.Ordinal);
    private DateTimeOffset _swept;

    /// <summary>The UIDs of pods of which there is news.</summary>
    public event Action<IReadOnlyCollection<string>>? Changed;

    public void Take(string node, SignalReport report)
    {
        var now = time.GetUtcNow();
        var news = new HashSet<string>(StringComparer.Ordinal);
        lock (_gate)
        {
            Sweep_NeedsLock(now);
            foreach (var pod in report.Pods ?? [])
                if (pod is not null && Track_NeedsLock(node, pod.PodUid, now) is { } track && track.Take(pod, Ours(pod.At)))
                    news.Add(pod.PodUid);
            foreach (var device in report.Devices ?? [])
            {
                if (device is not { Device: not null, PodUids: { } holders, Lost: false, UtilizationPercent: >= 0 and <= 100 })
                    continue;
                foreach (string uid in holders)
                    if (
                        Track_NeedsLock(node, uid, now) is { } track
                        && track.Take(device.Device, device.UtilizationPercent.Value, device.At, Ours(device.At))
                    )
                        news.Add(uid);
            }
        }
        if (news.Count > 0)
            Changed?.Invoke(news);

        // The agent's clock may be any: how long ago it was, by that clock, counts from now.
        DateTimeOffset Ours(DateTimeOffset at)
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

    /// <summary>Null for a pod of which no agent told anything lately.</summary>
    public PodSignals? Of(string podUid)
    {
        lock (_gate)
            return _pods.TryGetValue(podUid, out var track) ? track.At(time.GetUtcNow()) : null;
    }

    /// <summary>The pod is gone.</summary>
    public void Forget(string podUid)
    {
        lock (_gate)
            _pods.Remove(podUid);
    }

    private SignalTrack? Track_NeedsLock(string node, string? podUid, DateTimeOffset now)
    {
        if (podUid is null || nodeOf(podUid) != node)
            return null;
        // Bound anew under the same UID does not happen; a node's name that is used again does.
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
