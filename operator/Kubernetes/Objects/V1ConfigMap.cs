using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

[KubernetesEntity(Group = "", ApiVersion = "v1", Kind = "ConfigMap", PluralName = "configmaps")]
public sealed record V1ConfigMap : IKubernetesEntity<V1ConfigMap>
{
    public static EntityKind EntityKind { get; } = new("", "v1", "ConfigMap", "configmaps");

    public static JsonTypeInfo<V1ConfigMap> JsonTypeInfo => KubeJson.TypeInfo<V1ConfigMap>();

    public string ApiVersion => "v1";

    public string Kind => "ConfigMap";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    [JsonConverter(typeof(StringMapConverter))]
    public IReadOnlyDictionary<string, string> Data
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;
}
