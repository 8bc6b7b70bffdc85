using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>A HorizontalPodAutoscaler, with the object that it scales.</summary>
[KubernetesEntity(Group = "autoscaling", ApiVersion = "v2", Kind = "HorizontalPodAutoscaler", PluralName = "horizontalpodautoscalers")]
public sealed record V1HorizontalPodAutoscaler : IKubernetesEntity<V1HorizontalPodAutoscaler>
{
    public static EntityKind EntityKind { get; } = new("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers");

    public static JsonTypeInfo<V1HorizontalPodAutoscaler> JsonTypeInfo => KubeJson.TypeInfo<V1HorizontalPodAutoscaler>();

    public string ApiVersion => "autoscaling/v2";

    public string Kind => "HorizontalPodAutoscaler";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1HorizontalPodAutoscalerSpec Spec
    {
        get;
        init => field = value ?? V1HorizontalPodAutoscalerSpec.Empty;
    } = V1HorizontalPodAutoscalerSpec.Empty;

    public V1HorizontalPodAutoscalerStatus Status
    {
        get;
        init => field = value ?? V1HorizontalPodAutoscalerStatus.Empty;
    } = V1HorizontalPodAutoscalerStatus.Empty;
}

public sealed record V1HorizontalPodAutoscalerStatus
{
    public static readonly V1HorizontalPodAutoscalerStatus Empty = new();

    public IReadOnlyList<V1Condition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record V1HorizontalPodAutoscalerSpec
{
    public static readonly V1HorizontalPodAutoscalerSpec Empty = new();

    public V1CrossVersionObjectReference ScaleTargetRef
    {
        get;
        init => field = value ?? V1CrossVersionObjectReference.Empty;
    } = V1CrossVersionObjectReference.Empty;

    public int? MinReplicas { get; init; }

    public int MaxReplicas { get; init; }
}

public sealed record V1CrossVersionObjectReference
{
    public static readonly V1CrossVersionObjectReference Empty = new();

    /// <summary>
    /// Returns whether the reference names an object of a kind, in any version of the group. Without a kind it names a Deployment, as in
    /// KEDA. Without an apiVersion, only the kind is compared.
    /// </summary>
    public bool IsOf(EntityKind kind) =>
        ApiVersion is { Length: > 0 } version ? kind.Is(version, Kind ?? "Deployment") : (Kind ?? "Deployment") == kind.Kind;

    public string? ApiVersion { get; init; }

    public string? Kind { get; init; }

    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";
}
