using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>The fields of a Job that its controller reads. The template is kept unchanged.</summary>
[KubernetesEntity(Group = "batch", ApiVersion = "v1", Kind = "Job", PluralName = "jobs")]
public sealed record ControlledJob : IKubernetesEntity<ControlledJob>
{
    public static EntityKind EntityKind { get; } = new("batch", "v1", "Job", "jobs");

    public static JsonTypeInfo<ControlledJob> JsonTypeInfo => ControllersJson.Default.ControlledJob;

    public string ApiVersion
    {
        get;
        init => field = value ?? "batch/v1";
    } = "batch/v1";

    public string Kind
    {
        get;
        init => field = value ?? "Job";
    } = "Job";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public ControlledJobSpec Spec
    {
        get;
        init => field = value ?? new();
    } = new();

    public ControlledJobStatus Status
    {
        get;
        init => field = value ?? new();
    } = new();

    internal bool IsIndexed => Spec.CompletionMode == "Indexed";

    internal bool HasLimitPerIndex => IsIndexed && Spec.BackoffLimitPerIndex is not null;

    internal bool IsFinished => Status.Is("Complete") || Status.Is("Failed");
}

public sealed record ControlledJobSpec
{
    public int? Parallelism { get; init; }

    public int? Completions { get; init; }

    public string? CompletionMode { get; init; }

    public int? BackoffLimit { get; init; }

    /// <summary>Retries of each index; null if failures count against <see cref="BackoffLimit"/> only.</summary>
    public int? BackoffLimitPerIndex { get; init; }

    /// <summary>The Job fails at once if more indexes fail. Null lets the other indexes finish.</summary>
    public int? MaxFailedIndexes { get; init; }

    public SuccessPolicy? SuccessPolicy { get; init; }

    public long? ActiveDeadlineSeconds { get; init; }

    public long? TtlSecondsAfterFinished { get; init; }

    public bool? Suspend { get; init; }

    public string? ManagedBy { get; init; }

    public string? PodReplacementPolicy { get; init; }

    public PodFailurePolicy? PodFailurePolicy { get; init; }

    public JsonElement Template { get; init; }
}

/// <summary>An Indexed Job succeeds as soon as one rule is met.</summary>
public sealed record SuccessPolicy
{
    public IReadOnlyList<SuccessRule> Rules
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record SuccessRule
{
    /// <summary>Indexes such as <c>0,2-4</c>; null for any.</summary>
    public string? SucceededIndexes { get; init; }

    /// <summary>Null for all indexes.</summary>
    public int? SucceededCount { get; init; }
}

public sealed record PodFailurePolicy
{
    public IReadOnlyList<PodFailureRule> Rules
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record PodFailureRule
{
    /// <summary><c>FailJob</c>, <c>FailIndex</c>, <c>Ignore</c> or <c>Count</c>.</summary>
    public string Action
    {
        get;
        init => field = value ?? "";
    } = "";

    public ExitCodeRequirement? OnExitCodes { get; init; }

    public IReadOnlyList<PodConditionPattern> OnPodConditions
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record ExitCodeRequirement
{
    public string? ContainerName { get; init; }

    /// <summary><c>In</c> or <c>NotIn</c>.</summary>
    public string Operator
    {
        get;
        init => field = value ?? "";
    } = "";

    public IReadOnlyList<int> Values
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record PodConditionPattern
{
    public string Type
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Status
    {
        get;
        init => field = value ?? "True";
    } = "True";
}

public sealed record ControlledJobStatus
{
    public DateTimeOffset? StartTime { get; init; }

    public DateTimeOffset? CompletionTime { get; init; }

    public int Active { get; init; }

    public int Ready { get; init; }

    public int Terminating { get; init; }

    public int Succeeded { get; init; }

    public int Failed { get; init; }

    public string? CompletedIndexes { get; init; }

    /// <summary>Not null, but possibly empty, if the Job has a limit per index.</summary>
    public string? FailedIndexes { get; init; }

    public UncountedPods UncountedTerminatedPods
    {
        get;
        init => field = value ?? new();
    } = new();

    public IReadOnlyList<ControllerCondition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];

    internal bool Is(string condition) => Conditions.Any(c => c.Type == condition && c.Status == "True");

    // Statuses are equal if their JSON is equal.
    internal string Text() => JsonSerializer.Serialize(this, ControllersJson.Default.ControlledJobStatus);
}

/// <summary>Ended pods that still have their finalizer, or lost it but are not in the counters yet.</summary>
public sealed record UncountedPods
{
    public IReadOnlyList<string> Succeeded
    {
        get;
        init => field = value ?? [];
    } = [];

    public IReadOnlyList<string> Failed
    {
        get;
        init => field = value ?? [];
    } = [];

    [JsonIgnore]
    internal bool IsEmpty => Succeeded.Count == 0 && Failed.Count == 0;
}

public sealed record ControllerCondition
{
    public string Type
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Status
    {
        get;
        init => field = value ?? "";
    } = "";

    public DateTimeOffset? LastProbeTime { get; init; }

    public DateTimeOffset? LastUpdateTime { get; init; }

    public DateTimeOffset? LastTransitionTime { get; init; }

    public string? Reason { get; init; }

    public string? Message { get; init; }
}
