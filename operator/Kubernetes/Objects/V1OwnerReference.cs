using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Kubernetes.Objects;

[JsonConverter(typeof(V1OwnerReferenceConverter))]
public sealed record V1OwnerReference
{
    public string ApiVersion
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Kind
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Name
    {
        get;
        init => field = value ?? "";
    } = "";

    public string Uid
    {
        get;
        init => field = value ?? "";
    } = "";

    public bool Controller { get; init; }

    public bool BlockOwnerDeletion { get; init; }

    /// <summary>Whether the owner is a CronJob, which creates Jobs and does not change their suspend field.</summary>
    public bool IsCronJob => Kind == "CronJob" && ApiVersion.StartsWith("batch/", StringComparison.Ordinal);

    internal static V1OwnerReference? Read(ref Utf8JsonReader reader)
    {
        if (!Wire.EnterObject(ref reader))
            return null;
        string? apiVersion = null,
            kind = null,
            name = null,
            uid = null;
        bool controller = false,
            block = false;
        while (Wire.NextProperty(ref reader))
        {
            if (reader.ValueTextEquals("apiVersion"u8))
                apiVersion = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("kind"u8))
                kind = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("name"u8))
                name = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("uid"u8))
                uid = Wire.Shared(ref reader);
            else if (reader.ValueTextEquals("controller"u8))
                controller = Wire.Bool(ref reader);
            else if (reader.ValueTextEquals("blockOwnerDeletion"u8))
                block = Wire.Bool(ref reader);
            else
                Wire.Pass(ref reader);
        }

        return new V1OwnerReference
        {
            ApiVersion = apiVersion!,
            Kind = kind!,
            Name = name!,
            Uid = uid!,
            Controller = controller,
            BlockOwnerDeletion = block,
        };
    }

    internal void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("apiVersion", ApiVersion);
        writer.WriteString("kind", Kind);
        writer.WriteString("name", Name);
        writer.WriteString("uid", Uid);
        if (Controller)
            writer.WriteBoolean("controller", true);
        if (BlockOwnerDeletion)
            writer.WriteBoolean("blockOwnerDeletion", true);
        writer.WriteEndObject();
    }
}

internal sealed class V1OwnerReferenceConverter : JsonConverter<V1OwnerReference>
{
    public override V1OwnerReference Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        V1OwnerReference.Read(ref reader) ?? new V1OwnerReference();

    public override void Write(Utf8JsonWriter writer, V1OwnerReference value, JsonSerializerOptions options) => value.Write(writer);
}
