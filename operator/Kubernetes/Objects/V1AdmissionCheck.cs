using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Kubernetes.Objects;

/// <summary>Kueue's AdmissionCheck. Kueue admits a Workload only after the named controller has approved it.</summary>
[KubernetesEntity(Group = "kueue.x-k8s.io", ApiVersion = "v1beta2", Kind = "AdmissionCheck", PluralName = "admissionchecks")]
[EntityScope(EntityScope.Cluster)]
public sealed record V1AdmissionCheck : IKubernetesEntity<V1AdmissionCheck>
{
    public static EntityKind EntityKind { get; } = new("kueue.x-k8s.io", "v1beta2", "AdmissionCheck", "admissionchecks", Namespaced: false);

    public static JsonTypeInfo<V1AdmissionCheck> JsonTypeInfo => KubeJson.TypeInfo<V1AdmissionCheck>();

    public string ApiVersion => "kueue.x-k8s.io/v1beta2";

    public string Kind => "AdmissionCheck";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1AdmissionCheckSpec Spec
    {
        get;
        init => field = value ?? V1AdmissionCheckSpec.Empty;
    } = V1AdmissionCheckSpec.Empty;

    public V1AdmissionCheckStatus Status
    {
        get;
        init => field = value ?? V1AdmissionCheckStatus.Empty;
    } = V1AdmissionCheckStatus.Empty;
}

public sealed record V1AdmissionCheckSpec
{
    public static readonly V1AdmissionCheckSpec Empty = new();

    public string ControllerName
    {
        get;
        init => field = value ?? "";
    } = "";
}

public sealed record V1AdmissionCheckStatus
{
    public static readonly V1AdmissionCheckStatus Empty = new();

    public IReadOnlyList<V1Condition> Conditions
    {
        get;
        init => field = value ?? [];
    } = [];
}
