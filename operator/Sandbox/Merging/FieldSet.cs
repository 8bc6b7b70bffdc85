using System.Text.Json.Nodes;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Merging;

/// <summary>
/// A set of field paths in the format of <c>managedFields</c> (FieldsV1). A path element is <c>f:name</c>, <c>k:{keys}</c>,
/// <c>v:value</c> or <c>i:index</c>. A node is a member if the path that ends at it is in the set.
/// </summary>
public sealed class FieldSet
{
    private readonly SortedDictionary<string, FieldSet> _children = new(StringComparer.Ordinal);

    /// <summary>True if the path that ends at this node is in the set.</summary>
    public bool IsMember { get; set; }

    public IReadOnlyDictionary<string, FieldSet> Children => _children;

    public bool IsEmpty => !IsMember && _children.Count == 0;

    public FieldSet Step(string element)
    {
        if (!_children.TryGetValue(element, out var child))
        {
            child = new FieldSet();
            _children.Add(element, child);
        }

        return child;
    }

    public FieldSet? Find(string element) => _children.GetValueOrDefault(element);

    public static FieldSet Parse(JsonNode? fieldsV1)
    {
        var set = new FieldSet();
        if (fieldsV1 is JsonObject obj)
        {
            Fill(set, obj);
        }

        return set;

        static void Fill(FieldSet set, JsonObject obj)
        {
            foreach (var (key, value) in obj)
            {
                if (key == ".")
                {
                    set.IsMember = true;
                    continue;
                }

                var child = set.Step(key);
                if (value is JsonObject { Count: > 0 } inner)
                {
                    Fill(child, inner);
                }
                else
                {
                    child.IsMember = true;
                }
            }
        }
    }

    public JsonObject ToJson()
    {
        var result = new JsonObject();
        if (IsMember && _children.Count > 0)
        {
            result["."] = new JsonObject();
        }

        foreach (var (element, child) in _children)
        {
            result[element] = child.ToJson();
        }

        return result;
    }

    public static FieldSet Union(FieldSet left, FieldSet right)
    {
        var result = new FieldSet { IsMember = left.IsMember || right.IsMember };
        foreach (var (element, child) in left._children)
        {
            result._children[element] = right._children.TryGetValue(element, out var other) ? Union(child, other) : child;
        }

        foreach (var (element, child) in right._children)
        {
            result._children.TryAdd(element, child);
        }

        return result;
    }

    public static FieldSet Difference(FieldSet left, FieldSet right)
    {
        var result = new FieldSet { IsMember = left.IsMember && !right.IsMember };
        foreach (var (element, child) in left._children)
        {
            var rest = right._children.TryGetValue(element, out var other) ? Difference(child, other) : child;
            if (!rest.IsEmpty)
            {
                result._children[element] = rest;
            }
        }

        return result;
    }

    public static FieldSet Intersection(FieldSet left, FieldSet right)
    {
        var result = new FieldSet { IsMember = left.IsMember && right.IsMember };
        foreach (var (element, child) in left._children)
        {
            if (right._children.TryGetValue(element, out var other) && Intersection(child, other) is { IsEmpty: false } common)
            {
                result._children[element] = common;
            }
        }

        return result;
    }

    public static bool Equal(FieldSet left, FieldSet right) =>
        left.IsMember == right.IsMember
        && left._children.Count == right._children.Count
        && left._children.All(c => right._children.TryGetValue(c.Key, out var other) && Equal(c.Value, other));

    /// <summary>Returns the member paths in Kubernetes' format: <c>.spec.containers[name="a"].image</c>.</summary>
    public IEnumerable<string> Paths(string prefix = "")
    {
        if (IsMember)
        {
            yield return prefix;
        }

        foreach (var (element, child) in _children)
        {
            foreach (var path in child.Paths(prefix + Shown(element)))
            {
                yield return path;
            }
        }
    }

    private static string Shown(string element) =>
        element[..2] switch
        {
            "f:" => $".{element[2..]}",
            "k:" =>
                $"[{string.Join(",", Json.ParseObject(System.Text.Encoding.UTF8.GetBytes(element[2..])).Select(k => $"{k.Key}={Json.ToText(k.Value)}"))}]",
            "v:" => $"[={element[2..]}]",
            _ => $"[{element[2..]}]",
        };
}
