using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>The scale subresource of a kind.</summary>
[KubernetesEntity(Group = "autoscaling", ApiVersion = "v1", Kind = "Scale", PluralName = "scales")]
public sealed record V1Scale : IKubernetesEntity<V1Scale>
{
    public static EntityKind EntityKind { get; } = new("autoscaling", "v1", "Scale", "scales");

    public static JsonTypeInfo<V1Scale> JsonTypeInfo => KubeJson.Of<V1Scale>();

    public string ApiVersion => "autoscaling/v1";

    public string Kind => "Scale";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1ScaleSpec Spec
    {
        get;
        init => field = value ?? V1ScaleSpec.Empty;
    } = V1ScaleSpec.Empty;

    public V1ScaleStatus Status
    {
        get;
        init => field = value ?? V1ScaleStatus.Empty;
    } = V1ScaleStatus.Empty;
}

public sealed record V1ScaleSpec
{
    public static readonly V1ScaleSpec Empty = new();

    public int Replicas { get; init; }
}

public sealed record V1ScaleStatus
{
    public static readonly V1ScaleStatus Empty = new();

    public int Replicas { get; init; }

    public string? Selector { get; init; }
}
