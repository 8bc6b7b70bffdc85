using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Kubernetes.Objects;

/// <summary>A class of devices that claims may request.</summary>
[KubernetesEntity(Group = "resource.k8s.io", ApiVersion = "v1", Kind = "DeviceClass", PluralName = "deviceclasses")]
[EntityScope(EntityScope.Cluster)]
public sealed record V1DeviceClass : IKubernetesEntity<V1DeviceClass>
{
    public static EntityKind EntityKind { get; } = new("resource.k8s.io", "v1", "DeviceClass", "deviceclasses", Namespaced: false);

    public static JsonTypeInfo<V1DeviceClass> JsonTypeInfo => KubeJson.TypeInfo<V1DeviceClass>();

    public string ApiVersion => "resource.k8s.io/v1";

    public string Kind => "DeviceClass";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1DeviceClassSpec Spec
    {
        get;
        init => field = value ?? V1DeviceClassSpec.Empty;
    } = V1DeviceClassSpec.Empty;
}

[JsonConverter(typeof(V1DeviceClassSpecConverter))]
public sealed record V1DeviceClassSpec
{
    public static readonly V1DeviceClassSpec Empty = new();

    /// <summary>CEL expressions that the class's devices satisfy.</summary>
    public IReadOnlyList<string> Selectors
    {
        get;
        init => field = value ?? [];
    } = [];

    /// <summary>The extended resource that pods may request instead of a claim.</summary>
    public string? ExtendedResourceName { get; init; }

    internal static V1DeviceClassSpec Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return Empty;
        string[] selectors = [];
        string? resource = null;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("selectors"u8))
                selectors = Wire.Array(ref reader, ReadSelector);
            else if (reader.ValueTextEquals("extendedResourceName"u8))
                resource = Wire.Shared(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return new() { Selectors = selectors, ExtendedResourceName = resource };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        Wire.Write(writer, "selectors", Selectors, WriteSelector);
        Wire.Write(writer, "extendedResourceName", ExtendedResourceName);
        writer.WriteEndObject();
    }

    internal static string? ReadSelector(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? expression = null;
        while (Wire.NextProperty(ref reader))
        {
            if (!reader.ValueTextEquals("cel"u8))
                Wire.Pass(ref reader);
            else if (Wire.EnterObject(ref reader))
                while (Wire.NextProperty(ref reader))
                {
                    if (reader.ValueTextEquals("expression"u8))
                        expression = Wire.Shared(ref reader);
                    else
                        Wire.Pass(ref reader);
                }
        }

        return expression;
    }

    internal static void WriteSelector(Utf8JsonWriter writer, string expression)
    {
        writer.WriteStartObject();
        writer.WriteStartObject("cel");
        writer.WriteString("expression", expression);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }
}

internal sealed class V1DeviceClassSpecConverter : JsonConverter<V1DeviceClassSpec>
{
    public override V1DeviceClassSpec Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        V1DeviceClassSpec.Read(ref reader);

    public override void Write(Utf8JsonWriter writer, V1DeviceClassSpec value, JsonSerializerOptions options) => value.Write(writer);
}
