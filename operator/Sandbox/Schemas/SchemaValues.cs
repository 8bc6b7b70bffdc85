using System.Text.Json.Nodes;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Schemas;

/// <summary>Converts JSON to the values that CEL rules use.</summary>
internal static class SchemaValues
{
    /// <param name="schema">The schema of the value; null if unknown.</param>
    /// <param name="hasMetadata">True for an API object; rules see only the names in its metadata.</param>
    public static object? From(JsonNode? node, TypeSchema? schema, bool hasMetadata = false)
    {
        switch (node)
        {
            case JsonObject obj:
                var map = new CelMap();
                foreach (var (key, value) in obj)
                {
                    if (hasMetadata && key == "metadata")
                    {
                        map[key] = Metadata(value);
                        continue;
                    }

                    var isField = schema is { Type: not SchemaType.Map } && schema.Properties.ContainsKey(key);
                    var type =
                        isField ? schema!.Properties[key].Type
                        : schema?.Type == SchemaType.Map ? schema.Items
                        : null;
                    if (value is not null || !isField)
                    {
                        // A null field counts as absent.
                        map[isField ? CelType.EscapedName(key) ?? key : key] = From(value, type, type?.EmbeddedResource == true);
                    }
                }

                return map;
            case JsonArray items:
                var list = new CelList(schema?.List ?? ListKind.Atomic, schema?.ListMapKeys);
                list.AddRange(items.Select(item => From(item, schema?.Items, schema?.Items?.EmbeddedResource == true)));
                return list;
            case JsonValue value when value.TryGetValue<string>(out var text):
                return schema is { Type: SchemaType.String, Format: { } format } ? Formatted(text, format) : text;
            case JsonValue value when value.TryGetValue<bool>(out var flag):
                return flag;
            case JsonValue value:
                return schema?.Type != SchemaType.Number && Json.AsInteger(value) is { } whole
                    ? whole
                    : (object)(double)(Json.AsNumber(value) ?? 0);
            default:
                return null;
        }
    }

    private static object Formatted(string text, string format) =>
        format switch
        {
            "date" or "date-time" => CelFunctions.Timestamp(text) ?? (object)text,
            "duration" => CelFunctions.Duration(text) ?? (object)text,
            "byte" when Convert.TryFromBase64String(text, new byte[text.Length], out _) => Convert.FromBase64String(text),
            _ => text,
        };

    private static CelMap Metadata(JsonNode? metadata)
    {
        var map = new CelMap();
        foreach (var name in (ReadOnlySpan<string>)["name", "generateName"])
        {
            if (metadata.Text(name) is { } value)
            {
                map[name] = value;
            }
        }

        return map;
    }
}
