using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Bursar.Kubernetes.Objects;

/// <summary>
/// Makes an object's JSON fit its C# type, because the serializer would refuse the whole object. It leaves out a value that is no object or
/// list where one is expected, and nulls in lists and maps. Used only for objects that need it.
/// </summary>
internal static class FittedJson
{
    /// <summary>
    /// Returns whether a list may have a null item, by a null after a bracket or comma. The serializer would read it as a null item, which
    /// no code expects. A string that looks like it is a false alarm, which only costs time.
    /// </summary>
    public static bool HasNullItem(ReadOnlySpan<byte> json)
    {
        int from = 0;
        while (json[from..].IndexOf("null"u8) is >= 0 and int at)
        {
            ReadOnlySpan<byte> before = json[..(from + at)].TrimEnd(" \t\r\n"u8);
            if (!before.IsEmpty && before[^1] is (byte)'[' or (byte)',')
                return true;
            from += at + 4;
        }

        return false;
    }

    public static byte[] Fit(ReadOnlySpan<byte> json, JsonTypeInfo type, List<MistypedField> mistyped)
    {
        ArrayBufferWriter<byte> fitted = new(json.Length);
        using (Utf8JsonWriter writer = new(fitted, new JsonWriterOptions { SkipValidation = true }))
        {
            Utf8JsonReader reader = new(json, KubeJson.ReaderOptions);
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
                throw new JsonException($"The value is {MistypedTokens.NameOf(reader.TokenType)}, not an object.");
            Copy(ref reader, json, writer, type, "", mistyped);
        }

        return fitted.WrittenSpan.ToArray();
    }

    private static void Copy(
        ref Utf8JsonReader reader,
        ReadOnlySpan<byte> json,
        Utf8JsonWriter writer,
        JsonTypeInfo? type,
        string path,
        List<MistypedField> mistyped
    )
    {
        if (type is null || type.Kind == JsonTypeInfoKind.None || reader.TokenType == JsonTokenType.Null)
        {
            int start = (int)reader.TokenStartIndex;
            reader.Skip();
            writer.WriteRawValue(json[start..(int)reader.BytesConsumed], skipInputValidation: true);
            return;
        }

        bool isList = type.Kind == JsonTypeInfoKind.Enumerable,
            isObject = type.Kind == JsonTypeInfoKind.Object;
        JsonTypeInfo? item = isObject ? null : type.Options.GetTypeInfo(type.ElementType!);
        if (isList)
            writer.WriteStartArray();
        else
            writer.WriteStartObject();
        for (int index = 0; reader.Read() && reader.TokenType is not (JsonTokenType.EndObject or JsonTokenType.EndArray); index++)
        {
            string name = "";
            if (!isList)
            {
                name = reader.GetString()!;
                reader.Read();
            }

            if (isObject)
            {
                if (Property(type, name) is not { } property)
                {
                    reader.Skip();
                    continue;
                }

                item = property.CustomConverter is null ? type.Options.GetTypeInfo(property.PropertyType) : null;
            }

            string at = isList ? $"{path}[{index}]" : MistypedTokens.Join(path, name);
            if (!Fits(reader.TokenType, item, mayBeNull: isObject))
            {
                // A null item is left out and counts as converted, so the object is not unreadable.
                mistyped.Add(
                    new MistypedField(
                        at,
                        Expected(item),
                        MistypedTokens.NameOf(reader.TokenType),
                        IsConverted: reader.TokenType == JsonTokenType.Null
                    )
                );
                reader.Skip();
                continue;
            }

            if (!isList)
                writer.WritePropertyName(name);
            Copy(ref reader, json, writer, item, at, mistyped);
        }

        if (isList)
            writer.WriteEndArray();
        else
            writer.WriteEndObject();
    }

    private static bool Fits(JsonTokenType token, JsonTypeInfo? type, bool mayBeNull) =>
        token == JsonTokenType.Null
            ? mayBeNull
            : type?.Kind switch
            {
                JsonTypeInfoKind.Object or JsonTypeInfoKind.Dictionary => token == JsonTokenType.StartObject,
                JsonTypeInfoKind.Enumerable => token == JsonTokenType.StartArray,
                // Converters of scalars and of kinds read by hand report unexpected types themselves.
                _ => true,
            };

    private static string Expected(JsonTypeInfo? type) =>
        type?.Kind switch
        {
            JsonTypeInfoKind.Enumerable => MistypedTokens.List,
            JsonTypeInfoKind.Object or JsonTypeInfoKind.Dictionary => MistypedTokens.Object,
            _ => "a value",
        };

    private static JsonPropertyInfo? Property(JsonTypeInfo type, string name)
    {
        foreach (JsonPropertyInfo property in type.Properties)
            if (string.Equals(property.Name, name, StringComparison.Ordinal))
                return property;
        return null;
    }
}
