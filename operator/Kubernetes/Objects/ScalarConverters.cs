using System.Text.Json;
using System.Text.Json.Serialization;

namespace Bursar.Kubernetes.Objects;

/// <summary>
/// Reads scalars as custom resources store them: int-or-string in both directions, booleans as strings, null as absent. A value of any
/// other type reads as absent and is reported, so that one field does not fail its whole object.
/// </summary>
internal static class ScalarConverters
{
    public static void AddTo(IList<JsonConverter> converters)
    {
        converters.Add(new TextConverter());
        converters.Add(new IntConverter());
        converters.Add(new OptionalIntConverter());
        converters.Add(new LongConverter());
        converters.Add(new OptionalLongConverter());
        converters.Add(new BoolConverter());
        converters.Add(new OptionalBoolConverter());
        converters.Add(new StringMapConverter());
    }

    private sealed class TextConverter : JsonConverter<string>
    {
        public override string? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            Wire.AnyText(ref reader);

        public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) => writer.WriteStringValue(value);

        public override string ReadAsPropertyName(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            StringPool.Get(ref reader);

        public override void WriteAsPropertyName(Utf8JsonWriter writer, string value, JsonSerializerOptions options) =>
            writer.WritePropertyName(value);
    }

    private sealed class IntConverter : JsonConverter<int>
    {
        public override bool HandleNull => true;

        public override int Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            (int)(Wire.Whole(ref reader, int.MinValue, int.MaxValue) ?? 0);

        public override void Write(Utf8JsonWriter writer, int value, JsonSerializerOptions options) => writer.WriteNumberValue(value);
    }

    private sealed class OptionalIntConverter : JsonConverter<int?>
    {
        public override int? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            (int?)Wire.Whole(ref reader, int.MinValue, int.MaxValue);

        public override void Write(Utf8JsonWriter writer, int? value, JsonSerializerOptions options) =>
            writer.WriteNumberValue(value!.Value);
    }

    private sealed class LongConverter : JsonConverter<long>
    {
        public override bool HandleNull => true;

        public override long Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            Wire.Whole(ref reader, long.MinValue, long.MaxValue) ?? 0;

        public override void Write(Utf8JsonWriter writer, long value, JsonSerializerOptions options) => writer.WriteNumberValue(value);
    }

    private sealed class OptionalLongConverter : JsonConverter<long?>
    {
        public override long? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            Wire.Whole(ref reader, long.MinValue, long.MaxValue);

        public override void Write(Utf8JsonWriter writer, long? value, JsonSerializerOptions options) =>
            writer.WriteNumberValue(value!.Value);
    }

    private sealed class BoolConverter : JsonConverter<bool>
    {
        public override bool HandleNull => true;

        public override bool Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
            Wire.Truth(ref reader) ?? false;

        public override void Write(Utf8JsonWriter writer, bool value, JsonSerializerOptions options) => writer.WriteBooleanValue(value);
    }

    private sealed class OptionalBoolConverter : JsonConverter<bool?>
    {
        public override bool? Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) => Wire.Truth(ref reader);

        public override void Write(Utf8JsonWriter writer, bool? value, JsonSerializerOptions options) =>
            writer.WriteBooleanValue(value!.Value);
    }
}
