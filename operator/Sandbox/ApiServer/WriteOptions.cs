using Bursar.Sandbox.Values;
using Microsoft.AspNetCore.Http;

namespace Bursar.Sandbox.ApiServer;

/// <summary>How a write is to be done: by whom, whether only for show, and how strictly its fields are read.</summary>
internal sealed record WriteOptions(string Manager, bool DryRun, string FieldValidation, bool Force)
{
    private static readonly HashSet<string> Validation = ["Strict", "Warn", "Ignore"];

    /// <summary>Messages for the response's Warning headers.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>Writes the server makes on its own account.</summary>
    public static WriteOptions Internal { get; } = new("sandbox", false, "Ignore", true);

    public static WriteOptions Of(HttpRequest request)
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
            // As Kubernetes: the program's name out of its user agent.
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
