using Bursar.Core.Ledger;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>What a scaler scales, of whatever kind, as the caches show it.</summary>
internal sealed record ScaleTarget
{
    public required EntityKind Entity { get; init; }

    public required string Namespace { get; init; }

    public required string Name { get; init; }

    public required string Uid { get; init; }

    public long Generation { get; init; }

    /// <summary>As its spec says; groups, of a kind that scales in groups.</summary>
    public required int Replicas { get; init; }

    /// <summary>As its controller says; null where it has not said.</summary>
    public int? StatusReplicas { get; init; }

    /// <summary>Its pods are being replaced by others, or its controller has not seen its spec yet.</summary>
    public bool IsRollingOut { get; init; }

    /// <summary>Its rollout is held by somebody. It scales all the same.</summary>
    public bool IsPaused { get; init; }

    /// <summary>Of kinds that Bursar suspends.</summary>
    public WorkloadObject? Work { get; init; }

    /// <summary>What each replica's pods are made from; empty where the object does not say.</summary>
    public IReadOnlyList<PodSet> PodSets { get; init; } = [];

    /// <summary>The autoscaler that owns its replicas: it is capped, and its target left alone. Null where none does.</summary>
    public OtherAutoscaler? OtherAutoscaler { get; init; }

    /// <summary>Those that live; one that ends has its deletionTimestamp.</summary>
    public IReadOnlyList<TargetReplica> ReplicaPods { get; init; } = [];

    /// <summary>The fields that scale it, of a kind without a scale subresource; a write is tested against what was seen here.</summary>
    internal ServedFields? Served { get; init; }

    public static ScaleTarget Of(EntityKind entity, V1ObjectMeta metadata, int replicas) =>
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

    /// <summary>The right that scaling it takes, in words.</summary>
    public string Right => $"get and patch {Entity.Plural}.{Entity.Group}{(Served is null ? "/scale" : "")} in namespace {Namespace}";
}

/// <summary>One replica: a pod, or a group of them with its leader first.</summary>
/// <param name="Key">The UID of the pod, or of the leader.</param>
internal sealed record TargetReplica(string Key, IReadOnlyList<V1Pod> Pods)
{
    /// <summary>A replica a pod.</summary>
    internal static IReadOnlyList<TargetReplica> Each(IEnumerable<V1Pod> pods) =>
        [
            .. pods.Where(IsAlive)
                .OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal)
                .Select(pod => new TargetReplica(pod.Metadata.Uid, [pod])),
        ];

    /// <summary>The pods of all ReplicaSets that an object owns.</summary>
    internal static IEnumerable<V1Pod> ThroughReplicaSets(string uid, ClusterStores stores) =>
        stores
            .ReplicaSets.Store.ByIndex(Indexes.OwnerUid, uid)
            .SelectMany(set => stores.Pods.Store.ByIndex(Indexes.OwnerUid, set.Metadata.Uid));

    internal static bool IsAlive(V1Pod pod) => pod.Status.Phase is not ("Succeeded" or "Failed");
}

/// <summary>Another autoscaler whose scaleTargetRef names the target.</summary>
internal sealed record OtherAutoscaler
{
    /// <summary>In words that end a sentence.</summary>
    public required string Manager { get; init; }

    public required EntityKind Entity { get; init; }

    public required string Name { get; init; }

    public required string Uid { get; init; }

    public int? Min { get; init; }

    /// <summary>As it stands, capped or not; null where it is absent.</summary>
    public int? Max { get; init; }

    public bool IsPaused { get; init; }

    /// <summary>Why it cannot be capped; null when it can.</summary>
    public string? WhyNot { get; init; }

    public ObjectRef Target => new(Entity.ApiVersion, Entity.Kind, Name, Uid);
}

/// <summary>Fields of an InferenceService, as JSON; <c>null</c> where absent.</summary>
internal sealed record ServedFields(string Min, string Max, string Stop);
