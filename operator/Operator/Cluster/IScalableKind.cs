using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The adapter of a kind that a scaler may scale. It finds the replica counts, whether a rollout is in progress, and the pods of each
/// replica. It reads the caches by their indexes and has no state.
/// </summary>
internal interface IScalableKind
{
    EntityKind Entity { get; }

    string Name { get; }

    bool IsServed(ClusterStores stores);

    /// <summary>Returns the target; null if the object does not exist.</summary>
    ScaleTarget? Find(string ns, string name, ClusterStores stores);
}
