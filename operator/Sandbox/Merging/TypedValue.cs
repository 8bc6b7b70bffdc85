using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Merging;

/// <summary>
/// The schema-aware operations of server-side apply: the fields of a value, the changes between two values, merging, and the removal of a
/// set of fields.
/// </summary>
public static class TypedValue
{
    private static readonly TypeSchema AnyType = new() { Type = SchemaType.Any };

    /// <summary>Returns the fields that a configuration sets.</summary>
    public static FieldSet Fields(JsonNode? value, TypeSchema? schema)
    {
        var set = new FieldSet();
        Collect(set, value, schema ?? AnyType);
        return set;
    }

    /// <summary>Returns the fields that were added or changed, and those that were removed.</summary>
    public static (FieldSet Changed, FieldSet Removed) Compare(JsonNode? before, JsonNode? after, TypeSchema? schema)
    {
        var changed = new FieldSet();
        var removed = new FieldSet();
        Compare(before, after, schema ?? AnyType, changed, removed);
        return (Trim(changed), Trim(removed));
    }

    /// <summary>Merges a configuration into a live value. Granular structures are merged, other values replaced.</summary>
    public static JsonNode? Merge(JsonNode? live, JsonNode? config, TypeSchema? schema)
    {
        var type = schema ?? AnyType;
        if (config is null)
        {
            return live?.DeepClone();
        }

        if (config is JsonObject fields && live is JsonObject present && !type.AtomicStructure)
        {
            var result = present.Copy();
            foreach (var (key, value) in fields)
            {
                result[key] = value is null ? null : Merge(present.At(key), value, Field(type, key));
            }

            return result;
        }

        if (config is JsonArray items && live is JsonArray list && type is { Type: SchemaType.Array, List: not ListKind.Atomic })
        {
            return MergeList(list, items, type);
        }

        return config.DeepClone();
    }

    /// <summary>Returns the value without the members of a set and their children.</summary>
    public static JsonNode? Without(JsonNode? value, FieldSet gone, TypeSchema? schema)
    {
        var type = schema ?? AnyType;
        if (gone.Children.Count == 0 || value is null)
        {
            return value?.DeepClone();
        }

        if (value is JsonObject obj)
        {
            var result = new JsonObject();
            foreach (var (key, child) in obj)
            {
                var set = gone.Find($"f:{key}");
                if (set is { IsMember: true })
                {
                    continue;
                }

                result[key] = set is null ? child?.DeepClone() : Without(child, set, Field(type, key));
            }

            return result;
        }

        if (value is JsonArray list && type is { Type: SchemaType.Array, List: not ListKind.Atomic })
        {
            var result = new JsonArray();
            foreach (var item in list)
            {
                var set = gone.Find(Element(item, type));
                if (set is { IsMember: true })
                {
                    continue;
                }

                result.Add(set is null ? item?.DeepClone() : Without(item, set, type.Items));
            }

            return result;
        }

        return value.DeepClone();
    }

    /// <summary>Returns the set with the named parent fields of each member added (not keys of maps).</summary>
    public static FieldSet WithParents(FieldSet set, TypeSchema? schema)
    {
        var type = schema ?? AnyType;
        var result = new FieldSet { IsMember = set.IsMember };
        foreach (var (element, child) in set.Children)
        {
            var named =
                element.StartsWith("f:", StringComparison.Ordinal)
                && type.Type == SchemaType.Object
                && type.Properties.ContainsKey(element[2..]);
            var inner = WithParents(child, element.StartsWith("f:", StringComparison.Ordinal) ? Field(type, element[2..]) : type.Items);
            var own = result.Step(element);
            Copy(inner, own);
            own.IsMember |= named;
        }

        return result;

        static void Copy(FieldSet from, FieldSet to)
        {
            to.IsMember = from.IsMember;
            foreach (var (element, child) in from.Children)
            {
                Copy(child, to.Step(element));
            }
        }
    }

    /// <summary>Returns the path element of a list item.</summary>
    public static string Element(JsonNode? item, TypeSchema list)
    {
        if (list.List == ListKind.Set)
        {
            return $"v:{Json.ToText(item)}";
        }

        var keys = new JsonObject();
        foreach (var key in list.ListMapKeys.Order(StringComparer.Ordinal))
        {
            var value = item.At(key);
            if (value is null && list.Items is { } type && type.Properties.TryGetValue(key, out var field))
            {
                value = field.Type.Default;
            }

            if (value is not null)
            {
                keys[key] = value.DeepClone();
            }
        }

        return $"k:{Json.ToText(keys)}";
    }

    internal static TypeSchema? Field(TypeSchema type, string key) =>
        type.Properties.TryGetValue(key, out var field) ? field.Type
        : type.Type == SchemaType.Map ? type.Items
        : null;

    private static bool IsGranularMap(JsonNode? value, TypeSchema type) =>
        value is JsonObject && !type.AtomicStructure && type.Type is SchemaType.Object or SchemaType.Map or SchemaType.Any;

    private static bool IsGranularList(JsonNode? value, TypeSchema type) =>
        value is JsonArray && type is { Type: SchemaType.Array, List: not ListKind.Atomic };

    private static void Collect(FieldSet set, JsonNode? value, TypeSchema type)
    {
        if (IsGranularMap(value, type))
        {
            foreach (var (key, child) in (JsonObject)value!)
            {
                var step = set.Step($"f:{key}");
                Collect(step, child, Field(type, key) ?? AnyType);
                if (child is null or JsonObject { Count: 0 } || !type.Properties.ContainsKey(key))
                {
                    step.IsMember = true;
                }
            }
        }
        else if (IsGranularList(value, type))
        {
            foreach (var item in (JsonArray)value!)
            {
                var step = set.Step(Element(item, type));
                Collect(step, item, type.Items ?? AnyType);
                step.IsMember = true;
            }
        }
        else
        {
            set.IsMember = true;
        }
    }

    private static void Compare(JsonNode? before, JsonNode? after, TypeSchema type, FieldSet changed, FieldSet removed)
    {
        if (before is null && after is null)
        {
            return;
        }

        var sample = after ?? before;
        if (IsGranularMap(sample, type) && (before is null or JsonObject) && (after is null or JsonObject))
        {
            var old = before as JsonObject;
            var next = after as JsonObject;
            if ((old is null || old.Count == 0) && (next is null || next.Count == 0))
            {
                Leaf(before, after, changed, removed);
                return;
            }

            foreach (var key in Keys(old, next))
            {
                Compare(old.At(key), next.At(key), Field(type, key) ?? AnyType, changed.Step($"f:{key}"), removed.Step($"f:{key}"));
            }

            OneSided(before, after, changed, removed);
        }
        else if (IsGranularList(sample, type) && (before is null or JsonArray) && (after is null or JsonArray))
        {
            var old = Index(before as JsonArray, type);
            var next = Index(after as JsonArray, type);
            foreach (var (element, item) in next)
            {
                Compare(old.GetValueOrDefault(element), item, type.Items ?? AnyType, changed.Step(element), removed.Step(element));
            }

            foreach (var (element, item) in old)
            {
                if (!next.ContainsKey(element))
                {
                    Compare(item, null, type.Items ?? AnyType, changed.Step(element), removed.Step(element));
                }
            }

            OneSided(before, after, changed, removed);
        }
        else
        {
            Leaf(before, after, changed, removed);
        }

        static void OneSided(JsonNode? before, JsonNode? after, FieldSet changed, FieldSet removed)
        {
            changed.IsMember |= before is null;
            removed.IsMember |= after is null;
        }
    }

    private static void Leaf(JsonNode? before, JsonNode? after, FieldSet changed, FieldSet removed)
    {
        if (after is null)
        {
            removed.IsMember = true;
        }
        else if (before is null || !Json.Same(before, after))
        {
            changed.IsMember = true;
        }
    }

    private static IEnumerable<string> Keys(JsonObject? left, JsonObject? right)
    {
        foreach (var (key, _) in (IEnumerable<KeyValuePair<string, JsonNode?>>?)left ?? [])
        {
            yield return key;
        }

        foreach (var (key, _) in (IEnumerable<KeyValuePair<string, JsonNode?>>?)right ?? [])
        {
            if (left is null || !left.ContainsKey(key))
            {
                yield return key;
            }
        }
    }

    private static Dictionary<string, JsonNode?> Index(JsonArray? list, TypeSchema type)
    {
        var result = new Dictionary<string, JsonNode?>(StringComparer.Ordinal);
        foreach (var item in list ?? [])
        {
            result[Element(item, type)] = item;
        }

        return result;
    }

    private static JsonArray MergeList(JsonArray live, JsonArray config, TypeSchema type)
    {
        var configured = Index(config, type);
        var result = new JsonArray();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var item in live)
        {
            var element = Element(item, type);
            seen.Add(element);
            result.Add(configured.TryGetValue(element, out var over) ? Merge(item, over, type.Items) : item?.DeepClone());
        }

        foreach (var item in config)
        {
            if (seen.Add(Element(item, type)))
            {
                result.Add(item?.DeepClone());
            }
        }

        return result;
    }

    private static FieldSet Trim(FieldSet set)
    {
        var result = new FieldSet { IsMember = set.IsMember };
        foreach (var (element, child) in set.Children)
        {
            var trimmed = Trim(child);
            if (!trimmed.IsEmpty)
            {
                var step = result.Step(element);
                step.IsMember = trimmed.IsMember;
                foreach (var (inner, node) in trimmed.Children)
                {
                    Graft(step.Step(inner), node);
                }
            }
        }

        return result;
    }

    private static void Graft(FieldSet target, FieldSet source)
    {
        target.IsMember = source.IsMember;
        foreach (var (element, child) in source.Children)
        {
            Graft(target.Step(element), child);
        }
    }
}
