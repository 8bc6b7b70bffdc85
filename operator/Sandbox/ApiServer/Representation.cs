using System.Text.Json.Nodes;
using Bursar.Sandbox.Tables;
using Bursar.Sandbox.Values;
using Microsoft.AspNetCore.Http;

namespace Bursar.Sandbox.ApiServer;

internal enum Form
{
    Object,
    Table,
    Metadata,
}

/// <summary>The form that a client accepts: objects, a table, or only metadata.</summary>
internal sealed record Representation(Form Form, string IncludeObject)
{
    private const string Offered = "application/json";

    public static Representation From(HttpRequest request)
    {
        var include = request.Query["includeObject"].FirstOrDefault() ?? "";
        var accept = request.Headers.Accept.ToString();
        if (accept.Length == 0)
        {
            return new Representation(Form.Object, "Metadata");
        }

        foreach (var range in accept.Split(','))
        {
            var parts = range.Split(';', StringSplitOptions.TrimEntries);
            if (parts[0] is not ("application/json" or "*/*" or "application/*"))
            {
                continue;
            }

            var parameters = parts
                .Skip(1)
                .Select(p => p.Split('=', 2))
                .Where(p => p.Length == 2)
                .ToDictionary(p => p[0].Trim(), p => p[1].Trim(), StringComparer.Ordinal);
            if (!parameters.TryGetValue("as", out var form))
            {
                return new Representation(Form.Object, "Metadata");
            }

            if (parameters.GetValueOrDefault("g") != "meta.k8s.io" || parameters.GetValueOrDefault("v") is not ("v1" or "v1beta1"))
            {
                continue;
            }

            switch (form)
            {
                case "Table":
                    return include is "" or "Metadata" or "None" or "Object"
                        ? new Representation(Form.Table, include.Length == 0 ? "Metadata" : include)
                        : throw ApiError.BadRequest($"unrecognized includeObject value: {include}");
                case "PartialObjectMetadata" or "PartialObjectMetadataList":
                    return new Representation(Form.Metadata, "Metadata");
            }
        }

        throw ApiError.NotAcceptable(Offered);
    }

    /// <summary>Converts an object to this form.</summary>
    public JsonObject Show(ResourceType type, JsonObject obj, DateTimeOffset now, bool withColumns = true) =>
        Form switch
        {
            Form.Table => Table(type, obj, now, withColumns),
            Form.Metadata => MetadataOnly(obj),
            _ => obj,
        };

    public static JsonObject MetadataOnly(JsonObject obj) =>
        new()
        {
            ["kind"] = "PartialObjectMetadata",
            ["apiVersion"] = "meta.k8s.io/v1",
            ["metadata"] = obj["metadata"]?.DeepClone(),
        };

    private JsonObject Table(ResourceType type, JsonObject obj, DateTimeOffset now, bool withColumns) =>
        TablePrinter.Print(
            type.Kind,
            [obj],
            now,
            IncludeObject,
            withColumns,
            new JsonObject { ["resourceVersion"] = Json.Text(obj, "metadata", "resourceVersion") }
        );
}
