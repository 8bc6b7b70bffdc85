using Bursar.Sandbox.Values;
using Microsoft.AspNetCore.Http;

namespace Bursar.Sandbox.ApiServer;

/// <summary>Options of a write: field manager, dry run, field validation and force.</summary>
internal sealed record WriteOptions(string Manager, bool DryRun, string FieldValidation, bool Force)
{
    private static readonly HashSet<string> Validation = ["Strict", "Warn", "Ignore"];

    /// <summary>Messages for the response's Warning headers.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>The options for the server's own writes.</summary>
    public static WriteOptions Internal { get; } = new("sandbox", false, "Ignore", true);

    public static WriteOptions From(HttpRequest request)
    {
        var query = request.Query;
        var dryRun = query["dryRun"];
        foreach (var value in dryRun)
        {
            if (value is not ("All" or "" or null))
            {
                throw ApiError.Invalid("meta.k8s.io", "CreateOptions", "", [FieldCause.NotSupported("dryRun", Array(dryRun), ["\"All\""])]);
            }
        }

        var validation = query["fieldValidation"].FirstOrDefault() ?? "";
        if (validation.Length > 0 && !Validation.Contains(validation))
        {
            throw ApiError.Invalid(
                "meta.k8s.io",
                "CreateOptions",
                "",
                [
                    FieldCause.NotSupported(
                        "fieldValidation",
                        System.Text.Json.Nodes.JsonValue.Create(validation),
                        ["\"\"", "\"Ignore\"", "\"Strict\"", "\"Warn\""]
                    ),
                ]
            );
        }

        var manager = query["fieldManager"].FirstOrDefault();
        if (manager is { Length: > 128 })
        {
            throw ApiError.Invalid(
                "meta.k8s.io",
                "CreateOptions",
                "",
                [new FieldCause("fieldManager", "FieldValueTooLong", "Too long: may not be more than 128 bytes")]
            );
        }

        if (string.IsNullOrEmpty(manager))
        {
            // Like Kubernetes, use the program's name in the User-Agent.
            manager = request.Headers.UserAgent.ToString().Split('/')[0];
            manager = manager.Length == 0 ? "unknown" : manager;
        }

        return new WriteOptions(
            manager,
            dryRun.Any(d => d == "All"),
            validation.Length == 0 ? "Warn" : validation,
            query["force"].FirstOrDefault() is "true" or "1"
        );
    }

    private static System.Text.Json.Nodes.JsonArray Array(IEnumerable<string?> values) =>
        [.. values.Select(v => (System.Text.Json.Nodes.JsonNode?)v)];
}
