using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>KubeRay's RayJob, which runs on a RayCluster of its own.</summary>
[KubernetesEntity(Group = "ray.io", ApiVersion = "v1", Kind = "RayJob", PluralName = "rayjobs")]
public sealed record V1RayJob : IKubernetesEntity<V1RayJob>
{
    public static EntityKind EntityKind { get; } = new("ray.io", "v1", "RayJob", "rayjobs");

    public static JsonTypeInfo<V1RayJob> JsonTypeInfo => KubeJson.TypeInfo<V1RayJob>();

    public string ApiVersion => "ray.io/v1";

    public string Kind => "RayJob";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1RayJobSpec Spec
    {
        get;
        init => field = value ?? V1RayJobSpec.Empty;
    } = V1RayJobSpec.Empty;

    public V1RayJobStatus Status
    {
        get;
        init => field = value ?? V1RayJobStatus.Empty;
    } = V1RayJobStatus.Empty;
}

public sealed record V1RayJobSpec
{
    public static readonly V1RayJobSpec Empty = new();

    public bool? Suspend { get; init; }

    public bool? ShutdownAfterJobFinishes { get; init; }

    public int? TtlSecondsAfterFinished { get; init; }

    public IReadOnlyDictionary<string, string> ClusterSelector
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    public string? ManagedBy { get; init; }

    public long? ActiveDeadlineSeconds { get; init; }

    public V1RayClusterSpec RayClusterSpec
    {
        get;
        init => field = value ?? V1RayClusterSpec.Empty;
    } = V1RayClusterSpec.Empty;
}

public sealed record V1RayJobStatus
{
    public static readonly V1RayJobStatus Empty = new();

    /// <summary>The state of the RayJob: Initializing, Running, Suspended, Complete, Failed and more; empty for a new RayJob.</summary>
    public string JobDeploymentStatus
    {
        get;
        init => field = value ?? "";
    } = "";

    /// <summary>The state of the job submitted to Ray: SUCCEEDED, FAILED, STOPPED and more.</summary>
    public string JobStatus
    {
        get;
        init => field = value ?? "";
    } = "";

    [System.Text.Json.Serialization.JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? StartTime { get; init; }

    [System.Text.Json.Serialization.JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? EndTime { get; init; }
}
