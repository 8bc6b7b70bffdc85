using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Bursar.Kubernetes.Crds;

/// <summary>Writes CustomResourceDefinitions as a Markdown page, with one table of fields for each kind.</summary>
public static class ApiReference
{
    public static string Write(string title, string introduction, IEnumerable<JsonObject> definitions)
    {
        var text = new StringBuilder();
        text.Append("# ").Append(title).Append("\n\n").Append(introduction).Append('\n');
        foreach (var definition in definitions)
        {
            var spec = definition["spec"]!;
            var names = spec["names"]!;
            var version = spec["versions"]![0]!;
            var schema = version["schema"]!["openAPIV3Schema"]!.AsObject();
            text.Append("\n## ").Append(Text(names["kind"])).Append("\n\n").Append(Text(schema["description"])).Append("\n\n");
            text.Append(
                $"`{Text(spec["group"])}/{Text(version["name"])}`, {(Text(spec["scope"]) == "Cluster" ? "cluster-scoped" : "namespaced")}, `{Text(names["plural"])}`"
            );
            if (names["shortNames"] is JsonArray { Count: > 0 } shortNames)
                text.Append(" (").Append(string.Join(", ", shortNames.Select(n => $"`{n}`"))).Append(')');
            text.Append(".\n\n| field | type | description |\n| --- | --- | --- |\n");
            foreach (var part in new[] { "spec", "status" })
                if (schema["properties"]![part] is JsonObject fields)
                    WriteFields(text, part, fields, Requires(schema, part));
        }
        return text.ToString();
    }

    private static void WriteFields(StringBuilder text, string path, JsonObject schema, bool required)
    {
        text.Append("| `")
            .Append(path)
            .Append("` | ")
            .Append(TypeOf(schema))
            .Append(" | ")
            .Append(Cell(Sentence(schema, required)))
            .Append(" |\n");
        var inner = schema["items"] as JsonObject ?? schema;
        if (inner["properties"] is not JsonObject properties)
            return;
        foreach (var (name, value) in properties.OrderBy(p => p.Key, StringComparer.Ordinal))
            WriteFields(text, $"{path}{(schema.ContainsKey("items") ? "[]" : "")}.{name}", value!.AsObject(), Requires(inner, name));
    }

    private static bool Requires(JsonObject schema, string name) =>
        schema["required"] is JsonArray required && required.Any(r => Text(r) == name);

    private static string TypeOf(JsonObject schema) =>
        Text(schema["type"]) switch
        {
            "array" => $"list of {TypeOf(schema["items"]!.AsObject())}",
            "object" when schema["additionalProperties"] is JsonObject values => $"map of {TypeOf(values)}",
            "" when schema.ContainsKey("x-kubernetes-int-or-string") => "int or string",
            "string" when Text(schema["format"]) == "date-time" => "time",
            var type => type,
        };

    private static string Sentence(JsonObject schema, bool required)
    {
        var text = new StringBuilder(Text(schema["description"]));
        if (required)
            text.Append(" Required.");
        if (schema["enum"] is JsonArray values)
            text.Append(" One of ").Append(string.Join(", ", values.Select(v => $"`{v}`"))).Append('.');
        if (schema["default"] is { } value && !SchemaBuilder.HasDefault(schema))
            text.Append(" Default: `").Append(Compact(value)).Append("`.");
        if (!schema.ContainsKey("x-kubernetes-int-or-string") && schema["minimum"] is { } minimum && schema["maximum"] is { } maximum)
            text.Append($" From {minimum} to {maximum}.");
        if (schema["maxItems"] is { } most && !text.ToString().Contains($"At most {most}", StringComparison.Ordinal))
            text.Append($" At most {most} entries.");
        if (schema["x-kubernetes-validations"] is JsonArray rules)
            foreach (var rule in rules)
                text.Append(" Rule: ").Append(Text(rule!["message"])).Append('.');
        return text.ToString().Trim();
    }

    private static string Compact(JsonNode value) =>
        value is JsonValue scalar && scalar.GetValueKind() == JsonValueKind.String ? scalar.GetValue<string>() : value.ToJsonString();

    private static string Text(JsonNode? node) => node?.GetValue<string>() ?? "";

    private static string Cell(string text) => text.Replace("|", "\\|").Replace("\n", " ");
}
