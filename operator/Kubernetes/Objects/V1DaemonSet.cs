using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

[KubernetesEntity(Group = "apps", ApiVersion = "v1", Kind = "DaemonSet", PluralName = "daemonsets")]
public sealed record V1DaemonSet : IKubernetesEntity<V1DaemonSet>
{
    public static EntityKind EntityKind { get; } = new("apps", "v1", "DaemonSet", "daemonsets");

    public static JsonTypeInfo<V1DaemonSet> JsonTypeInfo => KubeJson.TypeInfo<V1DaemonSet>();

    public string ApiVersion => "apps/v1";

    public string Kind => "DaemonSet";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;
}
