using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.Validation;

/// <summary>Removes fields that are not in a schema.</summary>
public static class UnknownFields
{
    /// <summary>Removes unknown fields and returns their paths (<c>spec.containers[0].foo</c>).</summary>
    public static List<string> Prune(JsonObject obj, TypeSchema schema)
    {
        var found = new List<string>();
        Visit(obj, schema, "", found, root: true);
        return found;
    }

    private static void Visit(JsonNode? node, TypeSchema schema, string path, List<string> found, bool root)
    {
        switch (node)
        {
            case JsonObject obj when schema.Type is SchemaType.Object or SchemaType.Any || schema.Properties.Count > 0:
                if (schema.Type == SchemaType.Any && schema.Properties.Count == 0)
                {
                    return;
                }

                List<string>? unknown = null;
                foreach (var (key, value) in obj)
                {
                    var childPath = path.Length == 0 ? key : $"{path}.{key}";
                    if (schema.Properties.TryGetValue(key, out var field))
                    {
                        Visit(value, field.Type, childPath, found, root: false);
                    }
                    else if (schema.Items is { } values && schema.Type == SchemaType.Map)
                    {
                        Visit(value, values, childPath, found, root: false);
                    }
                    else if (
                        !schema.PreserveUnknownFields && !((root || schema.EmbeddedResource) && key is "apiVersion" or "kind" or "metadata")
                    )
                    {
                        (unknown ??= []).Add(key);
                        found.Add(childPath);
                    }
                }

                foreach (var key in unknown ?? [])
                {
                    obj.Remove(key);
                }

                break;
            case JsonObject map when schema is { Type: SchemaType.Map, Items: { } values }:
                foreach (var (key, value) in map)
                {
                    Visit(value, values, $"{path}.{key}", found, root: false);
                }

                break;
            case JsonArray list when schema.Items is { } items:
                for (var i = 0; i < list.Count; i++)
                {
                    Visit(list[i], items, $"{path}[{i}]", found, root: false);
                }

                break;
        }
    }
}
