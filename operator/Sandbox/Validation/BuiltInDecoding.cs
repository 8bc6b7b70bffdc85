using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Validation;

/// <summary>
/// Checks the types of values of built-in kinds, like decoding to a Go type. A wrong type is refused with 400 before any rule of the kind
/// is evaluated.
/// </summary>
public static class BuiltInDecoding
{
    public static void Check(JsonObject obj, KindInfo kind) => Visit(obj, kind.Schema, "", kind);

    private static void Visit(JsonNode? node, TypeSchema schema, string path, KindInfo kind)
    {
        if (node is null)
        {
            return;
        }

        if (!SchemaValidator.HasType(node, schema))
        {
            throw Refused(
                kind,
                $"json: cannot unmarshal {Actual(node)} into Go struct field {kind.Kind}.{path} of type {Expected(schema)}"
            );
        }

        switch (node)
        {
            case JsonObject obj:
                foreach (var (key, value) in obj)
                {
                    if (schema.Properties.TryGetValue(key, out var field))
                    {
                        Visit(value, field.Type, path.Length == 0 ? key : $"{path}.{key}", kind);
                    }
                    else if (schema is { Type: SchemaType.Map, Items: { } values })
                    {
                        Visit(value, values, $"{path}.{key}", kind);
                    }
                }

                break;
            case JsonArray list when schema.Items is { } items:
                foreach (var item in list)
                {
                    Visit(item, items, path, kind);
                }

                break;
            case JsonValue value when value.TryGetValue<string>(out var text):
                if (
                    schema.Type is SchemaType.Time or SchemaType.MicroTime
                    && text.Length > 0
                    && !DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out _)
                )
                {
                    throw Refused(
                        kind,
                        $"parsing time {Json.Quote(text)} as \"2006-01-02T15:04:05Z07:00\": cannot parse {Json.Quote(text)} as \"2006\""
                    );
                }

                if (schema.Type == SchemaType.Quantity && !Quantities.TryParse(text, out _))
                {
                    throw Refused(kind, "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
                }

                if (schema.Type == SchemaType.Bytes && !Convert.TryFromBase64String(text, new byte[text.Length], out _))
                {
                    throw Refused(kind, "illegal base64 data at input byte 0");
                }

                break;
        }
    }

    private static ApiError Refused(KindInfo kind, string why) =>
        ApiError.BadRequest($"{kind.Kind} in version \"{kind.Version}\" cannot be handled as a {kind.Kind}: {why}");

    private static string Actual(JsonNode node) =>
        node switch
        {
            JsonObject => "object",
            JsonArray => "array",
            JsonValue v when v.TryGetValue<string>(out _) => "string",
            JsonValue v when v.TryGetValue<bool>(out _) => "bool",
            _ => "number",
        };

    private static string Expected(TypeSchema schema) =>
        schema.Type switch
        {
            SchemaType.Integer => schema.Format ?? "int64",
            SchemaType.Number => "float64",
            SchemaType.Boolean => "bool",
            SchemaType.String => "string",
            SchemaType.Array => "slice",
            SchemaType.Map => "map[string]string",
            _ => schema.Name ?? "struct",
        };
}
