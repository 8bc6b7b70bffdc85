using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Kubernetes.Objects;

/// <summary>Devices that a driver publishes, usually those of one node.</summary>
[KubernetesEntity(Group = "resource.k8s.io", ApiVersion = "v1", Kind = "ResourceSlice", PluralName = "resourceslices")]
[EntityScope(EntityScope.Cluster)]
public sealed record V1ResourceSlice : IKubernetesEntity<V1ResourceSlice>
{
    public static EntityKind EntityKind { get; } = new("resource.k8s.io", "v1", "ResourceSlice", "resourceslices", Namespaced: false);

    public static JsonTypeInfo<V1ResourceSlice> JsonTypeInfo => KubeJson.TypeInfo<V1ResourceSlice>();

    public string ApiVersion => "resource.k8s.io/v1";

    public string Kind => "ResourceSlice";

    public V1ObjectMeta Metadata
    {
        get;
        init => field = value ?? V1ObjectMeta.Empty;
    } = V1ObjectMeta.Empty;

    public V1ResourceSliceSpec Spec
    {
        get;
        init => field = value ?? V1ResourceSliceSpec.Empty;
    } = V1ResourceSliceSpec.Empty;
}

public sealed record V1ResourceSliceSpec
{
    public static readonly V1ResourceSliceSpec Empty = new();

    public string Driver
    {
        get;
        init => field = value ?? "";
    } = "";

    public string? NodeName { get; init; }

    public V1ResourcePool Pool
    {
        get;
        init => field = value ?? V1ResourcePool.Empty;
    } = V1ResourcePool.Empty;

    public IReadOnlyList<V1SliceDevice> Devices
    {
        get;
        init => field = value ?? [];
    } = [];
}

public sealed record V1ResourcePool
{
    public static readonly V1ResourcePool Empty = new();

    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    /// <summary>The generation of the pool that the slice describes. Slices of an older generation are ignored.</summary>
    public long Generation { get; init; }
}

/// <summary>A device, with the attributes that determine its price. In v1beta1 they are under <c>basic</c>.</summary>
[JsonConverter(typeof(V1SliceDeviceConverter))]
public sealed record V1SliceDevice
{
    private static readonly HashSet<string> Kept = new(StringComparer.Ordinal)
    {
        "productName",
        "model",
        "type",
        "profile",
        "partitionProfile",
        "computePartition",
        "parentUUID",
        "parentPCIAddr",
        "pciAddr",
        "uuid",
    };

    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    /// <summary>Set if each device of a slice names its own node.</summary>
    public string? NodeName { get; init; }

    /// <summary>Attributes by name, without the domain in front of it.</summary>
    public StringMap Attributes
    {
        get;
        init => field = value ?? StringMap.Empty;
    } = StringMap.Empty;

    /// <summary>The capacity <c>memory</c>.</summary>
    public string? Memory { get; init; }

    internal static V1SliceDevice? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        V1SliceDevice read = new();
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("name"u8))
                read = read with { Name = Wire.Shared(ref reader)! };
            else if (reader.ValueTextEquals("nodeName"u8))
                read = read with { NodeName = Wire.Shared(ref reader) };
            else if (reader.ValueTextEquals("attributes"u8))
                read = read with { Attributes = ReadAttributes(ref reader) };
            else if (reader.ValueTextEquals("capacity"u8))
                read = read with { Memory = ReadMemory(ref reader) };
            else if (reader.ValueTextEquals("basic"u8))
                read = Read(ref reader) is { } basic ? read with { Attributes = basic.Attributes, Memory = basic.Memory } : read;
            else
                Wire.Pass(ref reader);
        }

        return read;
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("name", Name);
        Wire.Write(writer, "nodeName", NodeName);
        if (Attributes.Count > 0)
        {
            writer.WriteStartObject("attributes");
            foreach ((string name, string value) in Attributes)
            {
                writer.WriteStartObject(name);
                writer.WriteString("string", value);
                writer.WriteEndObject();
            }

            writer.WriteEndObject();
        }

        if (Memory is not null)
        {
            writer.WriteStartObject("capacity");
            writer.WriteStartObject("memory");
            writer.WriteString("value", Memory);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
    }

    private static StringMap ReadAttributes(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return StringMap.Empty;
        List<KeyValuePair<string, string>> found = [];
        while (Wire.NextProperty(ref reader))
        {
            string name = Unqualified(StringPool.Get(ref reader));
            if (!Kept.Contains(name))
            {
                Wire.Pass(ref reader);
                continue;
            }

            if (!Wire.EnterObject(ref reader))
                continue;
            while (Wire.NextProperty(ref reader))
            {
                if (!reader.ValueTextEquals("string"u8))
                    Wire.Pass(ref reader);
                else if (Wire.Shared(ref reader) is { } value)
                    found.Add(new(name, value));
            }
        }

        return StringMap.From(found);
    }

    private static string? ReadMemory(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? memory = null;
        while (Wire.NextProperty(ref reader))
        {
            if (Unqualified(StringPool.Get(ref reader)) != "memory")
                Wire.Pass(ref reader);
            else if (Wire.EnterObject(ref reader))
                while (Wire.NextProperty(ref reader))
                {
                    if (reader.ValueTextEquals("value"u8))
                        memory = Wire.Shared(ref reader);
                    else
                        Wire.Pass(ref reader);
                }
        }

        return memory;
    }

    private static string Unqualified(string name) => name[(name.IndexOf('/', StringComparison.Ordinal) + 1)..];
}

internal sealed class V1SliceDeviceConverter : JsonConverter<V1SliceDevice>
{
    public override V1SliceDevice Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        V1SliceDevice.Read(ref reader) ?? new();

    public override void Write(Utf8JsonWriter writer, V1SliceDevice value, JsonSerializerOptions options) => value.Write(writer);
}
