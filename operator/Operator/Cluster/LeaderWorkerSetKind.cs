using System.Globalization;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// LeaderWorkerSet (leaderworkerset.x-k8s.io/v1): scaled to zero groups and back through /scale. According to its source
/// (pkg/controllers/pod_controller.go), its leaders form a StatefulSet and each leader owns the StatefulSet of its workers, so a group is
/// deleted with its leader. It has no success or failure, and restartPolicy applies only while the group exists, so it does not matter how
/// a pod ends. Scaling to zero scales the leaders' StatefulSet and deletes the workers' ones. So whenScaled decides about the leaders'
/// volumes and whenDeleted about the workers'.
/// </summary>
internal sealed class LeaderWorkerSetKind() : WorkloadKind<V1LeaderWorkerSet>(WorkloadClass.Inference, ReplicasField), IScalableKind
{
    /// <summary>Label of all its pods, with the set's name.</summary>
    public const string NameLabel = "leaderworkerset.sigs.k8s.io/name";

    public override string PodLabel => NameLabel;

    public override WorkloadObject Read(V1LeaderWorkerSet set)
    {
        var (groups, template) = (set.Spec.Replicas ?? 1, set.Spec.LeaderWorkerTemplate);
        var size = template.Size ?? 1;
        return new()
        {
            Kind = this,
            Metadata = set.Metadata,
            Field = groups.ToString(CultureInfo.InvariantCulture),
            WhyNot = WhyNotOf(template, size),
            PodSets = template.LeaderTemplate is { } leader
                ? [new(groups, leader), new(PodSet.Times(groups, size - 1), template.WorkerTemplate, size - 1)]
                : [new(PodSet.Times(groups, size), template.WorkerTemplate, size)],
        };
    }

    private static string? WhyNotOf(V1LeaderWorkerTemplate template, int size) =>
        template.VolumeClaimTemplates.Count == 0 ? null
        : template.PersistentVolumeClaimRetentionPolicy?.WhenScaled == V1PersistentVolumeClaimRetentionPolicy.Delete
            ? "its persistentVolumeClaimRetentionPolicy deletes its leaders' volumes when it is scaled down"
        : size > 1 && template.PersistentVolumeClaimRetentionPolicy?.WhenDeleted == V1PersistentVolumeClaimRetentionPolicy.Delete
            ? "its persistentVolumeClaimRetentionPolicy deletes its workers' volumes when their groups are scaled away"
        : null;

    /// <remarks>A replica is a group. The selector of its scale would match only the leaders.</remarks>
    public ScaleTarget? Find(string ns, string name, ClusterStores stores)
    {
        if (stores.StoreOf<V1LeaderWorkerSet>().Get(ns, name) is not { } set)
            return null;
        var work = stores.CacheOf(Name)!.Get(ns, name);
        return ScaleTarget.From(Entity, set.Metadata, set.Spec.Replicas ?? 1) with
        {
            StatusReplicas = set.Status.Replicas,
            IsRollingOut =
                set.Status.ObservedGeneration is > 0 and var seen && seen < set.Metadata.Generation
                || set.Status.Conditions.Any(condition => condition is { Type: "UpdateInProgress", Status: "True" }),
            Work = work,
            PodSets = work?.PodSets ?? [],
            ReplicaPods = Groups(set.Metadata.Uid, stores),
        };
    }

    /// <summary>Returns the groups: the pods of the leaders' StatefulSet, each with the pods of its workers' StatefulSet.</summary>
    private static List<TargetReplica> Groups(string uid, ClusterStores stores)
    {
        var sets = stores.StoreOf<V1StatefulSet>();
        var groups = new List<TargetReplica>();
        foreach (var leaders in sets.ByIndex(Indexes.OwnerUid, uid))
        foreach (
            var leader in stores
                .Pods.Store.ByIndex(Indexes.OwnerUid, leaders.Metadata.Uid)
                .Where(TargetReplica.IsAlive)
                .OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal)
        )
        {
            var pods = new List<V1Pod> { leader };
            foreach (var workers in sets.ByIndex(Indexes.OwnerUid, leader.Metadata.Uid))
                pods.AddRange(
                    stores
                        .Pods.Store.ByIndex(Indexes.OwnerUid, workers.Metadata.Uid)
                        .Where(TargetReplica.IsAlive)
                        .OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal)
                );
            groups.Add(new(leader.Metadata.Uid, pods));
        }
        return groups;
    }
}
