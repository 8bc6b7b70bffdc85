using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.Validation;

/// <summary>Sets the defaults of a schema inside structures that are present.</summary>
public static class SchemaDefaults
{
    public static void Apply(JsonNode? node, TypeSchema schema)
    {
        switch (node)
        {
            case JsonObject obj:
                foreach (var (name, field) in schema.Properties)
                {
                    var present = obj.TryGetPropertyValue(name, out var value);
                    if (value is null && field.Type.Default is not null && (!present || !field.Type.Nullable))
                    {
                        value = field.Type.Default.DeepClone();
                        obj[name] = value;
                    }

                    Apply(value, field.Type);
                }

                if (schema is { Type: SchemaType.Map, Items: { } values })
                {
                    foreach (var (_, value) in obj)
                    {
                        Apply(value, values);
                    }
                }

                break;
            case JsonArray list when schema.Items is { } items:
                foreach (var item in list)
                {
                    Apply(item, items);
                }

                break;
        }
    }

    /// <summary>Removes nulls: everywhere for built-in types, and from fields that are not nullable for custom types.</summary>
    public static void DropNulls(JsonNode? node, TypeSchema? schema, bool custom)
    {
        switch (node)
        {
            case JsonObject obj:
                List<string>? nulls = null;
                foreach (var (key, value) in obj)
                {
                    TypeSchema? type = null;
                    if (schema is not null)
                    {
                        type =
                            schema.Properties.TryGetValue(key, out var field) ? field.Type
                            : schema.Type == SchemaType.Map ? schema.Items
                            : null;
                    }

                    if (value is null)
                    {
                        if (
                            !custom
                                ? schema is not { Type: SchemaType.Map } and not { PreserveUnknownFields: true }
                                : type is { Nullable: false, Default: not null }
                        )
                        {
                            (nulls ??= []).Add(key);
                        }
                    }
                    else
                    {
                        DropNulls(value, type, custom);
                    }
                }

                foreach (var key in nulls ?? [])
                {
                    obj.Remove(key);
                }

                break;
            case JsonArray list:
                foreach (var item in list)
                {
                    DropNulls(item, schema?.Items, custom);
                }

                break;
        }
    }
}
