using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>A ReplicaSet.</summary>
[KubernetesEntity(Group = "apps", ApiVersion = "v1", Kind = "ReplicaSet", PluralName = "replicasets")]
public sealed record V1ReplicaSet : IKubernetesEntity<V1ReplicaSet>
{
    public static EntityKind EntityKind { get; } = new("apps", "v1", "ReplicaSet", "replicasets");

    public static JsonTypeInfo<V1ReplicaSet> JsonTypeInfo => KubeJson.Of<V1ReplicaSet>();

    public string ApiVersion => "apps/v1";

    public string Kind => "ReplicaSet";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1ReplicaSetSpec Spec
    {
        get;
        init => field = value ?? V1ReplicaSetSpec.Empty;
    } = V1ReplicaSetSpec.Empty;

    public V1ReplicaSetStatus Status
    {
        get;
        init => field = value ?? V1ReplicaSetStatus.Empty;
    } = V1ReplicaSetStatus.Empty;
}

public sealed record V1ReplicaSetSpec
{
    public static readonly V1ReplicaSetSpec Empty = new();

    public int? Replicas { get; init; }

    public V1LabelSelector? Selector { get; init; }

    public V1PodTemplateSpec Template
    {
        get;
        init => field = value ?? V1PodTemplateSpec.Empty;
    } = V1PodTemplateSpec.Empty;
}

public sealed record V1ReplicaSetStatus
{
    public static readonly V1ReplicaSetStatus Empty = new();

    public int Replicas { get; init; }

    public int ReadyReplicas { get; init; }

    public int AvailableReplicas { get; init; }

    public long ObservedGeneration { get; init; }
}
