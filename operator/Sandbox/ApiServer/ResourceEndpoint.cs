using System.Text.Json.Nodes;
using Bursar.Sandbox.Merging;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Storage;
using Bursar.Sandbox.Values;
using Microsoft.AspNetCore.Http;

namespace Bursar.Sandbox.ApiServer;

/// <summary>Serves the verbs on objects and collections.</summary>
internal sealed class ResourceEndpoint(
    KindRegistry kinds,
    ObjectStore store,
    ObjectWriter writer,
    ListEndpoint lists,
    WatchEndpoint watches,
    SubresourceEndpoint subresources,
    TimeProvider time
)
{
    private static readonly HashSet<string> ReturnsDeleted = ["pods", "services", "serviceaccounts"];

    public async Task HandleAsync(HttpContext http, RequestInfo info, Fault? fault, CancellationToken ct)
    {
        if (SubresourceEndpoint.IsReview(info))
        {
            await subresources.ReviewAsync(http, info, ct).ConfigureAwait(false);
            return;
        }

        if (kinds.Find(info.Group, info.Version, info.Resource) is not { } kind)
        {
            throw ApiError.NoSuchPath();
        }

        var type = ResourceType.From(kind);
        if (kind.Namespaced && info.Namespace.Length == 0 && info.Name.Length > 0)
        {
            throw ApiError.NoSuchPath();
        }

        if (info.Subresource.Length > 0 && !await SubresourceAsync(http, info, type, ct).ConfigureAwait(false))
        {
            return;
        }

        var @namespace = kind.Namespaced ? info.Namespace : "";
        var everywhere = kind.Namespaced && info.Namespace.Length == 0;
        var representation = Representation.From(http.Request);
        switch (info.Verb)
        {
            case "get" when http.Request.Query["watch"].FirstOrDefault() is "true" or "1":
                await watches.WatchAsync(http, type, @namespace, info.Name, representation, fault, ct).ConfigureAwait(false);
                break;
            case "get":
                var stored = store.Get(type.Key, @namespace, info.Name) ?? throw ApiError.NotFound(kind.Group, kind.Plural, info.Name);
                if (representation.Form == Form.Object)
                {
                    await Answer.BytesAsync(http, 200, type.Bytes(stored), ct).ConfigureAwait(false);
                }
                else
                {
                    await ShowAsync(http, 200, type, type.Read(stored), representation, ct).ConfigureAwait(false);
                }

                break;
            case "list":
                await lists.ListAsync(http, type, everywhere ? null : @namespace, representation, ct).ConfigureAwait(false);
                break;
            case "watch":
                await watches.WatchAsync(http, type, everywhere ? null : @namespace, null, representation, fault, ct).ConfigureAwait(false);
                break;
            case "create" when info.Name.Length == 0 && !everywhere:
                await CreateAsync(http, type, @namespace, representation, ct).ConfigureAwait(false);
                break;
            case "update" when info.Name.Length > 0:
                await UpdateAsync(http, info, type, @namespace, representation, ct).ConfigureAwait(false);
                break;
            case "patch" when info.Name.Length > 0:
                await PatchAsync(http, info, type, @namespace, representation, ct).ConfigureAwait(false);
                break;
            case "delete":
                await DeleteAsync(http, info, type, @namespace, representation, ct).ConfigureAwait(false);
                break;
            case "deletecollection" when !everywhere:
                await DeleteCollectionAsync(http, type, @namespace, ct).ConfigureAwait(false);
                break;
            default:
                throw ApiError.MethodNotAllowed();
        }
    }

    /// <summary>
    /// Serves the subresources that are not the object itself. True if the request continues as one on the object (status).
    /// </summary>
    private async Task<bool> SubresourceAsync(HttpContext http, RequestInfo info, ResourceType type, CancellationToken ct)
    {
        switch (info.Subresource)
        {
            case "status" when type.Kind.HasStatus:
                return info.Verb is "get" or "update" or "patch" ? true : throw ApiError.MethodNotAllowed();
            case "finalize" when type.Kind is { Group: "", Kind: "Namespace" } && info.Verb == "update":
                return true;
            case "scale" when type.Kind.Scale is not null:
                await subresources.ScaleAsync(http, info, type, ct).ConfigureAwait(false);
                return false;
            case "binding" when type.Kind is { Group: "", Kind: "Pod" } && info.Verb == "create":
                await subresources.BindAsync(http, info, type, ct).ConfigureAwait(false);
                return false;
            case "eviction" when type.Kind is { Group: "", Kind: "Pod" } && info.Verb == "create":
                await subresources.EvictAsync(http, info, type, ct).ConfigureAwait(false);
                return false;
            case "token" when type.Kind is { Group: "", Kind: "ServiceAccount" } && info.Verb == "create":
                await subresources.TokenAsync(http, info, type, ct).ConfigureAwait(false);
                return false;
            case "exec" or "attach" or "portforward" or "log" or "ephemeralcontainers" when type.Kind is { Group: "", Kind: "Pod" }:
                throw ApiError.NotOffered(info.Subresource == "log" ? "logs of containers" : $"{info.Subresource} into containers");
            case var proxy when proxy.StartsWith("proxy", StringComparison.Ordinal):
                throw ApiError.NotOffered("proxying to pods, services and nodes");
            default:
                throw ApiError.NoSuchPath();
        }
    }

    private async Task CreateAsync(
        HttpContext http,
        ResourceType type,
        string @namespace,
        Representation representation,
        CancellationToken ct
    )
    {
        var options = WriteOptions.From(http.Request);
        var body = await RequestBody.ReadAsync(http.Request, ct).ConfigureAwait(false);
        var created = writer.Create(type, @namespace, body.Object(), body.Duplicates, options);
        Answer.Warn(http, options.Warnings);
        await ShowAsync(http, 201, type, created, representation, ct).ConfigureAwait(false);
    }

    private async Task UpdateAsync(
        HttpContext http,
        RequestInfo info,
        ResourceType type,
        string @namespace,
        Representation representation,
        CancellationToken ct
    )
    {
        var options = WriteOptions.From(http.Request);
        var body = await RequestBody.ReadAsync(http.Request, ct).ConfigureAwait(false);
        var obj = body.Object();
        if (obj.Text("metadata", "name") is null or "")
        {
            throw ApiError.BadRequest("the name of the object (based on URL) was undeterminable: name must be provided");
        }

        var updated = writer.Update(type, @namespace, info.Name, info.Subresource, _ => obj.Copy(), body.Duplicates, options);
        Answer.Warn(http, options.Warnings);
        await ShowAsync(http, 200, type, updated, representation, ct).ConfigureAwait(false);
    }

    private async Task PatchAsync(
        HttpContext http,
        RequestInfo info,
        ResourceType type,
        string @namespace,
        Representation representation,
        CancellationToken ct
    )
    {
        var options = WriteOptions.From(http.Request);
        var body = await RequestBody.ReadAsync(http.Request, ct).ConfigureAwait(false);
        var code = 200;
        JsonObject result;
        if (body.MediaType is "application/apply-patch+yaml" or "application/apply-patch+json")
        {
            if (string.IsNullOrEmpty(http.Request.Query["fieldManager"].FirstOrDefault()))
            {
                throw ApiError.Invalid(
                    "meta.k8s.io",
                    "PatchOptions",
                    "",
                    [FieldCause.Required("fieldManager", "is required for apply patch")]
                );
            }

            var config = body.Yaml() as JsonObject ?? throw ApiError.BadRequest("error decoding YAML: a mapping is expected");
            if (string.IsNullOrEmpty(config.Text("apiVersion")) || string.IsNullOrEmpty(config.Text("kind")))
            {
                throw ApiError.BadRequest(
                    $"Object '{(string.IsNullOrEmpty(config.Text("kind")) ? "Kind" : "apiVersion")}' is missing in '{Json.ToText(config)}'"
                );
            }

            (result, var created) = writer.Apply(type, @namespace, info.Name, info.Subresource, config, body.Duplicates, options);
            code = created ? 201 : 200;
        }
        else
        {
            if (http.Request.Query.ContainsKey("force"))
            {
                throw ApiError.Invalid(
                    "meta.k8s.io",
                    "PatchOptions",
                    "",
                    [FieldCause.Forbidden("force", "may not be specified for non-apply patch")]
                );
            }

            result = writer.Update(type, @namespace, info.Name, info.Subresource, Patch(type, body), body.Duplicates, options);
        }

        Answer.Warn(http, options.Warnings);
        await ShowAsync(http, code, type, result, representation, ct).ConfigureAwait(false);
    }

    /// <summary>Returns the change of a patch by its content type.</summary>
    internal static Func<JsonObject, JsonObject> Patch(ResourceType type, RequestBody body, TypeSchema? schema = null)
    {
        switch (body.MediaType)
        {
            case "application/json-patch+json":
                var operations = body.JsonText();
                return current =>
                    JsonPatch.Apply(current, operations) as JsonObject ?? throw ApiError.Unprocessable("the patch leaves no object");
            case "application/merge-patch+json":
                var merge =
                    body.JsonText() as JsonObject
                    ?? throw ApiError.BadRequest("json: cannot unmarshal array into Go value of type map[string]interface {}");
                return current => (JsonObject)MergePatch.Apply(current, merge)!;
            case "application/strategic-merge-patch+json" when !type.Kind.IsCustom:
                var strategic =
                    body.JsonText() as JsonObject
                    ?? throw ApiError.BadRequest("json: cannot unmarshal array into Go value of type map[string]interface {}");
                return current => StrategicMergePatch.Apply(current, strategic, schema ?? type.Schema);
            default:
                throw new ApiError(
                    415,
                    "UnsupportedMediaType",
                    $"the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, {(type.Kind.IsCustom ? "" : "application/strategic-merge-patch+json, ")}application/apply-patch+yaml"
                );
        }
    }

    private async Task DeleteAsync(
        HttpContext http,
        RequestInfo info,
        ResourceType type,
        string @namespace,
        Representation representation,
        CancellationToken ct
    )
    {
        var options = WriteOptions.From(http.Request);
        var deleteOptions = await DeleteOptionsAsync(http, ct).ConfigureAwait(false);
        if (deleteOptions.At("dryRun") is JsonArray { Count: > 0 })
        {
            options = options with { DryRun = true };
        }

        var (deleted, gone) = writer.Delete(type, @namespace, info.Name, deleteOptions, options);
        Answer.Warn(http, options.Warnings);
        if (gone && !(type.Kind.Group.Length == 0 && ReturnsDeleted.Contains(type.Kind.Plural)))
        {
            await Answer
                .JsonAsync(
                    http,
                    200,
                    Answer.Success(type.Kind.Group, type.Kind.Plural, info.Name, deleted.Text("metadata", "uid") ?? ""),
                    ct
                )
                .ConfigureAwait(false);
            return;
        }

        await ShowAsync(http, 200, type, deleted, representation, ct).ConfigureAwait(false);
    }

    private async Task DeleteCollectionAsync(HttpContext http, ResourceType type, string @namespace, CancellationToken ct)
    {
        var options = WriteOptions.From(http.Request);
        var deleteOptions = await DeleteOptionsAsync(http, ct).ConfigureAwait(false);
        var query = http.Request.Query;
        var selection = Selection.Parse(
            type.Key,
            query["labelSelector"].FirstOrDefault(),
            query["fieldSelector"].FirstOrDefault(),
            type.FieldName
        );
        var (objects, revision) = store.List(type.Key, @namespace);
        var items = new JsonArray();
        foreach (var stored in objects.Where(selection.Matches).ToList())
        {
            try
            {
                items.Add((JsonNode)writer.Delete(type, @namespace, stored.Name, deleteOptions?.Copy(), options).Object);
            }
            catch (ApiError e) when (e.Code == 404)
            {
                // Another client deleted it meanwhile.
            }
        }

        Answer.Warn(http, options.Warnings.Distinct());
        var list = new JsonObject
        {
            ["kind"] = type.Kind.ListKind.Length > 0 ? type.Kind.ListKind : type.Kind.Kind + "List",
            ["apiVersion"] = type.Kind.ApiVersion,
            ["metadata"] = new JsonObject { ["resourceVersion"] = revision.ToString(System.Globalization.CultureInfo.InvariantCulture) },
            ["items"] = items,
        };
        await Answer.JsonAsync(http, 200, list, ct).ConfigureAwait(false);
    }

    private static async Task<JsonObject?> DeleteOptionsAsync(HttpContext http, CancellationToken ct)
    {
        var body = await RequestBody.ReadAsync(http.Request, ct).ConfigureAwait(false);
        var options = body.IsEmpty ? [] : body.Object();
        var query = http.Request.Query;
        if (query["propagationPolicy"].FirstOrDefault() is { Length: > 0 } policy)
        {
            options["propagationPolicy"] = policy;
        }

        if (ListEndpoint.Number(query["gracePeriodSeconds"].FirstOrDefault(), "gracePeriodSeconds") is { } grace)
        {
            options["gracePeriodSeconds"] = grace;
        }

        return options;
    }

    private async Task ShowAsync(
        HttpContext http,
        int code,
        ResourceType type,
        JsonObject obj,
        Representation representation,
        CancellationToken ct
    ) => await Answer.JsonAsync(http, code, representation.Show(type, obj, time.GetUtcNow()), ct).ConfigureAwait(false);
}
