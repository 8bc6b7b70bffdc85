using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.Tables;

/// <summary>Reads the values of cells; a missing field is empty, not an error.</summary>
internal static class Cells
{
    public const string None = "<none>";

    public const string Unknown = "<unknown>";

    public static JsonNode? At(this JsonNode? node, params ReadOnlySpan<string> path)
    {
        foreach (var name in path)
        {
            node = (node as JsonObject)?[name];
        }

        return node;
    }

    public static string Text(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.At(path) switch
        {
            null => "",
            JsonValue value when value.GetValueKind() == JsonValueKind.String => value.GetValue<string>(),
            var other => other.ToJsonString(),
        };

    public static long Number(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.At(path) is { } value && SchemaNumbers.TryInteger(value, out var number) ? number : 0;

    public static bool Is(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.At(path) is JsonValue value && value.GetValueKind() == JsonValueKind.True;

    public static IReadOnlyList<JsonNode> List(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.At(path) is JsonArray list ? [.. list.OfType<JsonNode>()] : [];

    public static int Count(this JsonNode? node, params ReadOnlySpan<string> path) =>
        node.At(path) switch
        {
            JsonArray list => list.Count,
            JsonObject map => map.Count,
            _ => 0,
        };

    public static string Or(this string text, string otherwise) => text.Length == 0 ? otherwise : text;

    public static string Plain(long number) => number.ToString(CultureInfo.InvariantCulture);

    public static bool TryTime(JsonNode? node, out DateTimeOffset time)
    {
        time = default;
        return node is JsonValue value
            && value.GetValueKind() == JsonValueKind.String
            && DateTimeOffset.TryParse(value.GetValue<string>(), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out time);
    }

    public static string Age(JsonNode? node, DateTimeOffset now) =>
        TryTime(node, out var time) ? HumanDuration.Format(now - time) : Unknown;

    public static string Age(JsonObject source, DateTimeOffset now) => Age(source.At("metadata", "creationTimestamp"), now);

    public static string Name(JsonObject source) => source.Text("metadata", "name");

    public static JsonNode? Condition(JsonNode? source, string type) =>
        source.List("status", "conditions").FirstOrDefault(c => c.Text("type") == type);

    public static string Labels(JsonNode? labels) =>
        labels is JsonObject { Count: > 0 } map
            ? string.Join(',', map.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"{p.Key}={p.Value.Text()}"))
            : None;

    /// <summary>Formats a label selector on one line (<c>app=web,tier in (a,b)</c>).</summary>
    public static string Selector(JsonNode? selector, string whenEmpty = None)
    {
        var parts = new List<string>();
        if (selector.At("matchLabels") is JsonObject { Count: > 0 } labels)
        {
            parts.Add(Labels(labels));
        }

        foreach (var requirement in selector.List("matchExpressions"))
        {
            var key = requirement.Text("key");
            var values = string.Join(',', requirement.List("values").Select(v => v.Text()).Order(StringComparer.Ordinal));
            parts.Add(
                requirement.Text("operator") switch
                {
                    "In" => $"{key} in ({values})",
                    "NotIn" => $"{key} notin ({values})",
                    "DoesNotExist" => "!" + key,
                    _ => key,
                }
            );
        }

        return parts.Count == 0 ? whenEmpty : string.Join(',', parts);
    }

    /// <summary>Returns the names and images of a pod's containers for the wide columns.</summary>
    public static (string Names, string Images) Containers(JsonNode? podSpec)
    {
        var containers = podSpec.List("containers");
        return (string.Join(',', containers.Select(c => c.Text("name"))), string.Join(',', containers.Select(c => c.Text("image"))));
    }
}
