using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>Argo's Rollout. It is rolling out while its pod hashes differ; a canary's pause is part of that.</summary>
internal sealed class RolloutKind : IScalableKind
{
    public EntityKind Entity => V1Alpha1Rollout.EntityKind;

    public string Name => Entity.Kind;

    public bool IsServed(ClusterStores stores) => stores.Rollouts.IsServed;

    public ScaleTarget? Find(string ns, string name, ClusterStores stores)
    {
        if (stores.Rollouts.Store.Get(ns, name) is not { } rollout)
            return null;
        var (replicas, status) = (rollout.Spec.Replicas ?? 1, rollout.Status);
        return ScaleTarget.From(Entity, rollout.Metadata, replicas) with
        {
            StatusReplicas = status.Replicas,
            // Versions before 1.0 store a hash here, which is ignored.
            IsRollingOut =
                long.TryParse(status.ObservedGeneration, out var seen) && seen < rollout.Metadata.Generation
                || status is { CurrentPodHash: { Length: > 0 } hash, StableRS: { Length: > 0 } stable } && hash != stable,
            IsPaused = rollout.Spec.Paused == true || status.Phase == "Paused",
            PodSets = rollout.Spec.Template == V1PodTemplateSpec.Empty ? [] : [new(replicas, rollout.Spec.Template)],
            ReplicaPods = TargetReplica.Each(TargetReplica.ThroughReplicaSets(rollout.Metadata.Uid, stores)),
        };
    }
}
