using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>Kueue's Workload in any of its versions.</summary>
public interface IKueueWorkload : IKubernetesObject
{
    V1WorkloadSpec Spec { get; }

    V1WorkloadStatus Status { get; }
}

/// <summary>Kueue's Workload in the version v1beta2.</summary>
[KubernetesEntity(Group = "kueue.x-k8s.io", ApiVersion = "v1beta2", Kind = "Workload", PluralName = "workloads")]
public sealed record V1Workload : IKubernetesEntity<V1Workload>, IKueueWorkload
{
    public static EntityKind EntityKind { get; } = new("kueue.x-k8s.io", "v1beta2", "Workload", "workloads");

    public static JsonTypeInfo<V1Workload> JsonTypeInfo => KubeJson.TypeInfo<V1Workload>();

    public string ApiVersion => "kueue.x-k8s.io/v1beta2";

    public string Kind => "Workload";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1WorkloadSpec Spec
    {
        get;
        init => field = value ?? V1WorkloadSpec.Empty;
    } = V1WorkloadSpec.Empty;

    public V1WorkloadStatus Status
    {
        get;
        init => field = value ?? V1WorkloadStatus.Empty;
    } = V1WorkloadStatus.Empty;
}

/// <summary>Kueue's Workload in the version v1beta1, for an older Kueue that serves no newer one.</summary>
[KubernetesEntity(Group = "kueue.x-k8s.io", ApiVersion = "v1beta1", Kind = "Workload", PluralName = "workloads")]
public sealed record V1Beta1Workload : IKubernetesEntity<V1Beta1Workload>, IKueueWorkload
{
    public static EntityKind EntityKind { get; } = new("kueue.x-k8s.io", "v1beta1", "Workload", "workloads");

    public static JsonTypeInfo<V1Beta1Workload> JsonTypeInfo => KubeJson.TypeInfo<V1Beta1Workload>();

    public string ApiVersion => "kueue.x-k8s.io/v1beta1";

    public string Kind => "Workload";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1WorkloadSpec Spec
    {
        get;
        init => field = value ?? V1WorkloadSpec.Empty;
    } = V1WorkloadSpec.Empty;

    public V1WorkloadStatus Status
    {
        get;
        init => field = value ?? V1WorkloadStatus.Empty;
    } = V1WorkloadStatus.Empty;
}

public sealed record V1WorkloadSpec
{
    public static readonly V1WorkloadSpec Empty = new();

    /// <summary>Null means active.</summary>
    public bool? Active { get; init; }

    public string? QueueName { get; init; }
}

public sealed record V1WorkloadStatus
{
    public static readonly V1WorkloadStatus Empty = new();

    public IReadOnlyList<V1Condition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];

    public IReadOnlyList<V1AdmissionCheckState> AdmissionChecks
    {
        get;
        init => field = value ?? [];
    } = [];

    public bool Has(string condition) => Conditions.Any(one => one.Type == condition && one.Status == "True");
}

/// <summary>The state of one admission check of a Workload.</summary>
public sealed record V1AdmissionCheckState
{
    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    /// <summary>Pending, Ready, Retry or Rejected.</summary>
    public string State
    {
        get;
        init => field = value ?? "";
    } = "";

    [JsonConverter(typeof(TimeConverter))]
    public DateTimeOffset? LastTransitionTime { get; init; }

    public string Message
    {
        get;
        init => field = value ?? "";
    } = "";
}
