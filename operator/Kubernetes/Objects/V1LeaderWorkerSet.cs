using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>A LeaderWorkerSet. Each replica is a group of a leader and its workers.</summary>
[KubernetesEntity(Group = "leaderworkerset.x-k8s.io", ApiVersion = "v1", Kind = "LeaderWorkerSet", PluralName = "leaderworkersets")]
public sealed record V1LeaderWorkerSet : IKubernetesEntity<V1LeaderWorkerSet>
{
    public static EntityKind EntityKind { get; } = new("leaderworkerset.x-k8s.io", "v1", "LeaderWorkerSet", "leaderworkersets");

    public static JsonTypeInfo<V1LeaderWorkerSet> JsonTypeInfo => KubeJson.TypeInfo<V1LeaderWorkerSet>();

    public string ApiVersion => "leaderworkerset.x-k8s.io/v1";

    public string Kind => "LeaderWorkerSet";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1LeaderWorkerSetSpec Spec
    {
        get;
        init => field = value ?? V1LeaderWorkerSetSpec.Empty;
    } = V1LeaderWorkerSetSpec.Empty;

    public V1LeaderWorkerSetStatus Status
    {
        get;
        init => field = value ?? V1LeaderWorkerSetStatus.Empty;
    } = V1LeaderWorkerSetStatus.Empty;
}

public sealed record V1LeaderWorkerSetSpec
{
    public static readonly V1LeaderWorkerSetSpec Empty = new();

    /// <summary>The number of groups.</summary>
    public int? Replicas { get; init; }

    public V1LeaderWorkerTemplate LeaderWorkerTemplate
    {
        get;
        init => field = value ?? V1LeaderWorkerTemplate.Empty;
    } = V1LeaderWorkerTemplate.Empty;
}

public sealed record V1LeaderWorkerTemplate
{
    public static readonly V1LeaderWorkerTemplate Empty = new();

    /// <summary>The template of the leader; null if it has that of the workers.</summary>
    public V1PodTemplateSpec? LeaderTemplate { get; init; }

    public V1PodTemplateSpec WorkerTemplate
    {
        get;
        init => field = value ?? V1PodTemplateSpec.Empty;
    } = V1PodTemplateSpec.Empty;

    /// <summary>The number of pods in a group, including the leader.</summary>
    public int? Size { get; init; }

    /// <summary>Applies to the StatefulSets of leaders and of workers.</summary>
    public V1PersistentVolumeClaimRetentionPolicy? PersistentVolumeClaimRetentionPolicy { get; init; }

    public IReadOnlyList<V1VolumeClaimTemplate> VolumeClaimTemplates
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record V1LeaderWorkerSetStatus
{
    public static readonly V1LeaderWorkerSetStatus Empty = new();

    /// <summary>The number of groups.</summary>
    public int Replicas { get; init; }

    public long ObservedGeneration { get; init; }

    public IReadOnlyList<V1Condition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];
}
