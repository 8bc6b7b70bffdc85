using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>KubeRay's RayCluster.</summary>
[KubernetesEntity(Group = "ray.io", ApiVersion = "v1", Kind = "RayCluster", PluralName = "rayclusters")]
public sealed record V1RayCluster : IKubernetesEntity<V1RayCluster>
{
    public static EntityKind EntityKind { get; } = new("ray.io", "v1", "RayCluster", "rayclusters");

    public static JsonTypeInfo<V1RayCluster> JsonTypeInfo => KubeJson.TypeInfo<V1RayCluster>();

    public string ApiVersion => "ray.io/v1";

    public string Kind => "RayCluster";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;
}

public sealed record V1RayClusterSpec
{
    public static readonly V1RayClusterSpec Empty = new();

    /// <summary>If true, Ray's autoscaler changes the replicas of the worker groups within their bounds.</summary>
    public bool? EnableInTreeAutoscaling { get; init; }

    public V1RayHeadGroup HeadGroupSpec
    {
        get;
        init => field = value ?? V1RayHeadGroup.Empty;
    } = V1RayHeadGroup.Empty;

    public IReadOnlyList<V1RayWorkerGroup> WorkerGroupSpecs
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record V1RayHeadGroup
{
    public static readonly V1RayHeadGroup Empty = new();

    public V1PodTemplateSpec Template
    {
        get;
        init => field = value ?? V1PodTemplateSpec.Empty;
    } = V1PodTemplateSpec.Empty;
}

public sealed record V1RayWorkerGroup
{
    public static readonly V1RayWorkerGroup Empty = new();

    public int? Replicas { get; init; }

    public int? MinReplicas { get; init; }

    public int? MaxReplicas { get; init; }

    /// <summary>The number of pods per replica.</summary>
    public int? NumOfHosts { get; init; }

    public bool? Suspend { get; init; }

    public V1PodTemplateSpec Template
    {
        get;
        init => field = value ?? V1PodTemplateSpec.Empty;
    } = V1PodTemplateSpec.Empty;
}
