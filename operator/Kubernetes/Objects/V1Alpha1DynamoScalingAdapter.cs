using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>
/// Dynamo's scaling adapter for one service of a DynamoGraphDeployment. Autoscalers set the adapter's replicas and never write the
/// DynamoGraphDeployment.
/// </summary>
[KubernetesEntity(
    Group = "nvidia.com",
    ApiVersion = "v1alpha1",
    Kind = "DynamoGraphDeploymentScalingAdapter",
    PluralName = "dynamographdeploymentscalingadapters"
)]
public sealed record V1Alpha1DynamoScalingAdapter : IKubernetesEntity<V1Alpha1DynamoScalingAdapter>
{
    public static EntityKind EntityKind { get; } =
        new("nvidia.com", "v1alpha1", "DynamoGraphDeploymentScalingAdapter", "dynamographdeploymentscalingadapters");

    public static JsonTypeInfo<V1Alpha1DynamoScalingAdapter> JsonTypeInfo => KubeJson.TypeInfo<V1Alpha1DynamoScalingAdapter>();

    public string ApiVersion => "nvidia.com/v1alpha1";

    public string Kind => "DynamoGraphDeploymentScalingAdapter";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1Alpha1DynamoScalingAdapterSpec Spec
    {
        get;
        init => field = value ?? V1Alpha1DynamoScalingAdapterSpec.Empty;
    } = V1Alpha1DynamoScalingAdapterSpec.Empty;

    public V1Alpha1DynamoScalingAdapterStatus Status
    {
        get;
        init => field = value ?? V1Alpha1DynamoScalingAdapterStatus.Empty;
    } = V1Alpha1DynamoScalingAdapterStatus.Empty;
}

public sealed record V1Alpha1DynamoScalingAdapterSpec
{
    public static readonly V1Alpha1DynamoScalingAdapterSpec Empty = new();

    public int Replicas { get; init; }
}

public sealed record V1Alpha1DynamoScalingAdapterStatus
{
    public static readonly V1Alpha1DynamoScalingAdapterStatus Empty = new();

    public int Replicas { get; init; }

    /// <summary>The label selector of the service's pods, as a query: <c>app=decode,tier in (a,b)</c>.</summary>
    public string? Selector { get; init; }
}
