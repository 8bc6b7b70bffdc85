using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>A Secret. Values are bytes, and base64 in the JSON.</summary>
[KubernetesEntity(Group = "", ApiVersion = "v1", Kind = "Secret", PluralName = "secrets")]
public sealed record V1Secret : IKubernetesEntity<V1Secret>
{
    public static EntityKind EntityKind { get; } = new("", "v1", "Secret", "secrets");

    public static JsonTypeInfo<V1Secret> JsonTypeInfo => KubeJson.TypeInfo<V1Secret>();

    public string ApiVersion => "v1";

    public string Kind => "Secret";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public string? Type { get; init; }

    public IReadOnlyDictionary<string, byte[]> Data
    {
        get;
        init => field = value ?? new Dictionary<string, byte[]>();
    } = new Dictionary<string, byte[]>();
}
