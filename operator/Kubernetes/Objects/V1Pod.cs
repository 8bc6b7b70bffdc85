using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>
/// A pod, with the fields that are read. Its JSON is decoded by hand, because pods are by far the most numerous objects in the cache.
/// Unread annotations, managed fields and most of the spec never become objects.
/// </summary>
[KubernetesEntity(Group = "", ApiVersion = "v1", Kind = "Pod", PluralName = "pods")]
[JsonConverter(typeof(V1PodConverter))]
public sealed record V1Pod : IKubernetesEntity<V1Pod>
{
    public static EntityKind EntityKind { get; } = new("", "v1", "Pod", "pods");

    public static JsonTypeInfo<V1Pod> JsonTypeInfo => KubeJson.TypeInfo<V1Pod>();

    public string ApiVersion => "v1";

    public string Kind => "Pod";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1PodSpec Spec
    {
        get;
        init => field = value ?? V1PodSpec.Empty;
    } = V1PodSpec.Empty;

    public V1PodStatus Status
    {
        get;
        init => field = value ?? V1PodStatus.Empty;
    } = V1PodStatus.Empty;

    internal static V1Pod Read(ref Utf8JsonReader reader)
    {
        V1ObjectMeta metadata = V1ObjectMeta.Empty;
        V1PodSpec spec = V1PodSpec.Empty;
        V1PodStatus status = V1PodStatus.Empty;
        if (!Wire.EnterObject(ref reader))
            return new V1Pod();
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("metadata"u8))
                metadata = V1ObjectMeta.Read(ref reader, slim: true);
            else if (reader.ValueTextEquals("spec"u8))
                spec = V1PodSpec.Read(ref reader);
            else if (reader.ValueTextEquals("status"u8))
                status = V1PodStatus.Read(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return new V1Pod
        {
            Metadata = metadata,
            Spec = spec,
            Status = status,
        };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("apiVersion", ApiVersion);
        writer.WriteString("kind", Kind);
        writer.WritePropertyName("metadata");
        Metadata.Write(writer);
        writer.WritePropertyName("spec");
        Spec.Write(writer);
        if (!ReferenceEquals(Status, V1PodStatus.Empty))
        {
            writer.WritePropertyName("status");
            Status.Write(writer);
        }

        writer.WriteEndObject();
    }
}

internal sealed class V1PodConverter : JsonConverter<V1Pod>
{
    public override V1Pod Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => V1Pod.Read(ref reader);

    public override void Write(Utf8JsonWriter writer, V1Pod value, JsonSerializerOptions options) => value.Write(writer);
}
