using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Telemetry;

/// <summary>The pods that hold GPUs, by node, updated from the cache. Thread-safe.</summary>
internal sealed class GpuPods(ClusterGpus gpus)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Dictionary<string, V1Pod>> _nodes = new(StringComparer.Ordinal);

    public IReadOnlyList<string> Nodes
    {
        get
        {
            lock (_gate)
                return [.. _nodes.Keys.Order(StringComparer.Ordinal)];
        }
    }

    public IReadOnlyList<V1Pod> On(string node)
    {
        lock (_gate)
            return _nodes.TryGetValue(node, out var pods) ? [.. pods.Values.OrderBy(p => p.Metadata.Uid, StringComparer.Ordinal)] : [];
    }

    /// <summary>Records a pod. Returns its node if the targets of its agent may have changed, otherwise null.</summary>
    public string? Handle(V1Pod pod, bool gone)
    {
        if (pod.Spec.NodeName is not { Length: > 0 } node || !gpus.OfPod(pod).IsAny)
            return null;
        var isOpen = !gone && !PodTimes.IsOver(pod);
        lock (_gate)
        {
            if (isOpen)
            {
                if (!_nodes.TryGetValue(node, out var pods))
                    _nodes.Add(node, pods = new(StringComparer.Ordinal));
                pods[pod.Metadata.Uid] = pod;
            }
            else if (_nodes.TryGetValue(node, out var pods) && pods.Remove(pod.Metadata.Uid) && pods.Count == 0)
            {
                _nodes.Remove(node);
            }
        }
        return node;
    }
}
