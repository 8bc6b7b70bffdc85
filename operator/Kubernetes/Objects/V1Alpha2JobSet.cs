using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>A JobSet: groups of Jobs that run and stop together.</summary>
[KubernetesEntity(Group = "jobset.x-k8s.io", ApiVersion = "v1alpha2", Kind = "JobSet", PluralName = "jobsets")]
public sealed record V1Alpha2JobSet : IKubernetesEntity<V1Alpha2JobSet>
{
    public static EntityKind EntityKind { get; } = new("jobset.x-k8s.io", "v1alpha2", "JobSet", "jobsets");

    public static JsonTypeInfo<V1Alpha2JobSet> JsonTypeInfo => KubeJson.TypeInfo<V1Alpha2JobSet>();

    public string ApiVersion => "jobset.x-k8s.io/v1alpha2";

    public string Kind => "JobSet";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1Alpha2JobSetSpec Spec
    {
        get;
        init => field = value ?? V1Alpha2JobSetSpec.Empty;
    } = V1Alpha2JobSetSpec.Empty;

    public V1Alpha2JobSetStatus Status
    {
        get;
        init => field = value ?? V1Alpha2JobSetStatus.Empty;
    } = V1Alpha2JobSetStatus.Empty;
}

public sealed record V1Alpha2JobSetSpec
{
    public static readonly V1Alpha2JobSetSpec Empty = new();

    public bool? Suspend { get; init; }

    public string? ManagedBy { get; init; }

    public long? ActiveDeadlineSeconds { get; init; }

    public IReadOnlyList<V1Alpha2ReplicatedJob> ReplicatedJobs
    {
        get;
        init => field = value ?? [];
    } = [];

    public V1Alpha2JobSetSuccessPolicy? SuccessPolicy { get; init; }

    public V1Alpha2JobSetFailurePolicy? FailurePolicy { get; init; }
}

public sealed record V1Alpha2ReplicatedJob
{
    public static readonly V1Alpha2ReplicatedJob Empty = new();

    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    public int? Replicas { get; init; }

    public IReadOnlyList<V1Alpha2DependsOn> DependsOn
    {
        get;
        init => field = value ?? [];
    } = [];

    public V1JobTemplateSpec Template
    {
        get;
        init => field = value ?? V1JobTemplateSpec.Empty;
    } = V1JobTemplateSpec.Empty;
}

/// <summary>A dependency on another replicated job, which must be Ready or Complete before this one starts.</summary>
public sealed record V1Alpha2DependsOn
{
    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Status
    {
        get;
        init => field = value ?? "";
    } = "";
}

public sealed record V1Alpha2JobSetSuccessPolicy
{
    /// <summary>All or Any.</summary>
    public string Operator
    {
        get;
        init => field = value ?? "";
    } = "";

    /// <summary>Empty for all replicated jobs.</summary>
    public IReadOnlyList<string> TargetReplicatedJobs
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record V1Alpha2JobSetFailurePolicy
{
    public int? MaxRestarts { get; init; }
}

public sealed record V1Alpha2JobSetStatus
{
    public static readonly V1Alpha2JobSetStatus Empty = new();

    /// <summary>Completed or Failed after the end of the JobSet.</summary>
    public string? TerminalState { get; init; }

    /// <summary>
    /// The time since which the JobSet is active. Null while it is suspended, or if JobSet's feature gate JobSetActiveDeadlineSeconds is
    /// off.
    /// </summary>
    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? StartTime { get; init; }

    public IReadOnlyList<V1Condition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];
}
