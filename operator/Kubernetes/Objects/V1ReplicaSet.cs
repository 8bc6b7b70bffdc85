using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

[KubernetesEntity(Group = "apps", ApiVersion = "v1", Kind = "ReplicaSet", PluralName = "replicasets")]
public sealed record V1ReplicaSet : IKubernetesEntity<V1ReplicaSet>
{
    public static EntityKind EntityKind { get; } = new("apps", "v1", "ReplicaSet", "replicasets");

    public static JsonTypeInfo<V1ReplicaSet> JsonTypeInfo => KubeJson.TypeInfo<V1ReplicaSet>();

    public string ApiVersion => "apps/v1";

    public string Kind => "ReplicaSet";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;
}
