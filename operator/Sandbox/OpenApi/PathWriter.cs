using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;

namespace Bursar.Sandbox.OpenApi;

/// <summary>
/// Writes the paths of a document. kubectl reads from them which kinds support the query parameters <c>fieldValidation</c> and
/// <c>dryRun</c>, and the path of each kind.
/// </summary>
internal static class PathWriter
{
    private static readonly string[] WriteParameters = ["dryRun", "fieldManager", "fieldValidation"];

    private static readonly string[] PatchParameters = ["dryRun", "fieldManager", "fieldValidation", "force"];

    private static readonly string[] DeleteParameters = ["dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy"];

    private static readonly string[] ListParameters =
    [
        "allowWatchBookmarks",
        "continue",
        "fieldSelector",
        "labelSelector",
        "limit",
        "resourceVersion",
        "resourceVersionMatch",
        "sendInitialEvents",
        "timeoutSeconds",
        "watch",
    ];

    public static JsonObject GroupVersionKind(KindInfo kind) =>
        new()
        {
            ["group"] = kind.Group,
            ["version"] = kind.Version,
            ["kind"] = kind.Kind,
        };

    public static JsonObject Write(IReadOnlyList<KindInfo> kinds)
    {
        var paths = new SortedDictionary<string, JsonObject>(StringComparer.Ordinal);
        foreach (var kind in kinds)
        {
            var root = kind.Group.Length == 0 ? $"/api/{kind.Version}" : $"/apis/{kind.Group}/{kind.Version}";
            var collection = kind.Namespaced ? $"{root}/namespaces/{{namespace}}/{kind.Plural}" : $"{root}/{kind.Plural}";
            if (kind.CreateOnly)
            {
                paths[collection] = Parameters(kind, named: false, ("post", Operation(kind, "post", WriteParameters)));
                continue;
            }

            if (kind.Namespaced)
            {
                paths[$"{root}/{kind.Plural}"] = new JsonObject { ["get"] = Operation(kind, "list", ListParameters) };
            }

            paths[collection] = Parameters(
                kind,
                named: false,
                ("get", Operation(kind, "list", ListParameters)),
                ("post", Operation(kind, "post", WriteParameters)),
                ("delete", Operation(kind, "deletecollection", [.. DeleteParameters, .. ListParameters]))
            );
            paths[$"{collection}/{{name}}"] = Parameters(
                kind,
                named: true,
                ("get", Operation(kind, "get", [])),
                ("put", Operation(kind, "put", WriteParameters)),
                ("patch", Operation(kind, "patch", PatchParameters)),
                ("delete", Operation(kind, "delete", DeleteParameters))
            );
            if (kind.HasStatus)
            {
                paths[$"{collection}/{{name}}/status"] = Parameters(
                    kind,
                    named: true,
                    ("get", Operation(kind, "get", [])),
                    ("put", Operation(kind, "put", WriteParameters)),
                    ("patch", Operation(kind, "patch", PatchParameters))
                );
            }
        }

        var written = new JsonObject();
        foreach (var (path, item) in paths)
        {
            written[path] = item;
        }

        return written;
    }

    private static JsonObject Parameters(KindInfo kind, bool named, params ReadOnlySpan<(string Verb, JsonObject Operation)> operations)
    {
        var item = new JsonObject();
        foreach (var (verb, operation) in operations)
        {
            item[verb] = operation;
        }

        var parameters = new JsonArray();
        if (named)
        {
            parameters.Add((JsonNode)Parameter("name", "path", "string"));
        }

        if (kind.Namespaced)
        {
            parameters.Add((JsonNode)Parameter("namespace", "path", "string"));
        }

        item["parameters"] = parameters;
        return item;
    }

    private static JsonObject Operation(KindInfo kind, string action, ReadOnlySpan<string> parameters)
    {
        var operation = new JsonObject();
        var list = new JsonArray();
        foreach (var name in parameters)
        {
            list.Add((JsonNode)Parameter(name, "query", QueryType(name)));
        }

        if (list.Count > 0)
        {
            operation["parameters"] = list;
        }

        var body = new JsonObject { ["$ref"] = "#/components/schemas/" + kind.Schema.Name };
        switch (action)
        {
            case "post" or "put":
                operation["requestBody"] = Content(("application/json", body.DeepClone()), ("application/yaml", body.DeepClone()));
                break;
            case "patch":
                // kubectl chooses its patch type by this list. Custom kinds do not support strategic merge.
                (string, JsonNode)[] forms =
                [
                    ("application/apply-patch+yaml", Free()),
                    ("application/json-patch+json", Free()),
                    ("application/merge-patch+json", Free()),
                ];
                operation["requestBody"] = Content(kind.IsCustom ? forms : [.. forms, ("application/strategic-merge-patch+json", Free())]);
                break;
        }

        var answer = Content(("application/json", action is "list" or "delete" or "deletecollection" ? Free() : body));
        answer["description"] = "OK";
        operation["responses"] = new JsonObject { ["200"] = answer };
        operation["x-kubernetes-action"] = action;
        operation["x-kubernetes-group-version-kind"] = GroupVersionKind(kind);
        return operation;
    }

    private static JsonObject Free() => new() { ["type"] = "object" };

    private static JsonObject Content(params ReadOnlySpan<(string MediaType, JsonNode Schema)> forms)
    {
        var content = new JsonObject();
        foreach (var (mediaType, schema) in forms)
        {
            content[mediaType] = new JsonObject { ["schema"] = schema };
        }

        return new JsonObject { ["content"] = content };
    }

    private static string QueryType(string name) =>
        name switch
        {
            "allowWatchBookmarks" or "force" or "orphanDependents" or "sendInitialEvents" or "watch" => "boolean",
            "gracePeriodSeconds" or "limit" or "timeoutSeconds" => "integer",
            _ => "string",
        };

    private static JsonObject Parameter(string name, string place, string type)
    {
        var parameter = new JsonObject { ["name"] = name, ["in"] = place };
        if (place == "path")
        {
            parameter["required"] = true;
        }

        parameter["schema"] = new JsonObject { ["type"] = type };
        return parameter;
    }
}
