using System.Globalization;
using Bursar.Core.Ledger;
using Bursar.Kube.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>apps/v1 Deployment: to zero and back, through /scale. How a pod ends means nothing to it: the count alone decides what runs.</summary>
public sealed class DeploymentKind() : WorkKind<V1Deployment>(WorkClass.Inference, ReplicasField)
{
    public override bool IsOptional => false;

    public override Work Read(V1Deployment deployment) => new()
    {
        Kind = this,
        Metadata = deployment.Metadata,
        Switch = (deployment.Spec.Replicas ?? 1).ToString(CultureInfo.InvariantCulture),
        PodSets = [new(deployment.Spec.Replicas ?? 1, deployment.Spec.Template)],
    };
}
