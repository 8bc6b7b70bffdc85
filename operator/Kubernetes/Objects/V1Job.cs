using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

[KubernetesEntity(Group = "batch", ApiVersion = "v1", Kind = "Job", PluralName = "jobs")]
public sealed record V1Job : IKubernetesEntity<V1Job>
{
    public static EntityKind EntityKind { get; } = new("batch", "v1", "Job", "jobs");

    public static JsonTypeInfo<V1Job> JsonTypeInfo => KubeJson.TypeInfo<V1Job>();

    public string ApiVersion => "batch/v1";

    public string Kind => "Job";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1JobSpec Spec
    {
        get;
        init => field = value ?? V1JobSpec.Empty;
    } = V1JobSpec.Empty;

    public V1JobStatus Status
    {
        get;
        init => field = value ?? V1JobStatus.Empty;
    } = V1JobStatus.Empty;
}

public sealed record V1JobSpec
{
    public static readonly V1JobSpec Empty = new();

    public bool? Suspend { get; init; }

    public int? Parallelism { get; init; }

    public int? Completions { get; init; }

    public string? CompletionMode { get; init; }

    public long? ActiveDeadlineSeconds { get; init; }

    public string? ManagedBy { get; init; }

    public V1PodTemplateSpec Template
    {
        get;
        init => field = value ?? V1PodTemplateSpec.Empty;
    } = V1PodTemplateSpec.Empty;

    public V1JobSuccessPolicy? SuccessPolicy { get; init; }

    /// <summary>The policy as JSON, because its rules may fail a Job that is suspended.</summary>
    public System.Text.Json.JsonElement? PodFailurePolicy { get; init; }
}

/// <summary>Rules for an Indexed Job, which succeeds as soon as one of them is met.</summary>
public sealed record V1JobSuccessPolicy
{
    public IReadOnlyList<V1JobSuccessPolicyRule> Rules
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record V1JobSuccessPolicyRule
{
    /// <summary>Indexes such as <c>0,2-4</c>; null for any.</summary>
    public string? SucceededIndexes { get; init; }

    /// <summary>The number of indexes that must succeed; null for all of them.</summary>
    public int? SucceededCount { get; init; }
}

public sealed record V1JobStatus
{
    public static readonly V1JobStatus Empty = new();

    public int? Active { get; init; }

    public int? Terminating { get; init; }

    public int? Succeeded { get; init; }

    public int? Failed { get; init; }

    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? StartTime { get; init; }

    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? CompletionTime { get; init; }

    public IReadOnlyList<V1Condition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];

    public string? CompletedIndexes { get; init; }

    public string? FailedIndexes { get; init; }

    public V1Condition? Condition(string type)
    {
        foreach (V1Condition condition in Conditions)
            if (string.Equals(condition.Type, type, StringComparison.Ordinal))
                return condition;
        return null;
    }
}
