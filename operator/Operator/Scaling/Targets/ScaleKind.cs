using Bursar.Kube.Informers;
using Bursar.Kube.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Scaling.Targets;

/// <summary>
/// The adapter of one kind that scales: where its numbers stand, how its controller tells of a rollout, and which pods are its replicas. It
/// reads caches by their indexes and holds no state.
/// </summary>
public abstract class ScaleKind(EntityKind entity)
{
    public EntityKind Entity { get; } = entity;

    public string Name => Entity.Kind;

    public abstract bool IsServed(ClusterStores stores);

    /// <summary>Null when there is no such object.</summary>
    public abstract ScaleTarget? Find(string ns, string name, ClusterStores stores);

    protected ScaleTarget Target(V1ObjectMeta metadata, int replicas) => new()
    {
        Entity = Entity,
        Namespace = metadata.Namespace ?? "",
        Name = metadata.Name,
        Uid = metadata.Uid,
        Generation = metadata.Generation,
        Replicas = replicas,
    };

    /// <summary>A replica a pod.</summary>
    protected static IReadOnlyList<TargetReplica> Each(IEnumerable<V1Pod> pods) =>
        [.. pods.Where(IsAlive).OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal).Select(pod => new TargetReplica(pod.Metadata.Uid, [pod]))];

    /// <summary>The pods of all ReplicaSets that an object owns.</summary>
    protected static IEnumerable<V1Pod> ThroughReplicaSets(string uid, ClusterStores stores) =>
        stores.ReplicaSets.Store.ByIndex(Indexes.OwnerUid, uid).SelectMany(set => stores.Pods.Store.ByIndex(Indexes.OwnerUid, set.Metadata.Uid));

    protected static bool IsAlive(V1Pod pod) => pod.Status.Phase is not ("Succeeded" or "Failed");
}

/// <summary>apps/v1 Deployment.</summary>
internal sealed class DeploymentScale() : ScaleKind(V1Deployment.EntityKind)
{
    public override bool IsServed(ClusterStores stores) => true;

    public override ScaleTarget? Find(string ns, string name, ClusterStores stores)
    {
        if (stores.StoreOf<V1Deployment>().Get(ns, name) is not { } deployment) return null;
        var work = stores.Of(Name)!.Get(ns, name);
        return Target(deployment.Metadata, deployment.Spec.Replicas ?? 1) with
        {
            StatusReplicas = deployment.Status.Replicas,
            IsRollingOut = IsRolling(deployment),
            IsPaused = deployment.Spec.Paused == true,
            Work = work,
            PodSets = work?.PodSets ?? [],
            ReplicaPods = Each(ThroughReplicaSets(deployment.Metadata.Uid, stores)),
        };
    }

    /// <summary>
    /// Its controller (pkg/controller/deployment/progress.go) keeps the reason NewReplicaSetAvailable while it merely scales and gives another
    /// one from the first pod of a new template to the last. Where progress is not told, the counts speak.
    /// </summary>
    public static bool IsRolling(V1Deployment deployment)
    {
        var status = deployment.Status;
        if (status.ObservedGeneration < deployment.Metadata.Generation || status.Replicas > status.UpdatedReplicas) return true;
        return status.Condition("Progressing") is { } progress
            ? progress is { Status: "True", Reason: not "NewReplicaSetAvailable" }
            : status.UpdatedReplicas < (deployment.Spec.Replicas ?? 1);
    }
}

/// <summary>apps/v1 StatefulSet.</summary>
internal sealed class StatefulSetScale() : ScaleKind(V1StatefulSet.EntityKind)
{
    public override bool IsServed(ClusterStores stores) => true;

    public override ScaleTarget? Find(string ns, string name, ClusterStores stores)
    {
        if (stores.StoreOf<V1StatefulSet>().Get(ns, name) is not { } set) return null;
        var work = stores.Of(Name)!.Get(ns, name);
        return Target(set.Metadata, set.Spec.Replicas ?? 1) with
        {
            StatusReplicas = set.Status.Replicas,
            IsRollingOut = IsRolling(set),
            Work = work,
            PodSets = work?.PodSets ?? [],
            ReplicaPods = Each(stores.Pods.Store.ByIndex(Indexes.OwnerUid, set.Metadata.Uid)),
        };
    }

    /// <summary>
    /// Between two revisions, unless its owner wants it to stay there: pods that are replaced only when they are deleted, or kept back by a
    /// partition, are no rollout that ends.
    /// </summary>
    private static bool IsRolling(V1StatefulSet set)
    {
        var status = set.Status;
        if (status.ObservedGeneration < set.Metadata.Generation) return true;
        if (set.Spec.UpdateStrategy.Type == V1StatefulSetUpdateStrategy.OnDelete || status.UpdateRevision is null || status.CurrentRevision == status.UpdateRevision) return false;
        return set.Spec.UpdateStrategy.RollingUpdate.Partition is not { } partition || partition == 0 || status.UpdatedReplicas < Math.Min(status.Replicas, set.Spec.Replicas ?? 1) - partition;
    }
}

/// <summary>LeaderWorkerSet: a replica is a group, and its selector would name the leaders alone.</summary>
internal sealed class LeaderWorkerSetScale() : ScaleKind(V1LeaderWorkerSet.EntityKind)
{
    public override bool IsServed(ClusterStores stores) => stores.Of(Name)!.IsServed;

    public override ScaleTarget? Find(string ns, string name, ClusterStores stores)
    {
        if (stores.StoreOf<V1LeaderWorkerSet>().Get(ns, name) is not { } set) return null;
        var work = stores.Of(Name)!.Get(ns, name);
        return Target(set.Metadata, set.Spec.Replicas ?? 1) with
        {
            StatusReplicas = set.Status.Replicas,
            IsRollingOut = set.Status.ObservedGeneration is > 0 and var seen && seen < set.Metadata.Generation
                || set.Status.Conditions.Any(condition => condition is { Type: "UpdateInProgress", Status: "True" }),
            Work = work,
            PodSets = work?.PodSets ?? [],
            ReplicaPods = Groups(set.Metadata.Uid, stores),
        };
    }

    /// <summary>Its leaders are a StatefulSet's pods; each leader owns the StatefulSet of its workers.</summary>
    private static List<TargetReplica> Groups(string uid, ClusterStores stores)
    {
        var sets = stores.StoreOf<V1StatefulSet>();
        var groups = new List<TargetReplica>();
        foreach (var leaders in sets.ByIndex(Indexes.OwnerUid, uid))
            foreach (var leader in stores.Pods.Store.ByIndex(Indexes.OwnerUid, leaders.Metadata.Uid).Where(IsAlive).OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal))
            {
                var pods = new List<V1Pod> { leader };
                foreach (var workers in sets.ByIndex(Indexes.OwnerUid, leader.Metadata.Uid))
                    pods.AddRange(stores.Pods.Store.ByIndex(Indexes.OwnerUid, workers.Metadata.Uid).Where(IsAlive).OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal));
                groups.Add(new(leader.Metadata.Uid, pods));
            }
        return groups;
    }
}

/// <summary>Argo's Rollout. It goes from one template's hash to another's; a canary's pause is part of that.</summary>
internal sealed class RolloutScale() : ScaleKind(V1Alpha1Rollout.EntityKind)
{
    public override bool IsServed(ClusterStores stores) => stores.Rollouts.IsServed;

    public override ScaleTarget? Find(string ns, string name, ClusterStores stores)
    {
        if (stores.Rollouts.Store.Get(ns, name) is not { } rollout) return null;
        var (replicas, status) = (rollout.Spec.Replicas ?? 1, rollout.Status);
        return Target(rollout.Metadata, replicas) with
        {
            StatusReplicas = status.Replicas,
            // Versions before 1.0 tell a hash there: it says nothing here.
            IsRollingOut = long.TryParse(status.ObservedGeneration, out var seen) && seen < rollout.Metadata.Generation
                || status is { CurrentPodHash: { Length: > 0 } hash, StableRS: { Length: > 0 } stable } && hash != stable,
            IsPaused = rollout.Spec.Paused == true || status.Phase == "Paused",
            PodSets = rollout.Spec.Template == V1PodTemplateSpec.Empty ? [] : [new(replicas, rollout.Spec.Template)],
            ReplicaPods = Each(ThroughReplicaSets(rollout.Metadata.Uid, stores)),
        };
    }
}

/// <summary>
/// Dynamo's DynamoGraphDeploymentScalingAdapter: a service's number, and the selector of its pods. What lies between (a graph, components, pod
/// cliques or Deployments) differs from version to version, so the pods are found by their labels.
/// </summary>
internal sealed class DynamoScale() : ScaleKind(V1Alpha1DynamoScalingAdapter.EntityKind)
{
    public override bool IsServed(ClusterStores stores) => stores.DynamoAdapters.IsServed;

    public override ScaleTarget? Find(string ns, string name, ClusterStores stores) => stores.DynamoAdapters.Store.Get(ns, name) is not { } adapter ? null
        : Target(adapter.Metadata, adapter.Spec.Replicas) with
        {
            StatusReplicas = adapter.Status.Replicas,
            ReplicaPods = adapter.Status.Selector is { Length: > 0 } query && V1LabelSelector.FromQuery(query) is { } selector
                ? Each(Candidates(ns, selector, stores).Where(pod => selector.Matches(pod.Metadata.Labels)))
                : [],
        };

    /// <summary>By one of Dynamo's own labels where the selector has one: others are in no index.</summary>
    private static IReadOnlyList<V1Pod> Candidates(string ns, V1LabelSelector selector, ClusterStores stores)
    {
        IReadOnlyList<V1Pod>? fewest = null;
        foreach (var one in selector.MatchExpressions)
        {
            if (one is not { Operator: "In", Values: [var value] } || !ScaleIndexes.IsDynamo(one.Key)) continue;
            var found = stores.Pods.Store.ByIndex(ScaleIndexes.Dynamo, ScaleIndexes.LabelKey(ns, one.Key, value));
            if (fewest is null || found.Count < fewest.Count) fewest = found;
        }
        return fewest ?? stores.Pods.Store.ByIndex(Indexes.Namespace, ns);
    }
}

/// <summary>
/// KServe's InferenceService: it has no scale subresource, and scales by its predictor's bounds and the annotation that stops it. With
/// KServe's own autoscaler between different bounds, what its Deployment has is what it has.
/// </summary>
internal sealed class InferenceServiceScale() : ScaleKind(V1Beta1InferenceService.EntityKind)
{
    private const string ComponentLabel = "component";
    private const string Predictor = "predictor";

    public override bool IsServed(ClusterStores stores) => stores.Of(Name)!.IsServed;

    public override ScaleTarget? Find(string ns, string name, ClusterStores stores)
    {
        if (stores.StoreOf<V1Beta1InferenceService>().Get(ns, name) is not { } service) return null;
        var work = stores.Of(Name)!.Get(ns, name)!;
        var deployments = Deployments(service, stores);
        var pods = Each(stores.Pods.Store.ByIndex(ScaleIndexes.Service, ScaleIndexes.Key(ns, name)).Where(pod => IsPredictor(pod.Metadata)));
        return Target(service.Metadata, ReplicasOf(service, work.IsStopped, deployments, pods)) with
        {
            StatusReplicas = deployments.Count > 0 ? deployments.Sum(deployment => deployment.Status.Replicas) : pods.Count,
            IsRollingOut = service.Status.ObservedGeneration is > 0 and var seen && seen < service.Metadata.Generation || deployments.Any(DeploymentScale.IsRolling),
            Work = work,
            PodSets = work.PodSets,
            ReplicaPods = pods,
            Served = new(Text(service.Spec.Predictor.MinReplicas), Text(service.Spec.Predictor.MaxReplicas), work.Switch),
        };
    }

    private static int ReplicasOf(V1Beta1InferenceService service, bool isStopped, IReadOnlyList<V1Deployment> deployments, IReadOnlyList<TargetReplica> pods)
    {
        var (min, max) = (service.Spec.Predictor.MinReplicas, service.Spec.Predictor.MaxReplicas);
        if (isStopped) return 0;
        if (min is > 0 && min == max) return min.Value;
        if (deployments.Count > 0) return deployments.Sum(deployment => deployment.Spec.Replicas ?? 1);
        // Under Knative the Deployments are a revision's.
        var living = pods.Count(replica => replica.Pods[0].Metadata.DeletionTimestamp is null);
        return living > 0 ? living : Math.Max(1, min ?? 1);
    }

    /// <summary>Of the predictor alone: a transformer or an explainer scales by bounds of its own.</summary>
    private static List<V1Deployment> Deployments(V1Beta1InferenceService service, ClusterStores stores) =>
        [.. stores.StoreOf<V1Deployment>().ByIndex(Indexes.OwnerUid, service.Metadata.Uid).Where(deployment => IsPredictor(deployment.Metadata))];

    private static bool IsPredictor(V1ObjectMeta metadata) => !metadata.Labels.TryGetValue(ComponentLabel, out var component) || component == Predictor;

    private static string Text(int? value) => value?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? Work.Absent;
}
