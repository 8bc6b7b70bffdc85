using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

[KubernetesEntity(Group = "apps", ApiVersion = "v1", Kind = "StatefulSet", PluralName = "statefulsets")]
public sealed record V1StatefulSet : IKubernetesEntity<V1StatefulSet>
{
    public static EntityKind EntityKind { get; } = new("apps", "v1", "StatefulSet", "statefulsets");

    public static JsonTypeInfo<V1StatefulSet> JsonTypeInfo => KubeJson.TypeInfo<V1StatefulSet>();

    public string ApiVersion => "apps/v1";

    public string Kind => "StatefulSet";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1StatefulSetSpec Spec
    {
        get;
        init => field = value ?? V1StatefulSetSpec.Empty;
    } = V1StatefulSetSpec.Empty;

    public V1StatefulSetStatus Status
    {
        get;
        init => field = value ?? V1StatefulSetStatus.Empty;
    } = V1StatefulSetStatus.Empty;
}

public sealed record V1StatefulSetSpec
{
    public static readonly V1StatefulSetSpec Empty = new();

    public int? Replicas { get; init; }

    public V1PersistentVolumeClaimRetentionPolicy? PersistentVolumeClaimRetentionPolicy { get; init; }

    public IReadOnlyList<V1VolumeClaimTemplate> VolumeClaimTemplates
    {
        get;
        init => field = value ?? [];
    } = [];

    public V1StatefulSetUpdateStrategy UpdateStrategy
    {
        get;
        init => field = value ?? V1StatefulSetUpdateStrategy.Empty;
    } = V1StatefulSetUpdateStrategy.Empty;

    public V1PodTemplateSpec Template
    {
        get;
        init => field = value ?? V1PodTemplateSpec.Empty;
    } = V1PodTemplateSpec.Empty;
}

/// <summary>The template of volume claims that are created for each pod. Only its existence is read.</summary>
public sealed record V1VolumeClaimTemplate
{
    public string? Kind { get; init; }
}

public sealed record V1PersistentVolumeClaimRetentionPolicy
{
    public const string Delete = "Delete";

    /// <summary>Retain (the default) or Delete, when the StatefulSet is scaled down.</summary>
    public string? WhenScaled { get; init; }

    /// <summary>Retain (the default) or Delete, when the StatefulSet itself is deleted.</summary>
    public string? WhenDeleted { get; init; }
}

public sealed record V1StatefulSetUpdateStrategy
{
    public const string OnDelete = "OnDelete";

    public static readonly V1StatefulSetUpdateStrategy Empty = new();

    /// <summary>RollingUpdate (the default) or OnDelete.</summary>
    public string? Type { get; init; }

    public V1RollingUpdateStatefulSet RollingUpdate
    {
        get;
        init => field = value ?? V1RollingUpdateStatefulSet.Empty;
    } = V1RollingUpdateStatefulSet.Empty;
}

public sealed record V1RollingUpdateStatefulSet
{
    public static readonly V1RollingUpdateStatefulSet Empty = new();

    /// <summary>Pods with a lower ordinal keep the former template.</summary>
    public int? Partition { get; init; }
}

public sealed record V1StatefulSetStatus
{
    public static readonly V1StatefulSetStatus Empty = new();

    public int Replicas { get; init; }

    public int UpdatedReplicas { get; init; }

    public string? CurrentRevision { get; init; }

    public string? UpdateRevision { get; init; }

    public long ObservedGeneration { get; init; }
}
