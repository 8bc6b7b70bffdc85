using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace Bursar.Sandbox.Schemas;

/// <summary>
/// Reads a CRD's openAPIV3Schema. It must be structural: the type of every field is declared outside of logical junctors, so that pruning,
/// defaulting and merging know each field.
/// </summary>
internal sealed class StructuralSchema(List<string> errors, List<string> unsupported)
{
    private static readonly string[] Forbidden =
    [
        "$ref",
        "definitions",
        "dependencies",
        "deprecated",
        "discriminator",
        "id",
        "patternProperties",
        "readOnly",
        "writeOnly",
        "xml",
    ];

    private static readonly string[] Junctors = ["allOf", "anyOf", "oneOf"];

    /// <summary>The path of the outermost parent list whose items cannot be matched with the old ones; null if there is none.</summary>
    private string? _uncorrelated;

    public TypeSchema ReadRoot(JsonObject source, string path, string name)
    {
        var read = Read(source, path, isRoot: true);
        return WithMeta(read, name);
    }

    private TypeSchema Read(JsonObject source, string path, bool isRoot = false)
    {
        CheckForbidden(source, path);
        var preserve = Flag(source, "x-kubernetes-preserve-unknown-fields");
        var embedded = Flag(source, "x-kubernetes-embedded-resource");
        var type = ReadType(source, path, preserve);
        var properties = new Dictionary<string, FieldSchema>(StringComparer.Ordinal);
        TypeSchema? items = null;
        switch (type)
        {
            case SchemaType.Object:
                (properties, items) = ReadObject(source, path);
                break;
            case SchemaType.Array:
                items = ReadItems(source, path);
                break;
        }

        CheckJunctors(source, path, type);
        var list = ReadList(source, path, type, items, out var keys);
        if (embedded && type != SchemaType.Object)
        {
            errors.Add($"{path}.type: Invalid value: \"{Text(source, "type")}\": must be object if x-kubernetes-embedded-resource is true");
        }

        if (embedded && !preserve && properties.Count == 0)
        {
            errors.Add(
                $"{path}.properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
            );
        }

        var schema = new TypeSchema
        {
            Type = type == SchemaType.Object && items is not null ? SchemaType.Map : type,
            Description = Text(source, "description"),
            Properties = properties,
            Items = items,
            List = list,
            ListMapKeys = keys,
            AtomicStructure = Text(source, "x-kubernetes-map-type") == "atomic",
            PreserveUnknownFields = preserve,
            EmbeddedResource = embedded,
            Nullable = Flag(source, "nullable"),
            Required = Texts(source["required"]),
            Default = source["default"]?.DeepClone(),
            Enum = source["enum"] is JsonArray values ? [.. values.Where(v => v is not null).Select(v => v!.DeepClone())] : null,
            Format = Text(source, "format") is { Length: > 0 } format ? format : null,
            Pattern = ReadPattern(source, path),
            Minimum = Number(source, "minimum"),
            Maximum = Number(source, "maximum"),
            ExclusiveMinimum = Flag(source, "exclusiveMinimum"),
            ExclusiveMaximum = Flag(source, "exclusiveMaximum"),
            MinLength = Count(source, "minLength"),
            MaxLength = Count(source, "maxLength"),
            MinItems = Count(source, "minItems"),
            MaxItems = Count(source, "maxItems"),
            MinProperties = Count(source, "minProperties"),
            MaxProperties = Count(source, "maxProperties"),
        };
        schema.Rules = ValidationRule.ReadAll(source, schema, isRoot || embedded, path, _uncorrelated, errors, unsupported);
        return embedded && type == SchemaType.Object ? WithMeta(schema, name: null) : schema;
    }

    private SchemaType ReadType(JsonObject source, string path, bool preserve)
    {
        var name = Text(source, "type");
        if (Flag(source, "x-kubernetes-int-or-string"))
        {
            if (name.Length > 0)
            {
                errors.Add($"{path}.type: Invalid value: \"{name}\": must be empty if x-kubernetes-int-or-string is true");
            }

            return SchemaType.IntOrString;
        }

        switch (name)
        {
            case "object":
                return SchemaType.Object;
            case "array":
                return SchemaType.Array;
            case "string":
                return SchemaType.String;
            case "integer":
                return SchemaType.Integer;
            case "number":
                return SchemaType.Number;
            case "boolean":
                return SchemaType.Boolean;
            case "":
                if (!preserve)
                {
                    errors.Add($"{path}.type: Required value: must not be empty for specified object fields");
                }

                return source["properties"] is null ? SchemaType.Any : SchemaType.Object;
            default:
                errors.Add(
                    $"{path}.type: Unsupported value: \"{name}\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\""
                );
                return SchemaType.Any;
        }
    }

    private (Dictionary<string, FieldSchema> Properties, TypeSchema? Values) ReadObject(JsonObject source, string path)
    {
        var properties = new Dictionary<string, FieldSchema>(StringComparer.Ordinal);
        if (source["properties"] is JsonObject declared)
        {
            foreach (var (name, node) in declared)
            {
                var at = $"{path}.properties[{name}]";
                if (node is not JsonObject property)
                {
                    errors.Add($"{at}: Invalid value: an object is needed");
                    continue;
                }

                var type = Read(property, at);
                properties[name] = new FieldSchema(name, type, 0, type.Description);
            }
        }

        var additional = source["additionalProperties"];
        if (additional is JsonValue flag && flag.TryGetValue<bool>(out var allowed))
        {
            if (!allowed)
            {
                errors.Add($"{path}.additionalProperties: Forbidden: must not be false");
                return (properties, null);
            }

            additional = new JsonObject { ["x-kubernetes-preserve-unknown-fields"] = true };
        }

        if (additional is not JsonObject values)
        {
            return (properties, null);
        }

        if (properties.Count > 0)
        {
            errors.Add($"{path}.additionalProperties: Forbidden: additionalProperties and properties are mutually exclusive");
            return (properties, null);
        }

        return (properties, Read(values, path + ".additionalProperties"));
    }

    private TypeSchema ReadItems(JsonObject source, string path)
    {
        switch (source["items"])
        {
            case JsonObject items:
                var outer = _uncorrelated;
                _uncorrelated ??= Text(source, "x-kubernetes-list-type") == "map" ? null : path;
                var read = Read(items, path + ".items");
                _uncorrelated = outer;
                return read;
            case JsonArray:
                errors.Add($"{path}.items: Forbidden: items must be a schema object and not an array");
                break;
            default:
                errors.Add($"{path}.items: Required value: must be specified");
                break;
        }

        return new TypeSchema { Type = SchemaType.Any, PreserveUnknownFields = true };
    }

    private ListKind ReadList(JsonObject source, string path, SchemaType type, TypeSchema? items, out IReadOnlyList<string> keys)
    {
        keys = Texts(source["x-kubernetes-list-map-keys"]);
        var name = Text(source, "x-kubernetes-list-type");
        if (name.Length > 0 && type != SchemaType.Array)
        {
            errors.Add($"{path}.type: Invalid value: \"{Text(source, "type")}\": must be array if x-kubernetes-list-type is specified");
            return ListKind.Atomic;
        }

        if (keys.Count > 0 && name != "map")
        {
            errors.Add($"{path}.x-kubernetes-list-type: Invalid value: \"{name}\": must be map if x-kubernetes-list-map-keys is non-empty");
        }

        switch (name)
        {
            case "" or "atomic":
                return ListKind.Atomic;
            case "set":
                if (
                    items
                    is { Type: SchemaType.Object or SchemaType.Map, AtomicStructure: false }
                        or { Type: SchemaType.Array, List: not ListKind.Atomic }
                )
                {
                    errors.Add($"{path}.items: Invalid value: a set's items must be scalars, atomic lists or atomic objects");
                }

                return ListKind.Set;
            case "map":
                CheckKeys(path, keys, items);
                return ListKind.Map;
            default:
                errors.Add($"{path}.x-kubernetes-list-type: Unsupported value: \"{name}\": supported values: \"atomic\", \"map\", \"set\"");
                return ListKind.Atomic;
        }
    }

    private void CheckKeys(string path, IReadOnlyList<string> keys, TypeSchema? items)
    {
        if (keys.Count == 0)
        {
            errors.Add($"{path}.x-kubernetes-list-map-keys: Required value: must not be empty if x-kubernetes-list-type is map");
        }

        foreach (var key in keys)
        {
            if (items is null || !items.Properties.TryGetValue(key, out var field))
            {
                errors.Add($"{path}.x-kubernetes-list-map-keys: Invalid value: \"{key}\": entries must all be names of item properties");
            }
            else if (field.Type.Type is SchemaType.Object or SchemaType.Map or SchemaType.Array)
            {
                errors.Add(
                    $"{path}.items.properties[{key}].type: Invalid value: must be a scalar type if parent array's x-kubernetes-list-type is map"
                );
            }
            else if (field.Type.Default is null && !items.Required.Contains(key))
            {
                errors.Add(
                    $"{path}.items.properties[{key}].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
                );
            }
        }
    }

    private void CheckForbidden(JsonObject source, string path)
    {
        foreach (var name in Forbidden)
        {
            if (source[name] is { } value && !(value is JsonValue flag && flag.TryGetValue<bool>(out var set) && !set))
            {
                errors.Add($"{path}.{name}: Forbidden: {name} is not supported");
            }
        }

        if (Flag(source, "uniqueItems"))
        {
            errors.Add($"{path}.uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
        }
    }

    /// <summary>Checks that allOf, anyOf, oneOf and not contain only constraints on fields that are declared outside.</summary>
    private void CheckJunctors(JsonObject source, string path, SchemaType type)
    {
        foreach (var name in Junctors)
        {
            if (source[name] is JsonArray branches)
            {
                for (var i = 0; i < branches.Count; i++)
                {
                    if (branches[i] is JsonObject branch)
                    {
                        CheckBranch(branch, source, $"{path}.{name}[{i}]", type == SchemaType.IntOrString);
                    }
                }
            }
        }

        if (source["not"] is JsonObject not)
        {
            CheckBranch(not, source, path + ".not", mayNameType: false);
        }
    }

    private void CheckBranch(JsonObject branch, JsonObject outside, string path, bool mayNameType)
    {
        foreach (
            var name in (ReadOnlySpan<string>)
                ["description", "type", "default", "additionalProperties", "nullable", "x-kubernetes-preserve-unknown-fields"]
        )
        {
            if (branch[name] is not null && !(mayNameType && name == "type"))
            {
                errors.Add($"{path}.{name}: Forbidden: must be empty to be structural");
            }
        }

        if (branch["properties"] is JsonObject properties)
        {
            foreach (var (name, node) in properties)
            {
                if (outside["properties"]?[name] is not JsonObject known)
                {
                    errors.Add(
                        $"{path}.properties[{name}]: Required value: because it is defined in a junctor, it must be defined outside as well"
                    );
                }
                else if (node is JsonObject property)
                {
                    CheckBranch(property, known, $"{path}.properties[{name}]", mayNameType: false);
                }
            }
        }

        foreach (var name in Junctors)
        {
            if (branch[name] is JsonArray nested)
            {
                for (var i = 0; i < nested.Count; i++)
                {
                    if (nested[i] is JsonObject inner)
                    {
                        CheckBranch(inner, outside, $"{path}.{name}[{i}]", mayNameType);
                    }
                }
            }
        }
    }

    private string? ReadPattern(JsonObject source, string path)
    {
        var pattern = Text(source, "pattern");
        if (pattern.Length == 0)
        {
            return null;
        }

        try
        {
            _ = new Regex(pattern, RegexOptions.CultureInvariant);
            return pattern;
        }
        catch (ArgumentException e)
        {
            errors.Add($"{path}.pattern: Invalid value: \"{pattern}\": must be a valid regular expression, but isn't: {e.Message}");
            return null;
        }
    }

    /// <summary>Adds apiVersion, kind and metadata, which every API object has.</summary>
    private static TypeSchema WithMeta(TypeSchema schema, string? name)
    {
        var properties = new Dictionary<string, FieldSchema>(StringComparer.Ordinal)
        {
            ["apiVersion"] = new(
                "apiVersion",
                new TypeSchema { Type = SchemaType.String },
                0,
                "The group and version of this object's schema."
            ),
            ["kind"] = new("kind", new TypeSchema { Type = SchemaType.String }, 0, "The kind of this object."),
            ["metadata"] = new(
                "metadata",
                BuiltInTypes.ObjectMeta,
                0,
                "Name, namespace, labels and what the server keeps of every object."
            ),
        };
        foreach (var (key, field) in schema.Properties)
        {
            properties.TryAdd(key, field);
        }

        return new TypeSchema
        {
            Name = name,
            Type = SchemaType.Object,
            Description = schema.Description,
            Properties = properties,
            AtomicStructure = schema.AtomicStructure,
            PreserveUnknownFields = schema.PreserveUnknownFields,
            EmbeddedResource = schema.EmbeddedResource,
            Nullable = schema.Nullable,
            Required = schema.Required,
            Default = schema.Default,
            MinProperties = schema.MinProperties,
            MaxProperties = schema.MaxProperties,
            Rules = schema.Rules,
        };
    }

    private static string Text(JsonObject source, string name) =>
        source[name] is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>() : "";

    private static bool Flag(JsonObject source, string name) =>
        source[name] is JsonValue value && value.GetValueKind() == JsonValueKind.True;

    private static List<string> Texts(JsonNode? node) =>
        [
            .. (node as JsonArray ?? [])
                .OfType<JsonValue>()
                .Where(v => v.GetValueKind() == JsonValueKind.String)
                .Select(v => v.GetValue<string>()),
        ];

    private static decimal? Number(JsonObject source, string name) =>
        source[name] is { } node && SchemaNumbers.TryDecimal(node, out var number) ? number : null;

    private static int? Count(JsonObject source, string name) =>
        source[name] is { } node && SchemaNumbers.TryInteger(node, out var number) ? (int)Math.Clamp(number, 0, int.MaxValue) : null;
}
