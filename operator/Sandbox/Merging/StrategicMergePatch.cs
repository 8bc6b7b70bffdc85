using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Merging;

/// <summary>
/// Applies Kubernetes' strategic merge patches. Lists with a merge key are merged by it, sets of scalars are united, and the directives
/// <c>$patch</c>, <c>$retainKeys</c>, <c>$deleteFromPrimitiveList/x</c> and <c>$setElementOrder/x</c> are supported.
/// </summary>
public static class StrategicMergePatch
{
    private const string Directive = "$patch";
    private const string RetainKeys = "$retainKeys";
    private const string DeleteFromList = "$deleteFromPrimitiveList/";
    private const string SetElementOrder = "$setElementOrder/";

    public static JsonObject Apply(JsonObject document, JsonObject patch, TypeSchema schema) => MergeObject(document, patch, schema);

    private static JsonObject MergeObject(JsonObject original, JsonObject patch, TypeSchema? schema)
    {
        switch (patch.Text(Directive))
        {
            case "replace":
                var replacement = patch.Copy();
                replacement.Remove(Directive);
                return replacement;
            case "delete":
                return [];
            case null or "merge":
                break;
            case var unknown:
                throw ApiError.BadRequest($"invalid value of {Directive}: \"{unknown}\"");
        }

        var result = original.Copy();
        if (patch.At(RetainKeys) is JsonArray retained)
        {
            var keep = retained.Select(k => k.Text() ?? "").ToHashSet();
            foreach (var key in result.Select(p => p.Key).Where(k => !keep.Contains(k)).ToList())
            {
                result.Remove(key);
            }
        }

        foreach (var (key, value) in patch)
        {
            if (key is Directive or RetainKeys || key.StartsWith(SetElementOrder, StringComparison.Ordinal))
            {
                continue;
            }

            if (key.StartsWith(DeleteFromList, StringComparison.Ordinal))
            {
                if (result.At(key[DeleteFromList.Length..]) is JsonArray list && value is JsonArray gone)
                {
                    Remove(list, item => gone.Any(g => Json.Same(g, item)));
                }

                continue;
            }

            if (value is null)
            {
                result.Remove(key);
                continue;
            }

            var field = Field(schema, key);
            var present = result.At(key);
            result[key] = value switch
            {
                JsonObject changes => MergeObject(present as JsonObject ?? [], changes, field),
                JsonArray items => MergeList(present as JsonArray, items, field, patch.At(SetElementOrder + key) as JsonArray),
                _ => value.DeepClone(),
            };
            if (value is JsonObject { } directive && directive.Text(Directive) == "delete")
            {
                result.Remove(key);
            }
        }

        // A patch may set the order of a list that it does not change otherwise.
        foreach (var (key, value) in patch)
        {
            if (
                key.StartsWith(SetElementOrder, StringComparison.Ordinal)
                && value is JsonArray order
                && result.At(key[SetElementOrder.Length..]) is JsonArray list
            )
            {
                var name = key[SetElementOrder.Length..];
                result[name] = Ordered(list, order, Field(schema, name)?.PatchMergeKey);
            }
        }

        return result;
    }

    private static JsonArray MergeList(JsonArray? original, JsonArray patch, TypeSchema? schema, JsonArray? order)
    {
        if (schema?.PatchMergeKey is { } mergeKey)
        {
            return MergeKeyed(original ?? [], patch, schema, mergeKey);
        }

        if (schema is { PatchMergesScalars: true })
        {
            var union = (JsonArray)(original ?? []).DeepClone();
            foreach (var item in patch)
            {
                if (!union.Any(u => Json.Same(u, item)))
                {
                    union.Add(item?.DeepClone());
                }
            }

            return order is null ? union : Ordered(union, order, null);
        }

        return (JsonArray)patch.DeepClone();
    }

    private static JsonArray MergeKeyed(JsonArray original, JsonArray patch, TypeSchema schema, string mergeKey)
    {
        if (patch.OfType<JsonObject>().Any(p => p.Text(Directive) == "replace"))
        {
            return
            [
                .. patch
                    .OfType<JsonObject>()
                    .Where(p => !(p.Text(Directive) == "replace" && p.Count == 1))
                    .Select(p =>
                    {
                        var copy = p.Copy();
                        copy.Remove(Directive);
                        return (JsonNode)copy;
                    }),
            ];
        }

        var result = (JsonArray)original.DeepClone();
        foreach (var item in patch)
        {
            if (item is not JsonObject change)
            {
                throw ApiError.BadRequest($"a list merged by \"{mergeKey}\" holds something that is not an object");
            }

            if (change.At(mergeKey) is not { } key)
            {
                throw ApiError.BadRequest($"map: {Json.ToText(change)} does not contain declared merge key: {mergeKey}");
            }

            if (change.Text(Directive) == "delete")
            {
                Remove(result, i => Json.Same(i.At(mergeKey), key));
                continue;
            }

            var index = -1;
            for (var i = 0; i < result.Count && index < 0; i++)
            {
                index = Json.Same(result[i].At(mergeKey), key) ? i : -1;
            }

            if (index < 0)
            {
                result.Add((JsonNode)MergeObject([], change, schema.Items));
            }
            else
            {
                result[index] = MergeObject(result[index] as JsonObject ?? [], change, schema.Items);
            }
        }

        return result;
    }

    private static JsonArray Ordered(JsonArray list, JsonArray order, string? mergeKey)
    {
        int Rank(JsonNode? item)
        {
            var key = mergeKey is null ? item : item.At(mergeKey);
            for (var i = 0; i < order.Count; i++)
            {
                if (Json.Same(mergeKey is null ? order[i] : order[i].At(mergeKey), key))
                {
                    return i;
                }
            }

            return -1;
        }

        // Items that are not in the order stay after their predecessor.
        var ranked = new List<(int Rank, JsonNode? Item)>();
        var last = -1;
        foreach (var item in list)
        {
            var rank = Rank(item);
            last = rank >= 0 ? rank : last;
            ranked.Add((last, item));
        }

        return [.. ranked.OrderBy(r => r.Rank).Select(r => r.Item?.DeepClone())];
    }

    private static TypeSchema? Field(TypeSchema? schema, string key) =>
        schema switch
        {
            null => null,
            { Type: SchemaType.Map } => schema.Items,
            _ => schema.Properties.TryGetValue(key, out var field) ? field.Type : null,
        };

    private static void Remove(JsonArray list, Func<JsonNode?, bool> gone)
    {
        for (var i = list.Count - 1; i >= 0; i--)
        {
            if (gone(list[i]))
            {
                list.RemoveAt(i);
            }
        }
    }
}
