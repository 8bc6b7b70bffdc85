using System.Globalization;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// apps/v1 Deployment: scaled to zero and back through /scale. Its controller ignores how a pod ends; only the replica count decides what
/// runs.
/// </summary>
internal sealed class DeploymentKind() : WorkloadKind<V1Deployment>(WorkloadClass.Inference, ReplicasField), IScalableKind
{
    public override bool IsOptional => false;

    public override WorkloadObject Read(V1Deployment deployment) =>
        new()
        {
            Kind = this,
            Metadata = deployment.Metadata,
            Field = (deployment.Spec.Replicas ?? 1).ToString(CultureInfo.InvariantCulture),
            PodSets = [new(deployment.Spec.Replicas ?? 1, deployment.Spec.Template)],
        };

    public ScaleTarget? Find(string ns, string name, ClusterStores stores)
    {
        if (stores.StoreOf<V1Deployment>().Get(ns, name) is not { } deployment)
            return null;
        var work = stores.CacheOf(Name)!.Get(ns, name);
        return ScaleTarget.From(Entity, deployment.Metadata, deployment.Spec.Replicas ?? 1) with
        {
            StatusReplicas = deployment.Status.Replicas,
            IsRollingOut = IsRolling(deployment),
            IsPaused = deployment.Spec.Paused == true,
            Work = work,
            PodSets = work?.PodSets ?? [],
            ReplicaPods = TargetReplica.Each(TargetReplica.ThroughReplicaSets(deployment.Metadata.Uid, stores)),
        };
    }

    /// <summary>
    /// Returns whether a rollout is in progress. The controller (pkg/controller/deployment/progress.go) keeps the reason
    /// NewReplicaSetAvailable while it only scales, and sets another one during a rollout. Without that condition the counts decide.
    /// </summary>
    public static bool IsRolling(V1Deployment deployment)
    {
        var status = deployment.Status;
        if (status.ObservedGeneration < deployment.Metadata.Generation || status.Replicas > status.UpdatedReplicas)
            return true;
        return status.Condition("Progressing") is { } progress
            ? progress is { Status: "True", Reason: not "NewReplicaSetAvailable" }
            : status.UpdatedReplicas < (deployment.Spec.Replicas ?? 1);
    }
}
