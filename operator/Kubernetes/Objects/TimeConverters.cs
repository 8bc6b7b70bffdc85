using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Kubernetes.Objects;

/// <summary>Converts the API's Time: RFC 3339 with whole seconds.</summary>
public sealed class TimeConverter : JsonConverter<DateTimeOffset?>
{
    public override DateTimeOffset? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        ReadTime(ref reader);

    public override void Write(Utf8JsonWriter writer, DateTimeOffset? value, JsonSerializerOptions options) =>
        WriteTime(writer, value, micro: false);

    internal static DateTimeOffset? ReadTime(ref Utf8JsonReader reader) => Wire.Time(Wire.TicksHere(ref reader));

    internal static void WriteTime(Utf8JsonWriter writer, DateTimeOffset? value, bool micro)
    {
        if (value is null)
        {
            writer.WriteNullValue();
            return;
        }

        Span<byte> text = stackalloc byte[28];
        writer.WriteStringValue(Wire.Format(text, value.Value.UtcTicks, micro));
    }
}

/// <summary>Converts the API's MicroTime (Leases, Events), which the API server parses with exactly six decimals of the second.</summary>
public sealed class MicroTimeConverter : JsonConverter<DateTimeOffset?>
{
    public override DateTimeOffset? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        TimeConverter.ReadTime(ref reader);

    public override void Write(Utf8JsonWriter writer, DateTimeOffset? value, JsonSerializerOptions options) =>
        TimeConverter.WriteTime(writer, value, micro: true);
}
