using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The adapter of a kind that a scaler may scale: where its numbers stand, how its controller tells of a rollout, and which pods are its
/// replicas. It reads caches by their indexes and holds no state.
/// </summary>
internal interface IScalableKind
{
    EntityKind Entity { get; }

    string Name { get; }

    bool IsServed(ClusterStores stores);

    /// <summary>Null when there is no such object.</summary>
    ScaleTarget? Find(string ns, string name, ClusterStores stores);
}
