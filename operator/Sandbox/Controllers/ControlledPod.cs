using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>The fields of a pod that its controllers read.</summary>
[KubernetesEntity(Group = "", ApiVersion = "v1", Kind = "Pod", PluralName = "pods")]
public sealed record ControlledPod : IKubernetesEntity<ControlledPod>
{
    public static EntityKind EntityKind { get; } = new("", "v1", "Pod", "pods");

    public static JsonTypeInfo<ControlledPod> JsonTypeInfo => ControllersJson.Default.ControlledPod;

    public string ApiVersion
    {
        get;
        init => field = value ?? "v1";
    } = "v1";

    public string Kind
    {
        get;
        init => field = value ?? "Pod";
    } = "Pod";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public ControlledPodSpec Spec
    {
        get;
        init => field = value ?? new();
    } = new();

    public ControlledPodStatus Status
    {
        get;
        init => field = value ?? new();
    } = new();

    internal bool IsTerminating => Metadata.DeletionTimestamp is not null;

    internal bool HasSucceeded => Status.Phase == "Succeeded";

    internal bool HasFailed => Status.Phase == "Failed";

    internal bool IsFinished => HasSucceeded || HasFailed;

    /// <summary>Neither finished nor terminating.</summary>
    internal bool IsActive => !IsFinished && !IsTerminating;

    internal bool IsReady => !IsFinished && Condition("Ready") is { Status: "True" };

    internal ControlledPodCondition? Condition(string type) => Status.Conditions.FirstOrDefault(condition => condition.Type == type);

    /// <summary>When the last container ended; null if unknown.</summary>
    internal DateTimeOffset? FinishedAt => Status.ContainerStatuses.Max(static container => container.State?.Terminated?.FinishedAt);
}

public sealed record ControlledPodSpec
{
    public string? NodeName { get; init; }

    public string? RestartPolicy { get; init; }
}

public sealed record ControlledPodStatus
{
    public string? Phase { get; init; }

    public IReadOnlyList<ControlledPodCondition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];

    public IReadOnlyList<ControlledContainerStatus> ContainerStatuses
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record ControlledPodCondition
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

    public DateTimeOffset? LastTransitionTime { get; init; }
}

public sealed record ControlledContainerStatus
{
    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    public int RestartCount { get; init; }

    public ControlledContainerState? State { get; init; }
}

public sealed record ControlledContainerState
{
    public ControlledContainerEnd? Terminated { get; init; }
}

public sealed record ControlledContainerEnd
{
    public int ExitCode { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }
}
