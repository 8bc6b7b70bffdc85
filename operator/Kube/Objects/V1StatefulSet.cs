using System.Text.Json.Serialization.Metadata;
using Bursar.Kube.Attributes;

namespace Bursar.Kube.Objects;

/// <summary>A StatefulSet.</summary>
[KubernetesEntity(Group = "apps", ApiVersion = "v1", Kind = "StatefulSet", PluralName = "statefulsets")]
public sealed record V1StatefulSet : IKubernetesEntity<V1StatefulSet>
{
    public static EntityKind EntityKind { get; } = new("apps", "v1", "StatefulSet", "statefulsets");

    public static JsonTypeInfo<V1StatefulSet> JsonTypeInfo => KubeJson.Of<V1StatefulSet>();

    public string ApiVersion => "apps/v1";

    public string Kind => "StatefulSet";

    public V1ObjectMeta Metadata { get; init => field = value ?? V1ObjectMeta.Empty; } = V1ObjectMeta.Empty;

    public V1StatefulSetSpec Spec { get; init => field = value ?? V1StatefulSetSpec.Empty; } = V1StatefulSetSpec.Empty;

    public V1StatefulSetStatus Status { get; init => field = value ?? V1StatefulSetStatus.Empty; } = V1StatefulSetStatus.Empty;
}

public sealed record V1StatefulSetSpec
{
    public static readonly V1StatefulSetSpec Empty = new();

    public int? Replicas { get; init; }

    public V1LabelSelector? Selector { get; init; }

    public string? ServiceName { get; init; }

    public V1PersistentVolumeClaimRetentionPolicy? PersistentVolumeClaimRetentionPolicy { get; init; }

    public V1PodTemplateSpec Template { get; init => field = value ?? V1PodTemplateSpec.Empty; } = V1PodTemplateSpec.Empty;
}

public sealed record V1PersistentVolumeClaimRetentionPolicy
{
    public const string Delete = "Delete";

    /// <summary>Retain, which is the default, or Delete.</summary>
    public string? WhenScaled { get; init; }
}

public sealed record V1StatefulSetStatus
{
    public static readonly V1StatefulSetStatus Empty = new();

    public int Replicas { get; init; }

    public int ReadyReplicas { get; init; }

    public int AvailableReplicas { get; init; }

    public long ObservedGeneration { get; init; }
}
