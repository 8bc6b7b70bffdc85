using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>KEDA's ScaledObject, with the object that it scales.</summary>
[KubernetesEntity(Group = "keda.sh", ApiVersion = "v1alpha1", Kind = "ScaledObject", PluralName = "scaledobjects")]
public sealed record V1ScaledObject : IKubernetesEntity<V1ScaledObject>
{
    public static EntityKind EntityKind { get; } = new("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects");

    public static JsonTypeInfo<V1ScaledObject> JsonTypeInfo => KubeJson.TypeInfo<V1ScaledObject>();

    public string ApiVersion => "keda.sh/v1alpha1";

    public string Kind => "ScaledObject";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1ScaledObjectSpec Spec
    {
        get;
        init => field = value ?? V1ScaledObjectSpec.Empty;
    } = V1ScaledObjectSpec.Empty;
}

public sealed record V1ScaledObjectSpec
{
    public static readonly V1ScaledObjectSpec Empty = new();

    public V1CrossVersionObjectReference ScaleTargetRef
    {
        get;
        init => field = value ?? V1CrossVersionObjectReference.Empty;
    } = V1CrossVersionObjectReference.Empty;

    public int? MinReplicaCount { get; init; }

    public int? MaxReplicaCount { get; init; }
}
