using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.OpenApi;

/// <summary>Writes the components of a document: every named type that its kinds reference.</summary>
internal sealed class ComponentWriter(IReadOnlyList<KindInfo> kinds)
{
    private readonly SortedDictionary<string, JsonObject> _written = new(StringComparer.Ordinal);

    private readonly Queue<TypeSchema> _waiting = new();

    private readonly HashSet<string> _named = new(StringComparer.Ordinal);

    public JsonObject Write()
    {
        foreach (var kind in kinds)
        {
            Refer(kind.Schema);
        }

        Refer(BuiltInTypes.DeleteOptions);
        while (_waiting.TryDequeue(out var type))
        {
            _written[type.Name!] = Body(type);
        }

        foreach (var kind in kinds)
        {
            _written[kind.Schema.Name!]["x-kubernetes-group-version-kind"] = new JsonArray(PathWriter.GroupVersionKind(kind));
        }

        var schemas = new JsonObject();
        foreach (var (name, body) in _written)
        {
            schemas[name] = body;
        }

        return schemas;
    }

    private string Refer(TypeSchema type)
    {
        if (_named.Add(type.Name!))
        {
            // A field may add its own default or enumeration to a type; the component is the type without them.
            _waiting.Enqueue(type);
        }

        return "#/components/schemas/" + type.Name;
    }

    private JsonObject Use(TypeSchema type, string description)
    {
        if (type.Name is null)
        {
            var body = Body(type);
            if (description.Length > 0)
            {
                body["description"] = description;
            }

            return body;
        }

        var reference = new JsonObject { ["$ref"] = Refer(type) };
        if (description.Length == 0 && type.Default is null)
        {
            return reference;
        }

        // Siblings of a $ref are ignored, so wrap it in allOf with the field's additions.
        var around = new JsonObject();
        if (description.Length > 0)
        {
            around["description"] = description;
        }

        if (type.Default is not null)
        {
            around["default"] = type.Default.DeepClone();
        }

        around["allOf"] = new JsonArray(reference);
        return around;
    }

    private JsonObject Body(TypeSchema type)
    {
        var body = new JsonObject();
        if (type.Description.Length > 0)
        {
            body["description"] = type.Description;
        }

        WriteShape(body, type);
        WriteBounds(body, type);
        if (type.Default is not null && type.Name is null)
        {
            body["default"] = type.Default.DeepClone();
        }

        if (type.Nullable)
        {
            body["nullable"] = true;
        }

        if (type.PreserveUnknownFields && type.Name is null)
        {
            body["x-kubernetes-preserve-unknown-fields"] = true;
        }

        if (type.EmbeddedResource)
        {
            body["x-kubernetes-embedded-resource"] = true;
        }

        return body;
    }

    private void WriteShape(JsonObject body, TypeSchema type)
    {
        switch (type.Type)
        {
            case SchemaType.Object:
                body["type"] = "object";
                WriteFields(body, type);
                break;
            case SchemaType.Map:
                body["type"] = "object";
                body["additionalProperties"] = Use(type.Items!, "");
                WriteAtomic(body, type);
                break;
            case SchemaType.Array:
                body["type"] = "array";
                body["items"] = Use(type.Items!, "");
                WriteList(body, type);
                break;
            case SchemaType.String or SchemaType.Bytes or SchemaType.Time or SchemaType.MicroTime:
                body["type"] = "string";
                break;
            case SchemaType.Integer:
                body["type"] = "integer";
                break;
            case SchemaType.Number:
                body["type"] = "number";
                break;
            case SchemaType.Boolean:
                body["type"] = "boolean";
                break;
            case SchemaType.Quantity:
                body["oneOf"] = new JsonArray(new JsonObject { ["type"] = "string" }, new JsonObject { ["type"] = "number" });
                break;
            case SchemaType.IntOrString when type.Name is null:
                body["x-kubernetes-int-or-string"] = true;
                break;
            case SchemaType.IntOrString:
                body["oneOf"] = new JsonArray(new JsonObject { ["type"] = "integer" }, new JsonObject { ["type"] = "string" });
                break;
        }

        if (type.Format is not null)
        {
            body["format"] = type.Format;
        }
    }

    private void WriteFields(JsonObject body, TypeSchema type)
    {
        if (type.Required.Count > 0)
        {
            body["required"] = Strings(type.Required);
        }

        if (type.Properties.Count > 0)
        {
            var properties = new JsonObject();
            foreach (var field in type.Properties.Values)
            {
                var use = Use(field.Type, field.Description);
                if (field.PatchRetainsKeys)
                {
                    use["x-kubernetes-patch-strategy"] = use["x-kubernetes-patch-strategy"] is null ? "retainKeys" : "merge,retainKeys";
                }

                properties[field.Name] = use;
            }

            body["properties"] = properties;
        }

        WriteAtomic(body, type);
    }

    private static void WriteAtomic(JsonObject body, TypeSchema type)
    {
        if (type.AtomicStructure)
        {
            body["x-kubernetes-map-type"] = "atomic";
        }
    }

    private static void WriteList(JsonObject body, TypeSchema type)
    {
        switch (type.List)
        {
            case ListKind.Set:
                body["x-kubernetes-list-type"] = "set";
                break;
            case ListKind.Map:
                body["x-kubernetes-list-map-keys"] = Strings(type.ListMapKeys);
                body["x-kubernetes-list-type"] = "map";
                break;
        }

        if (type.PatchMergeKey is not null)
        {
            body["x-kubernetes-patch-merge-key"] = type.PatchMergeKey;
            body["x-kubernetes-patch-strategy"] = "merge";
        }
        else if (type.PatchMergesScalars)
        {
            body["x-kubernetes-patch-strategy"] = "merge";
        }
    }

    private static void WriteBounds(JsonObject body, TypeSchema type)
    {
        if (type.Enum is not null)
        {
            var values = new JsonArray();
            foreach (var value in type.Enum)
            {
                values.Add(value.DeepClone());
            }

            body["enum"] = values;
        }

        Set(body, "pattern", type.Pattern is { } pattern ? JsonValue.Create(pattern) : null);
        Set(body, "minimum", type.Minimum is { } minimum ? JsonValue.Create(minimum) : null);
        Set(body, "exclusiveMinimum", type.ExclusiveMinimum ? JsonValue.Create(true) : null);
        Set(body, "maximum", type.Maximum is { } maximum ? JsonValue.Create(maximum) : null);
        Set(body, "exclusiveMaximum", type.ExclusiveMaximum ? JsonValue.Create(true) : null);
        Set(body, "minLength", Number(type.MinLength));
        Set(body, "maxLength", Number(type.MaxLength));
        Set(body, "minItems", Number(type.MinItems));
        Set(body, "maxItems", Number(type.MaxItems));
        Set(body, "minProperties", Number(type.MinProperties));
        Set(body, "maxProperties", Number(type.MaxProperties));
    }

    private static JsonValue? Number(int? value) => value is { } number ? JsonValue.Create(number) : null;

    private static void Set(JsonObject body, string name, JsonValue? value)
    {
        if (value is not null)
        {
            body[name] = value;
        }
    }

    private static JsonArray Strings(IReadOnlyList<string> values)
    {
        var array = new JsonArray();
        foreach (var value in values)
        {
            array.Add((JsonNode)JsonValue.Create(value));
        }

        return array;
    }
}
