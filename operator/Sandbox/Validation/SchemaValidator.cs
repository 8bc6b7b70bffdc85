using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Validation;

/// <summary>
/// Validates an object by its schema, with Kubernetes' messages. <see cref="RuleValidator"/> evaluates the CEL rules.
/// </summary>
public static partial class SchemaValidator
{
    public static List<FieldCause> Validate(JsonObject obj, TypeSchema schema)
    {
        var errors = new List<FieldCause>();
        foreach (var (name, field) in schema.Properties)
        {
            if (name is "apiVersion" or "kind" or "metadata")
            {
                continue;
            }

            if (obj.TryGetPropertyValue(name, out var value))
            {
                Visit(value, field.Type, name, errors);
            }
        }

        Required(obj, schema, "", errors);
        return errors;
    }

    private static void Visit(JsonNode? node, TypeSchema schema, string path, List<FieldCause> errors)
    {
        if (node is null)
        {
            if (!schema.Nullable && schema.Type != SchemaType.Any)
            {
                errors.Add(
                    FieldCause.TypeInvalid(path, JsonValue.Create("null"), $"{path} in body must be of type {Expected(schema)}: \"null\"")
                );
            }

            return;
        }

        if (!HasType(node, schema))
        {
            errors.Add(
                FieldCause.TypeInvalid(
                    path,
                    JsonValue.Create(Actual(node)),
                    $"{path} in body must be of type {Expected(schema)}: \"{Actual(node)}\""
                )
            );
            return;
        }

        if (schema.Enum is { Count: > 0 } allowed && !allowed.Any(a => Json.Same(a, node)))
        {
            errors.Add(FieldCause.NotSupported(path, node, allowed.Select(a => FieldCause.Shown(a))));
        }

        switch (node)
        {
            case JsonObject obj:
                Object(obj, schema, path, errors);
                break;
            case JsonArray list:
                List(list, schema, path, errors);
                break;
            case JsonValue value when value.TryGetValue<string>(out var text):
                Text(value, text, schema, path, errors);
                break;
            case JsonValue value when Json.AsNumber(value) is { } number:
                Number(value, number, schema, path, errors);
                break;
        }
    }

    private static void Object(JsonObject obj, TypeSchema schema, string path, List<FieldCause> errors)
    {
        foreach (var (key, value) in obj)
        {
            if (schema.Properties.TryGetValue(key, out var field))
            {
                Visit(value, field.Type, $"{path}.{key}", errors);
            }
            else if (schema is { Type: SchemaType.Map, Items: { } values })
            {
                Visit(value, values, $"{path}.{key}", errors);
            }
        }

        Required(obj, schema, path, errors);
        if (obj.Count < schema.MinProperties)
        {
            errors.Add(FieldCause.Invalid(path, obj.DeepClone(), $"{path} in body should have at least {schema.MinProperties} properties"));
        }

        if (obj.Count > schema.MaxProperties)
        {
            errors.Add(
                new FieldCause(
                    path,
                    "FieldValueTooMany",
                    $"Too many: {obj.Count}: must have at most {schema.MaxProperties} {(schema.MaxProperties == 1 ? "item" : "items")}"
                )
            );
        }
    }

    private static void Required(JsonObject obj, TypeSchema schema, string path, List<FieldCause> errors)
    {
        foreach (var name in schema.Required)
        {
            if (!obj.ContainsKey(name) && !(path.Length == 0 && name is "apiVersion" or "kind" or "metadata"))
            {
                errors.Add(FieldCause.Required(path.Length == 0 ? name : $"{path}.{name}"));
            }
        }
    }

    private static void List(JsonArray list, TypeSchema schema, string path, List<FieldCause> errors)
    {
        if (list.Count < schema.MinItems)
        {
            errors.Add(
                FieldCause.Invalid(path, JsonValue.Create(list.Count), $"{path} in body should have at least {schema.MinItems} items")
            );
        }

        if (list.Count > schema.MaxItems)
        {
            errors.Add(
                new FieldCause(
                    path,
                    "FieldValueTooMany",
                    $"Too many: {list.Count}: must have at most {schema.MaxItems} {(schema.MaxItems == 1 ? "item" : "items")}"
                )
            );
        }

        for (var i = 0; schema.Items is { } items && i < list.Count; i++)
        {
            Visit(list[i], items, $"{path}[{i}]", errors);
        }

        if (schema.List == ListKind.Atomic)
        {
            return;
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < list.Count; i++)
        {
            if (schema.List == ListKind.Map && list[i] is not JsonObject)
            {
                continue;
            }

            var element = Merging.TypedValue.Element(list[i], schema);
            if (!seen.Add(element))
            {
                errors.Add(FieldCause.Duplicate($"{path}[{i}]", Json.Parse(System.Text.Encoding.UTF8.GetBytes(element[2..]))));
            }
        }
    }

    private static void Text(JsonValue value, string text, TypeSchema schema, string path, List<FieldCause> errors)
    {
        // Kubernetes reports only the first of these three errors, and an invalid format in addition.
        var length = text.EnumerateRunes().Count();
        if (length > schema.MaxLength)
        {
            errors.Add(new FieldCause(path, "FieldValueTooLong", $"Too long: may not be more than {schema.MaxLength} bytes"));
        }
        else if (length < schema.MinLength)
        {
            errors.Add(FieldCause.Invalid(path, value, $"{path} in body should be at least {schema.MinLength} chars long"));
        }
        else if (schema.Pattern is { } pattern && !Regex.IsMatch(text, pattern, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)))
        {
            errors.Add(FieldCause.Invalid(path, value, $"{path} in body should match '{pattern}'"));
        }

        if (
            schema.Type == SchemaType.Time
                ? !DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind, out _)
                : schema.Type == SchemaType.String
                    && (schema.Format == "date-time" && !IsDateTime(text) || schema.Format == "date" && !IsDate(text))
        )
        {
            errors.Add(FieldCause.TypeInvalid(path, value, $"{path} in body must be of type {schema.Format}: {Json.Quote(text)}"));
        }
    }

    private static bool IsDate(string text) =>
        DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out _);

    /// <remarks>Source: kubernetes/kube-openapi:pkg/validation/strfmt/time.go.</remarks>
    private static bool IsDateTime(string text) => text.Length > 11 && IsDate(text[..10]) && TimePattern().IsMatch(text.AsSpan(10));

    [GeneratedRegex(
        "^[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})$",
        RegexOptions.CultureInvariant
    )]
    private static partial Regex TimePattern();

    private static void Number(JsonValue value, decimal number, TypeSchema schema, string path, List<FieldCause> errors)
    {
        if (number < schema.Minimum || (schema.ExclusiveMinimum && number == schema.Minimum))
        {
            errors.Add(
                FieldCause.Invalid(
                    path,
                    value,
                    $"{path} in body should be greater than {(schema.ExclusiveMinimum ? "" : "or equal to ")}{Plain(schema.Minimum!.Value)}"
                )
            );
        }

        if (number > schema.Maximum || (schema.ExclusiveMaximum && number == schema.Maximum))
        {
            errors.Add(
                FieldCause.Invalid(
                    path,
                    value,
                    $"{path} in body should be less than {(schema.ExclusiveMaximum ? "" : "or equal to ")}{Plain(schema.Maximum!.Value)}"
                )
            );
        }
    }

    private static string Plain(decimal value) => (value / 1.0000000000000000000000000000m).ToString(CultureInfo.InvariantCulture);

    internal static bool HasType(JsonNode node, TypeSchema schema) =>
        schema.Type switch
        {
            SchemaType.Any => true,
            SchemaType.Object or SchemaType.Map => node is JsonObject,
            SchemaType.Array => node is JsonArray,
            SchemaType.Integer => node is JsonValue v && Json.AsInteger(v) is not null,
            SchemaType.Number => node is JsonValue v && Json.AsNumber(v) is not null,
            SchemaType.Boolean => node is JsonValue v && v.TryGetValue<bool>(out _),
            SchemaType.IntOrString => node is JsonValue v && (v.TryGetValue<string>(out _) || Json.AsInteger(v) is not null),
            SchemaType.Quantity => node is JsonValue v && (v.TryGetValue<string>(out _) || Json.AsNumber(v) is not null),
            _ => node is JsonValue v && v.TryGetValue<string>(out _),
        };

    private static string Expected(TypeSchema schema) =>
        schema.Type switch
        {
            SchemaType.Object or SchemaType.Map => "object",
            SchemaType.Array => "array",
            SchemaType.Integer => "integer",
            SchemaType.Number => "number",
            SchemaType.Boolean => "boolean",
            SchemaType.IntOrString => "integer,string",
            _ => "string",
        };

    private static string Actual(JsonNode node) =>
        node switch
        {
            JsonObject => "object",
            JsonArray => "array",
            JsonValue v when v.TryGetValue<string>(out _) => "string",
            JsonValue v when v.TryGetValue<bool>(out _) => "boolean",
            JsonValue v when Json.AsInteger(v) is not null => "integer",
            _ => "number",
        };
}
