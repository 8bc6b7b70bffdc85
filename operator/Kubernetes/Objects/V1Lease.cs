using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

[KubernetesEntity(Group = "coordination.k8s.io", ApiVersion = "v1", Kind = "Lease", PluralName = "leases")]
public sealed record V1Lease : IKubernetesEntity<V1Lease>
{
    public static EntityKind EntityKind { get; } = new("coordination.k8s.io", "v1", "Lease", "leases");

    public static JsonTypeInfo<V1Lease> JsonTypeInfo => KubeJson.TypeInfo<V1Lease>();

    public string ApiVersion => "coordination.k8s.io/v1";

    public string Kind => "Lease";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1LeaseSpec Spec
    {
        get;
        init => field = value ?? V1LeaseSpec.Empty;
    } = V1LeaseSpec.Empty;
}

public sealed record V1LeaseSpec
{
    public static readonly V1LeaseSpec Empty = new();

    public string? HolderIdentity { get; init; }

    public int? LeaseDurationSeconds { get; init; }

    [JsonConverter(typeof(MicroTimeConverter))]
    public DateTimeOffset? AcquireTime { get; init; }

    [JsonConverter(typeof(MicroTimeConverter))]
    public DateTimeOffset? RenewTime { get; init; }

    public int? LeaseTransitions { get; init; }
}
