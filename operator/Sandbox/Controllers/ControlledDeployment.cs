using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>The fields of a Deployment that its controller reads.</summary>
[KubernetesEntity(Group = "apps", ApiVersion = "v1", Kind = "Deployment", PluralName = "deployments")]
public sealed record ControlledDeployment : IKubernetesEntity<ControlledDeployment>
{
    public static EntityKind EntityKind { get; } = new("apps", "v1", "Deployment", "deployments");

    public static JsonTypeInfo<ControlledDeployment> JsonTypeInfo => ControllersJson.Default.ControlledDeployment;

    public string ApiVersion
    {
        get;
        init => field = value ?? "apps/v1";
    } = "apps/v1";

    public string Kind
    {
        get;
        init => field = value ?? "Deployment";
    } = "Deployment";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public ControlledDeploymentSpec Spec
    {
        get;
        init => field = value ?? new();
    } = new();

    public ControlledDeploymentStatus Status
    {
        get;
        init => field = value ?? new();
    } = new();
}

public sealed record ControlledDeploymentSpec
{
    public int? Replicas { get; init; }

    public int? MinReadySeconds { get; init; }

    public int? RevisionHistoryLimit { get; init; }

    public int? ProgressDeadlineSeconds { get; init; }

    public bool? Paused { get; init; }

    public DeploymentStrategy? Strategy { get; init; }

    public JsonElement Selector { get; init; }

    public JsonElement Template { get; init; }
}

public sealed record DeploymentStrategy
{
    /// <summary><c>RollingUpdate</c> (default) or <c>Recreate</c>.</summary>
    public string? Type { get; init; }

    public RollingUpdateSettings? RollingUpdate { get; init; }
}

public sealed record RollingUpdateSettings
{
    /// <summary>A number or a percentage, like <see cref="MaxUnavailable"/>.</summary>
    public JsonElement MaxSurge { get; init; }

    public JsonElement MaxUnavailable { get; init; }
}

public sealed record ControlledDeploymentStatus
{
    public long ObservedGeneration { get; init; }

    public int Replicas { get; init; }

    public int UpdatedReplicas { get; init; }

    public int ReadyReplicas { get; init; }

    public int AvailableReplicas { get; init; }

    public int UnavailableReplicas { get; init; }

    public IReadOnlyList<ControllerCondition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];
}
