using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Billing;

/// <summary>
/// Deletion times of GPU pods that this replica saw while another one led. Without them a fail-over would bill a deleted pod until the
/// take-over. Thread-safe.
/// </summary>
internal sealed class DeletedPodTracker
{
    /// <summary>Retention; longer than any fail-over.</summary>
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
        stores.Pods.AddHandler(
            new() { Deleted = pod => Record(pod, null), DeletedUnseen = pod => Record(pod, stores.Pods.Health.LastSync) }
        );
    }

    /// <summary>
    /// Returns the last state of a deleted pod, when this replica noticed its deletion, and when it last saw the pod. The two times are
    /// equal unless the watch was broken.
    /// </summary>
    public (V1Pod Pod, DateTimeOffset At, DateTimeOffset LastSeenAt)? Find(string uid)
    {
        lock (_gate)
            return _gone.TryGetValue(uid, out var found) ? found : null;
    }

    private void Record(V1Pod pod, DateTimeOffset? lastSeen)
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
