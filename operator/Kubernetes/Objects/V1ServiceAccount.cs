using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>A ServiceAccount.</summary>
[KubernetesEntity(Group = "", ApiVersion = "v1", Kind = "ServiceAccount", PluralName = "serviceaccounts")]
public sealed record V1ServiceAccount : IKubernetesEntity<V1ServiceAccount>
{
    public static EntityKind EntityKind { get; } = new("", "v1", "ServiceAccount", "serviceaccounts");

    public static JsonTypeInfo<V1ServiceAccount> JsonTypeInfo => KubeJson.Of<V1ServiceAccount>();

    public string ApiVersion => "v1";

    public string Kind => "ServiceAccount";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;
}
