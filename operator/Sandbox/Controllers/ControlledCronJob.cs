using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>The fields of a CronJob that its controller reads. The template is kept unchanged.</summary>
[KubernetesEntity(Group = "batch", ApiVersion = "v1", Kind = "CronJob", PluralName = "cronjobs")]
public sealed record ControlledCronJob : IKubernetesEntity<ControlledCronJob>
{
    public static EntityKind EntityKind { get; } = new("batch", "v1", "CronJob", "cronjobs");

    public static JsonTypeInfo<ControlledCronJob> JsonTypeInfo => ControllersJson.Default.ControlledCronJob;

    public string ApiVersion
    {
        get;
        init => field = value ?? "batch/v1";
    } = "batch/v1";

    public string Kind
    {
        get;
        init => field = value ?? "CronJob";
    } = "CronJob";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public ControlledCronJobSpec Spec
    {
        get;
        init => field = value ?? new();
    } = new();

    public ControlledCronJobStatus Status
    {
        get;
        init => field = value ?? new();
    } = new();
}

public sealed record ControlledCronJobSpec
{
    public string Schedule
    {
        get;
        init => field = value ?? "";
    } = "";

    public string? TimeZone { get; init; }

    public bool? Suspend { get; init; }

    /// <summary><c>Allow</c>, <c>Forbid</c> or <c>Replace</c>.</summary>
    public string? ConcurrencyPolicy { get; init; }

    public long? StartingDeadlineSeconds { get; init; }

    public int? SuccessfulJobsHistoryLimit { get; init; }

    public int? FailedJobsHistoryLimit { get; init; }

    public JsonElement JobTemplate { get; init; }
}

public sealed record ControlledCronJobStatus
{
    public IReadOnlyList<V1ObjectReference>? Active { get; init; }

    public DateTimeOffset? LastScheduleTime { get; init; }

    public DateTimeOffset? LastSuccessfulTime { get; init; }

    // Statuses are equal if their JSON is equal.
    internal string Text() => JsonSerializer.Serialize(this, ControllersJson.Default.ControlledCronJobStatus);
}
