using System.Globalization;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// apps/v1 StatefulSet: scaled to zero and back through /scale. Its controller replaces a pod that ended, whatever its exit code, and
/// creates none while the count is zero (Kubernetes, pkg/controller/statefulset/stateful_set_control.go). Its volume claims stay unless
/// persistentVolumeClaimRetentionPolicy.whenScaled is Delete. Then a suspension would delete the data.
/// </summary>
internal sealed class StatefulSetKind() : WorkloadKind<V1StatefulSet>(WorkloadClass.Inference, ReplicasField), IScalableKind
{
    public override bool IsOptional => false;

    public override WorkloadObject Read(V1StatefulSet set) =>
        new()
        {
            Kind = this,
            Metadata = set.Metadata,
            Field = (set.Spec.Replicas ?? 1).ToString(CultureInfo.InvariantCulture),
            WhyNot =
                set.Spec.VolumeClaimTemplates.Count > 0
                && set.Spec.PersistentVolumeClaimRetentionPolicy?.WhenScaled == V1PersistentVolumeClaimRetentionPolicy.Delete
                    ? "its persistentVolumeClaimRetentionPolicy deletes its volumes when it is scaled down"
                    : null,
            PodSets = [new(set.Spec.Replicas ?? 1, set.Spec.Template)],
        };

    public ScaleTarget? Find(string ns, string name, ClusterStores stores)
    {
        if (stores.StoreOf<V1StatefulSet>().Get(ns, name) is not { } set)
            return null;
        var work = stores.CacheOf(Name)!.Get(ns, name);
        return ScaleTarget.From(Entity, set.Metadata, set.Spec.Replicas ?? 1) with
        {
            StatusReplicas = set.Status.Replicas,
            IsRollingOut = IsRolling(set),
            Work = work,
            PodSets = work?.PodSets ?? [],
            ReplicaPods = TargetReplica.Each(stores.Pods.Store.ByIndex(Indexes.OwnerUid, set.Metadata.Uid)),
        };
    }

    /// <summary>
    /// Whether a rollout is in progress. Two revisions that remain by design, with the strategy OnDelete or a partition, are no rollout.
    /// </summary>
    private static bool IsRolling(V1StatefulSet set)
    {
        var status = set.Status;
        if (status.ObservedGeneration < set.Metadata.Generation)
            return true;
        if (
            set.Spec.UpdateStrategy.Type == V1StatefulSetUpdateStrategy.OnDelete
            || status.UpdateRevision is null
            || status.CurrentRevision == status.UpdateRevision
        )
            return false;
        return set.Spec.UpdateStrategy.RollingUpdate.Partition is not { } partition
            || partition == 0
            || status.UpdatedReplicas < Math.Min(status.Replicas, set.Spec.Replicas ?? 1) - partition;
    }
}
