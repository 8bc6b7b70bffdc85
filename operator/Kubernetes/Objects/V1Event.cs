using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>An Event of events.k8s.io/v1. Only its series may change after it was created.</summary>
[KubernetesEntity(Group = "events.k8s.io", ApiVersion = "v1", Kind = "Event", PluralName = "events")]
public sealed record V1Event : IKubernetesEntity<V1Event>
{
    public static EntityKind EntityKind { get; } = new("events.k8s.io", "v1", "Event", "events");

    public static JsonTypeInfo<V1Event> JsonTypeInfo => KubeJson.TypeInfo<V1Event>();

    public string ApiVersion => "events.k8s.io/v1";

    public string Kind => "Event";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    [JsonConverter(typeof(MicroTimeConverter))]
    public DateTimeOffset? EventTime { get; init; }

    public V1EventSeries? Series { get; init; }

    public string? ReportingController { get; init; }

    public string? ReportingInstance { get; init; }

    public string? Action { get; init; }

    public string? Reason { get; init; }

    public V1ObjectReference? Regarding { get; init; }

    public V1ObjectReference? Related { get; init; }

    public string? Note { get; init; }

    /// <summary>Normal or Warning.</summary>
    public string? Type { get; init; }
}

public sealed record V1EventSeries
{
    public static readonly V1EventSeries Empty = new();

    public int Count { get; init; }
}
