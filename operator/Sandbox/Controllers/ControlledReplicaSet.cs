using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>The fields of a ReplicaSet that its controller reads.</summary>
[KubernetesEntity(Group = "apps", ApiVersion = "v1", Kind = "ReplicaSet", PluralName = "replicasets")]
public sealed record ControlledReplicaSet : IKubernetesEntity<ControlledReplicaSet>
{
    public static EntityKind EntityKind { get; } = new("apps", "v1", "ReplicaSet", "replicasets");

    public static JsonTypeInfo<ControlledReplicaSet> JsonTypeInfo => ControllersJson.Default.ControlledReplicaSet;

    public string ApiVersion
    {
        get;
        init => field = value ?? "apps/v1";
    } = "apps/v1";

    public string Kind
    {
        get;
        init => field = value ?? "ReplicaSet";
    } = "ReplicaSet";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public ControlledReplicaSetSpec Spec
    {
        get;
        init => field = value ?? new();
    } = new();

    public ControlledReplicaSetStatus Status
    {
        get;
        init => field = value ?? new();
    } = new();
}

public sealed record ControlledReplicaSetSpec
{
    public int? Replicas { get; init; }

    public int? MinReadySeconds { get; init; }

    public JsonElement Selector { get; init; }

    public JsonElement Template { get; init; }
}

public sealed record ControlledReplicaSetStatus
{
    public int Replicas { get; init; }

    public int FullyLabeledReplicas { get; init; }

    public int ReadyReplicas { get; init; }

    public int AvailableReplicas { get; init; }

    public long ObservedGeneration { get; init; }
}
