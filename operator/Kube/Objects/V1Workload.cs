using System.Text.Json.Serialization.Metadata;
using Bursar.Kube.Attributes;

namespace Bursar.Kube.Objects;

/// <summary>Kueue's Workload: what it queues, and whether it may run.</summary>
[KubernetesEntity(Group = "kueue.x-k8s.io", ApiVersion = "v1beta2", Kind = "Workload", PluralName = "workloads")]
public sealed record V1Workload : IKubernetesEntity<V1Workload>
{
    public static EntityKind EntityKind { get; } = new("kueue.x-k8s.io", "v1beta2", "Workload", "workloads");

    public static JsonTypeInfo<V1Workload> JsonTypeInfo => KubeJson.Of<V1Workload>();

    public string ApiVersion => "kueue.x-k8s.io/v1beta2";

    public string Kind => "Workload";

    public V1ObjectMeta Metadata { get; init => field = value ?? V1ObjectMeta.Empty; } = V1ObjectMeta.Empty;

    public V1WorkloadSpec Spec { get; init => field = value ?? V1WorkloadSpec.Empty; } = V1WorkloadSpec.Empty;
}

public sealed record V1WorkloadSpec
{
    public static readonly V1WorkloadSpec Empty = new();

    /// <summary>Absent means active.</summary>
    public bool? Active { get; init; }

    public string? QueueName { get; init; }
}
