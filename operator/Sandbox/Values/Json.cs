using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Bursar.Sandbox.Values;

/// <summary>
/// Reads and writes JSON trees without reflection. Duplicate keys are reported and the last one counts, as in Kubernetes.
/// </summary>
public static class Json
{
    private static readonly JsonWriterOptions Writer = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        SkipValidation = true,
    };
    private static readonly JsonReaderOptions Reader = new() { MaxDepth = 256, AllowMultipleValues = false };

    /// <summary>
    /// Parses a JSON value. The paths of duplicate keys are added to <paramref name="duplicates"/>.
    /// </summary>
    public static JsonNode? Parse(ReadOnlySpan<byte> utf8, List<string>? duplicates = null)
    {
        var reader = new Utf8JsonReader(utf8, Reader);
        reader.Read();
        var node = Read(ref reader, duplicates, "");
        if (reader.Read())
        {
            throw new JsonException("data after the top-level value");
        }

        return node;
    }

    public static JsonObject ParseObject(ReadOnlySpan<byte> utf8) =>
        Parse(utf8) as JsonObject ?? throw new JsonException("not a JSON object");

    public static byte[] ToBytes(JsonNode? node)
    {
        var buffer = new ArrayBufferWriter<byte>(1024);
        using (var writer = new Utf8JsonWriter(buffer, Writer))
        {
            Write(writer, node);
        }

        return buffer.WrittenSpan.ToArray();
    }

    public static string ToText(JsonNode? node) => Encoding.UTF8.GetString(ToBytes(node));

    private static void Write(Utf8JsonWriter writer, JsonNode? node)
    {
        if (node is null)
        {
            writer.WriteNullValue();
        }
        else
        {
            node.WriteTo(writer);
        }
    }

    private static JsonNode? Read(ref Utf8JsonReader reader, List<string>? duplicates, string path)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                var result = new JsonObject();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
                {
                    var key = reader.GetString()!;
                    var childPath =
                        duplicates is null ? ""
                        : path.Length == 0 ? key
                        : $"{path}.{key}";
                    reader.Read();
                    if (duplicates is not null && result.ContainsKey(key) && !duplicates.Contains(childPath))
                    {
                        duplicates.Add(childPath);
                    }

                    result[key] = Read(ref reader, duplicates, childPath);
                }

                return result;
            case JsonTokenType.StartArray:
                var list = new JsonArray();
                while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
                {
                    list.Add(Read(ref reader, duplicates, duplicates is null ? "" : $"{path}[{list.Count}]"));
                }

                return list;
            case JsonTokenType.String:
                return JsonValue.Create(reader.GetString());
            case JsonTokenType.Number:
                return reader.TryGetInt64(out var number) ? JsonValue.Create(number) : JsonValue.Create(reader.GetDouble());
            case JsonTokenType.True:
                return JsonValue.Create(true);
            case JsonTokenType.False:
                return JsonValue.Create(false);
            case JsonTokenType.Null:
                return null;
            default:
                throw new JsonException($"unexpected token {reader.TokenType}");
        }
    }

    /// <summary>Returns the node at a path of object keys; null if there is none.</summary>
    public static JsonNode? At(this JsonNode? node, params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
        {
            if (node is not JsonObject obj || !obj.TryGetPropertyValue(key, out node))
            {
                return null;
            }
        }

        return node;
    }

    public static string? Text(this JsonNode? node, params ReadOnlySpan<string> keys) =>
        At(node, keys) is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    public static long? Integer(this JsonNode? node, params ReadOnlySpan<string> keys) =>
        At(node, keys) is JsonValue value ? AsInteger(value) : null;

    public static bool? Flag(this JsonNode? node, params ReadOnlySpan<string> keys) =>
        At(node, keys) is JsonValue value && value.TryGetValue<bool>(out var flag) ? flag : null;

    public static long? AsInteger(JsonValue value)
    {
        if (value.TryGetValue<long>(out var number))
        {
            return number;
        }

        if (value.TryGetValue<int>(out var small))
        {
            return small;
        }

        return value.TryGetValue<double>(out var real) && Math.Floor(real) == real && Math.Abs(real) < 9e18 ? (long)real : null;
    }

    public static decimal? AsNumber(JsonValue value)
    {
        if (AsInteger(value) is { } number)
        {
            return number;
        }

        return value.TryGetValue<double>(out var real) && Math.Abs(real) < 7e28 ? (decimal)real
            : value.TryGetValue<decimal>(out var exact) ? exact
            : null;
    }

    /// <summary>Returns the object under a key. Creates it if it is absent or not an object.</summary>
    public static JsonObject Child(this JsonObject parent, string key)
    {
        if (parent.TryGetPropertyValue(key, out var node) && node is JsonObject child)
        {
            return child;
        }

        child = [];
        parent[key] = child;
        return child;
    }

    /// <summary>Sets a key that is absent or null. A null value sets nothing.</summary>
    public static void Default(this JsonObject parent, string key, JsonNode? value)
    {
        if (value is not null && (!parent.TryGetPropertyValue(key, out var present) || present is null))
        {
            parent[key] = value;
        }
    }

    public static JsonObject Copy(this JsonObject node) => (JsonObject)node.DeepClone();

    public static IEnumerable<JsonObject> Objects(this JsonNode? node, params ReadOnlySpan<string> keys) =>
        At(node, keys) is JsonArray list ? list.OfType<JsonObject>() : [];

    public static bool Same(JsonNode? left, JsonNode? right) => JsonNode.DeepEquals(left, right);

    public static string Timestamp(DateTimeOffset at) =>
        at.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    public static string MicroTimestamp(DateTimeOffset at) =>
        at.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    /// <summary>Quotes a string like Go's <c>%q</c>.</summary>
    public static string Quote(string text)
    {
        var builder = new StringBuilder(text.Length + 2).Append('"');
        foreach (var c in text)
        {
            _ = c switch
            {
                '"' => builder.Append("\\\""),
                '\\' => builder.Append("\\\\"),
                '\n' => builder.Append("\\n"),
                '\t' => builder.Append("\\t"),
                '\r' => builder.Append("\\r"),
                < ' ' => builder.Append("\\x").Append(((int)c).ToString("x2", CultureInfo.InvariantCulture)),
                _ => builder.Append(c),
            };
        }

        return builder.Append('"').ToString();
    }
}
