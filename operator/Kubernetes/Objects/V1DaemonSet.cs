using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>A DaemonSet.</summary>
[KubernetesEntity(Group = "apps", ApiVersion = "v1", Kind = "DaemonSet", PluralName = "daemonsets")]
public sealed record V1DaemonSet : IKubernetesEntity<V1DaemonSet>
{
    public static EntityKind EntityKind { get; } = new("apps", "v1", "DaemonSet", "daemonsets");

    public static JsonTypeInfo<V1DaemonSet> JsonTypeInfo => KubeJson.Of<V1DaemonSet>();

    public string ApiVersion => "apps/v1";

    public string Kind => "DaemonSet";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1DaemonSetSpec Spec
    {
        get;
        init => field = value ?? V1DaemonSetSpec.Empty;
    } = V1DaemonSetSpec.Empty;

    public V1DaemonSetStatus Status
    {
        get;
        init => field = value ?? V1DaemonSetStatus.Empty;
    } = V1DaemonSetStatus.Empty;
}

public sealed record V1DaemonSetSpec
{
    public static readonly V1DaemonSetSpec Empty = new();

    public V1LabelSelector? Selector { get; init; }

    public V1PodTemplateSpec Template
    {
        get;
        init => field = value ?? V1PodTemplateSpec.Empty;
    } = V1PodTemplateSpec.Empty;
}

public sealed record V1DaemonSetStatus
{
    public static readonly V1DaemonSetStatus Empty = new();

    public int DesiredNumberScheduled { get; init; }

    public int NumberReady { get; init; }

    public long ObservedGeneration { get; init; }
}
