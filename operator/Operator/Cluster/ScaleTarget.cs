using Bursar.Core.Ledger;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>A scaler's target of any kind, from the caches.</summary>
internal sealed record ScaleTarget
{
    public required EntityKind Entity { get; init; }

    public required string Namespace { get; init; }

    public required string Name { get; init; }

    public required string Uid { get; init; }

    public long Generation { get; init; }

    /// <summary>The replicas in its spec, which are groups for a LeaderWorkerSet.</summary>
    public required int Replicas { get; init; }

    /// <summary>The replicas in its status; null if its controller has not reported any.</summary>
    public int? StatusReplicas { get; init; }

    /// <summary>Whether its pods are being replaced, or its controller has not observed its spec yet.</summary>
    public bool IsRollingOut { get; init; }

    /// <summary>Whether a user paused its rollout. Scaling still works.</summary>
    public bool IsPaused { get; init; }

    /// <summary>The workload, if Bursar can suspend its kind; otherwise null.</summary>
    public WorkloadObject? Work { get; init; }

    /// <summary>The pods of each replica; empty if the object does not define them.</summary>
    public IReadOnlyList<PodSet> PodSets { get; init; } = [];

    /// <summary>The autoscaler that sets its replicas; null if there is none. It is capped and the target is not written.</summary>
    public OtherAutoscaler? OtherAutoscaler { get; init; }

    /// <summary>Its live replicas, including terminating ones.</summary>
    public IReadOnlyList<TargetReplica> ReplicaPods { get; init; } = [];

    /// <summary>The fields that scale a kind without a scale subresource. Writes are tested against these values.</summary>
    internal ServedFields? Served { get; init; }

    public static ScaleTarget From(EntityKind entity, V1ObjectMeta metadata, int replicas) =>
        new()
        {
            Entity = entity,
            Namespace = metadata.Namespace ?? "",
            Name = metadata.Name,
            Uid = metadata.Uid,
            Generation = metadata.Generation,
            Replicas = replicas,
        };

    public string Display => $"{Entity.Kind} {Name}";

    /// <summary>The permission that scaling it needs, as text.</summary>
    public string Right => $"get and patch {Entity.Plural}.{Entity.Group}{(Served is null ? "/scale" : "")} in namespace {Namespace}";
}

/// <summary>A replica: a pod, or a group of pods with its leader first.</summary>
/// <param name="Key">The UID of the pod, or of the leader.</param>
internal sealed record TargetReplica(string Key, IReadOnlyList<V1Pod> Pods)
{
    internal static IReadOnlyList<TargetReplica> Each(IEnumerable<V1Pod> pods) =>
        [
            .. pods.Where(IsAlive)
                .OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal)
                .Select(pod => new TargetReplica(pod.Metadata.Uid, [pod])),
        ];

    internal static IEnumerable<V1Pod> ThroughReplicaSets(string uid, ClusterStores stores) =>
        stores
            .ReplicaSets.Store.ByIndex(Indexes.OwnerUid, uid)
            .SelectMany(set => stores.Pods.Store.ByIndex(Indexes.OwnerUid, set.Metadata.Uid));

    internal static bool IsAlive(V1Pod pod) => pod.Status.Phase is not ("Succeeded" or "Failed");
}

/// <summary>Another autoscaler whose scaleTargetRef names the target.</summary>
internal sealed record OtherAutoscaler
{
    /// <summary>The autoscaler, as the end of a sentence.</summary>
    public required string Manager { get; init; }

    public required EntityKind Entity { get; init; }

    public required string Name { get; init; }

    public required string Uid { get; init; }

    public int? Min { get; init; }

    /// <summary>The current maximum, capped or not; null if absent.</summary>
    public int? Max { get; init; }

    public bool IsPaused { get; init; }

    /// <summary>Why it cannot be capped; null if it can.</summary>
    public string? WhyNot { get; init; }

    public ObjectRef Target => new(Entity.ApiVersion, Entity.Kind, Name, Uid);
}

/// <summary>Fields of an InferenceService, as JSON; <c>null</c> if absent.</summary>
internal sealed record ServedFields(string Min, string Max, string Stop);
