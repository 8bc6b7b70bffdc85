using System.Globalization;
using Bursar.Core.Ledger;
using Bursar.Kube.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// LeaderWorkerSet (leaderworkerset.x-k8s.io/v1): to zero groups and back, through /scale. From its source (pkg/controllers/pod_controller.go): its
/// leaders are a StatefulSet, and each leader owns the StatefulSet of its workers, so a group goes with its leader. How a pod ends means nothing: it has no
/// state of success or failure, restartPolicy only looks at pods that restart or go while the group stays, and a group that was scaled away is not made again.
/// Both kinds of StatefulSet get its volume claim templates and its retention policy. Scaling to zero scales the leaders' down, and deletes the workers' with
/// their leader: so whenScaled says what becomes of the leaders' volumes, and whenDeleted what becomes of the workers'.
/// </summary>
public sealed class LeaderWorkerSetKind() : WorkKind<V1LeaderWorkerSet>(WorkClass.Inference, ReplicasField)
{
    /// <summary>On all its pods: the set's name.</summary>
    public const string NameLabel = "leaderworkerset.sigs.k8s.io/name";

    public override string PodLabel => NameLabel;

    public override Work Read(V1LeaderWorkerSet set)
    {
        var (groups, template) = (set.Spec.Replicas ?? 1, set.Spec.LeaderWorkerTemplate);
        var size = template.Size ?? 1;
        return new()
        {
            Kind = this,
            Metadata = set.Metadata,
            Switch = groups.ToString(CultureInfo.InvariantCulture),
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
}
