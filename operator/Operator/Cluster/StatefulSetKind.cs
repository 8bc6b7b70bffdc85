using System.Globalization;
using Bursar.Core.Ledger;
using Bursar.Kube.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// apps/v1 StatefulSet: to zero and back, through /scale. How a pod ends means nothing to its controller, which makes a pod that ended
/// anew whatever its code was, and while the count is zero none (Kubernetes, pkg/controller/statefulset/stateful_set_control.go). Volume
/// claims that it made stay unless persistentVolumeClaimRetentionPolicy.whenScaled says Delete: then a stop would delete what was saved.
/// </summary>
public sealed class StatefulSetKind() : WorkKind<V1StatefulSet>(WorkClass.Inference, ReplicasField)
{
    public override bool IsOptional => false;

    public override Work Read(V1StatefulSet set) => new()
    {
        Kind = this,
        Metadata = set.Metadata,
        Switch = (set.Spec.Replicas ?? 1).ToString(CultureInfo.InvariantCulture),
        WhyNot = set.Spec.VolumeClaimTemplates.Count > 0 && set.Spec.PersistentVolumeClaimRetentionPolicy?.WhenScaled == V1PersistentVolumeClaimRetentionPolicy.Delete
            ? "its persistentVolumeClaimRetentionPolicy deletes its volumes when it is scaled down"
            : null,
        PodSets = [new(set.Spec.Replicas ?? 1, set.Spec.Template)],
    };
}
