using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Kubernetes.Objects;

[KubernetesEntity(Group = "", ApiVersion = "v1", Kind = "Node", PluralName = "nodes")]
[EntityScope(EntityScope.Cluster)]
public sealed record V1Node : IKubernetesEntity<V1Node>
{
    public static EntityKind EntityKind { get; } = new("", "v1", "Node", "nodes", Namespaced: false);

    public static JsonTypeInfo<V1Node> JsonTypeInfo => KubeJson.TypeInfo<V1Node>();

    public string ApiVersion => "v1";

    public string Kind => "Node";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1NodeStatus Status
    {
        get;
        init => field = value ?? V1NodeStatus.Empty;
    } = V1NodeStatus.Empty;
}

public sealed record V1NodeStatus
{
    public static readonly V1NodeStatus Empty = new();

    [JsonConverter(typeof(StringMapConverter))]
    public IReadOnlyDictionary<string, string> Capacity
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    [JsonConverter(typeof(StringMapConverter))]
    public IReadOnlyDictionary<string, string> Allocatable
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    public IReadOnlyList<V1NodeCondition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];

    public V1NodeCondition? Condition(string type)
    {
        foreach (V1NodeCondition condition in Conditions)
            if (string.Equals(condition.Type, type, StringComparison.Ordinal))
                return condition;
        return null;
    }
}

public sealed record V1NodeCondition
{
    public static readonly V1NodeCondition Empty = new();

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

    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? LastHeartbeatTime { get; init; }

    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? LastTransitionTime { get; init; }
}
