using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Billing;

/// <summary>
/// When GPU pods went, as this process saw it while another one led. Without it a fail-over would bill a pod that ended
/// in between up to the moment of the take-over.
/// </summary>
internal sealed class DeletedPodTracker
{
    /// <summary>Longer than any fail-over takes.</summary>
    private static readonly TimeSpan Kept = TimeSpan.FromMinutes(15);

    private readonly ClusterStores _stores;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, (V1Pod Pod, DateTimeOffset At, DateTimeOffset LastSeenAt)> _gone = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();

    public DeletedPodTracker(ClusterStores stores, TimeProvider time)
    {
        _stores = stores;
        _time = time;
        stores.Pods.AddHandler(new() { Deleted = pod => Note(pod, null), DeletedUnseen = pod => Note(pod, stores.Pods.Health.LastSync) });
    }

    /// <summary>
    /// The last state of a pod that is gone, when this process saw it gone, and when it last saw it there: the same moment, unless the
    /// watch was broken.
    /// </summary>
    public (V1Pod Pod, DateTimeOffset At, DateTimeOffset LastSeenAt)? Find(string uid)
    {
        lock (_gate)
            return _gone.TryGetValue(uid, out var found) ? found : null;
    }

    private void Note(V1Pod pod, DateTimeOffset? lastSeen)
    {
        if (!_stores.Gpus.OfPod(pod).IsAny)
            return;
        var now = _time.GetUtcNow();
        lock (_gate)
        {
            while (_order.TryPeek(out var oldest) && now - _gone[oldest].At > Kept)
                _gone.Remove(_order.Dequeue());
            if (_gone.TryAdd(pod.Metadata.Uid, (pod, now, lastSeen ?? now)))
                _order.Enqueue(pod.Metadata.Uid);
        }
    }
}
