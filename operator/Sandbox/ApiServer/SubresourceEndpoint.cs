using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Merging;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Storage;
using Bursar.Sandbox.Values;
using Microsoft.AspNetCore.Http;

namespace Bursar.Sandbox.ApiServer;

/// <summary>Serves scale, binding, eviction, tokens, and reviews, which are not stored.</summary>
internal sealed class SubresourceEndpoint(ObjectStore store, ObjectWriter writer, TimeProvider time)
{
    private const int MaxConflicts = 64;
    private static readonly TypeSchema? ScaleSchema = BuiltInTypes.For("autoscaling/v1", "Scale");

    public static bool IsReview(RequestInfo info) =>
        info.Verb == "create"
        && info.Name.Length == 0
        && (info.Group, info.Resource)
            is
                (
                    "authorization.k8s.io",
                    "selfsubjectaccessreviews"
                        or "subjectaccessreviews"
                        or "localsubjectaccessreviews"
                        or "selfsubjectrulesreviews"
                )
                or
                ("authentication.k8s.io", "tokenreviews" or "selfsubjectreviews");

    /// <summary>Allows every request, because roles are stored but not enforced.</summary>
    public async Task ReviewAsync(HttpContext http, RequestInfo info, CancellationToken ct)
    {
        var body = await RequestBody.ReadAsync(http.Request, ct).ConfigureAwait(false);
        var review = body.Object();
        review.Child("metadata").Default("creationTimestamp", null);
        review["status"] = info.Resource switch
        {
            "selfsubjectrulesreviews" => new JsonObject
            {
                ["resourceRules"] = new JsonArray(
                    (JsonNode)
                        new JsonObject
                        {
                            ["verbs"] = new JsonArray("*"),
                            ["apiGroups"] = new JsonArray("*"),
                            ["resources"] = new JsonArray("*"),
                        }
                ),
                ["nonResourceRules"] = new JsonArray(
                    (JsonNode)new JsonObject { ["verbs"] = new JsonArray("*"), ["nonResourceURLs"] = new JsonArray("*") }
                ),
                ["incomplete"] = false,
            },
            "selfsubjectreviews" => new JsonObject { ["userInfo"] = User() },
            "tokenreviews" => new JsonObject { ["authenticated"] = true, ["user"] = User() },
            _ => new JsonObject { ["allowed"] = true },
        };
        await Answer.JsonAsync(http, 201, review, ct).ConfigureAwait(false);
    }

    public async Task ScaleAsync(HttpContext http, RequestInfo info, ResourceType type, CancellationToken ct)
    {
        var kind = type.Kind;
        var paths = kind.Scale!;
        switch (info.Verb)
        {
            case "get":
                var stored = store.Get(type.Key, info.Namespace, info.Name) ?? throw ApiError.NotFound(kind.Group, kind.Plural, info.Name);
                await Answer.JsonAsync(http, 200, Scale(type.Read(stored), paths), ct).ConfigureAwait(false);
                return;
            case "update" or "patch":
                break;
            default:
                throw ApiError.MethodNotAllowed();
        }

        var options = WriteOptions.From(http.Request);
        var body = await RequestBody.ReadAsync(http.Request, ct).ConfigureAwait(false);
        Func<JsonObject, JsonObject> change;
        if (info.Verb == "update")
        {
            var given = body.Object();
            change = _ => given.Copy();
        }
        else if (body.MediaType.StartsWith("application/apply-patch", StringComparison.Ordinal))
        {
            var config = body.Yaml() as JsonObject ?? throw ApiError.BadRequest("error decoding YAML: a mapping is expected");
            change = current => (JsonObject)MergePatch.Apply(current, config)!;
        }
        else
        {
            change = ResourceEndpoint.Patch(type, body, ScaleSchema);
        }

        var updated = writer.Update(
            type,
            info.Namespace,
            info.Name,
            "scale",
            current =>
            {
                var before = Scale(current, paths);
                var after = change(before.Copy());
                if (after.Text("kind") is { Length: > 0 } and not "Scale")
                {
                    throw ApiError.BadRequest($"cannot handle a {after.Text("kind")} as a Scale");
                }

                if (after.Text("metadata", "uid") is { Length: > 0 } uid && uid != current.Text("metadata", "uid"))
                {
                    throw ApiError.Conflict(
                        kind.Group,
                        kind.Plural,
                        info.Name,
                        $"Precondition failed: UID in precondition: {uid}, UID in object meta: {current.Text("metadata", "uid")}"
                    );
                }

                var replicas = after.Integer("spec", "replicas") ?? 0;
                if (replicas < 0)
                {
                    throw ApiError.Invalid(
                        "autoscaling",
                        "Scale",
                        info.Name,
                        [FieldCause.Invalid("spec.replicas", JsonValue.Create(replicas), "must be greater than or equal to 0")]
                    );
                }

                Set(current, paths.SpecReplicas, replicas);
                if (after.Text("metadata", "resourceVersion") is { } version)
                {
                    current.Child("metadata")["resourceVersion"] = version;
                }

                return current;
            },
            body.Duplicates,
            options
        );
        await Answer.JsonAsync(http, 200, Scale(updated, paths), ct).ConfigureAwait(false);
    }

    public async Task BindAsync(HttpContext http, RequestInfo info, ResourceType type, CancellationToken ct)
    {
        var body = await RequestBody.ReadAsync(http.Request, ct).ConfigureAwait(false);
        var binding = body.Object();
        var node = binding.Text("target", "name") ?? "";
        if (node.Length == 0)
        {
            throw ApiError.Invalid("", "Binding", info.Name, [FieldCause.Required("target.name")]);
        }

        var now = Json.Timestamp(time.GetUtcNow());
        for (var attempt = 0; attempt < MaxConflicts; attempt++)
        {
            var stored = store.Get(type.Key, info.Namespace, info.Name) ?? throw ApiError.NotFound("", "pods", info.Name);
            var pod = stored.Parse();
            if (stored.IsTerminating)
            {
                throw ApiError.Conflict("", "pods/binding", info.Name, $"pod {info.Name} is being deleted, cannot be assigned to a host");
            }

            if (pod.Text("spec", "nodeName") is { Length: > 0 } bound)
            {
                throw ApiError.Conflict("", "pods/binding", info.Name, $"pod {info.Name} is already assigned to node \"{bound}\"");
            }

            pod.Child("spec")["nodeName"] = node;
            var conditions = pod.Child("status").At("conditions") as JsonArray;
            if (conditions is null)
            {
                pod.Child("status")["conditions"] = conditions = [];
            }

            foreach (var old in conditions.OfType<JsonObject>().Where(c => c.Text("type") == "PodScheduled").ToList())
            {
                conditions.Remove(old);
            }

            conditions.Add(
                (JsonNode)
                    new JsonObject
                    {
                        ["type"] = "PodScheduled",
                        ["status"] = "True",
                        ["lastProbeTime"] = null,
                        ["lastTransitionTime"] = now,
                    }
            );
            if (store.Replace(type.Key, stored, pod) is not null)
            {
                await Answer
                    .JsonAsync(
                        http,
                        201,
                        new JsonObject
                        {
                            ["kind"] = "Status",
                            ["apiVersion"] = "v1",
                            ["metadata"] = new JsonObject(),
                            ["status"] = "Success",
                            ["code"] = 201,
                        },
                        ct
                    )
                    .ConfigureAwait(false);
                return;
            }
        }

        throw ApiError.Modified("", "pods", info.Name);
    }

    public async Task EvictAsync(HttpContext http, RequestInfo info, ResourceType type, CancellationToken ct)
    {
        var body = await RequestBody.ReadAsync(http.Request, ct).ConfigureAwait(false);
        var eviction = body.Object();
        var pod = store.Get(type.Key, info.Namespace, info.Name) ?? throw ApiError.NotFound("", "pods", info.Name);
        var (budgets, _) = store.List(new ResourceKey("policy", "poddisruptionbudgets"), info.Namespace);
        foreach (var budget in budgets.Select(b => b.Parse()))
        {
            var labels = string.Join(
                ',',
                (budget.At("spec", "selector", "matchLabels") as JsonObject ?? []).Select(l => $"{l.Key}={l.Value.Text()}")
            );
            if (
                labels.Length > 0
                && Selection.Parse(type.Key, labels, null).Matches(pod)
                && budget.Integer("status", "disruptionsAllowed") is null or 0
            )
            {
                throw new ApiError(
                    429,
                    "TooManyRequests",
                    "Cannot evict pod as it would violate the pod's disruption budget.",
                    new JsonObject
                    {
                        ["causes"] = new JsonArray(
                            (JsonNode)
                                new JsonObject
                                {
                                    ["reason"] = "DisruptionBudget",
                                    ["message"] =
                                        $"The disruption budget {budget.Text("metadata", "name")} needs healthy pods and allows none to go now",
                                }
                        ),
                    }
                );
            }
        }

        writer.Delete(type, info.Namespace, info.Name, eviction.At("deleteOptions") as JsonObject, WriteOptions.From(http.Request));
        await Answer
            .JsonAsync(
                http,
                201,
                new JsonObject
                {
                    ["kind"] = "Status",
                    ["apiVersion"] = "v1",
                    ["metadata"] = new JsonObject(),
                    ["status"] = "Success",
                    ["code"] = 201,
                },
                ct
            )
            .ConfigureAwait(false);
    }

    public async Task TokenAsync(HttpContext http, RequestInfo info, ResourceType type, CancellationToken ct)
    {
        var body = await RequestBody.ReadAsync(http.Request, ct).ConfigureAwait(false);
        var request = body.Object();
        _ = store.Get(type.Key, info.Namespace, info.Name) ?? throw ApiError.NotFound("", "serviceaccounts", info.Name);
        var seconds = request.Integer("spec", "expirationSeconds") ?? 3600;
        if (seconds < 600)
        {
            throw ApiError.Invalid(
                "authentication.k8s.io",
                "TokenRequest",
                "",
                [FieldCause.Invalid("spec.expirationSeconds", JsonValue.Create(seconds), "may not specify a duration less than 10 minutes")]
            );
        }

        var expires = time.GetUtcNow().AddSeconds(seconds);
        request["apiVersion"] = "authentication.k8s.io/v1";
        request["kind"] = "TokenRequest";
        request.Child("spec")["expirationSeconds"] = seconds;
        request.Child("spec").Default("audiences", new JsonArray("https://kubernetes.default.svc"));
        request["status"] = new JsonObject
        {
            // Like a JWT, but unsigned, because the Sandbox accepts only its own token.
            ["token"] =
                $"{Part($"{{\"alg\":\"none\"}}")}.{Part($"{{\"sub\":\"system:serviceaccount:{info.Namespace}:{info.Name}\",\"exp\":{expires.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture)}}}")}.sandbox",
            ["expirationTimestamp"] = Json.Timestamp(expires),
        };
        await Answer.JsonAsync(http, 201, request, ct).ConfigureAwait(false);

        static string Part(string text) =>
            Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(text)).TrimEnd('=').Replace('+', '-').Replace('/', '_');
    }

    private static JsonObject User() =>
        new() { ["username"] = "sandbox-admin", ["groups"] = new JsonArray("system:masters", "system:authenticated") };

    private static JsonObject Scale(JsonObject obj, ScalePaths paths)
    {
        var scale = new JsonObject
        {
            ["kind"] = "Scale",
            ["apiVersion"] = "autoscaling/v1",
            ["metadata"] = new JsonObject
            {
                ["name"] = obj.Text("metadata", "name"),
                ["namespace"] = obj.Text("metadata", "namespace"),
                ["uid"] = obj.Text("metadata", "uid"),
                ["resourceVersion"] = obj.Text("metadata", "resourceVersion"),
                ["creationTimestamp"] = obj.Text("metadata", "creationTimestamp"),
            },
            ["spec"] = new JsonObject(),
            ["status"] = new JsonObject { ["replicas"] = obj.Integer(Keys(paths.StatusReplicas)) ?? 0 },
        };
        if (obj.Integer(Keys(paths.SpecReplicas)) is { } replicas)
        {
            scale.Child("spec")["replicas"] = replicas;
        }

        var selector = paths.LabelSelector is null ? null : obj.At(Keys(paths.LabelSelector));
        if ((selector is JsonObject structured ? SelectorText(structured) : selector.Text()) is { Length: > 0 } text)
        {
            scale.Child("status")["selector"] = text;
        }

        return scale;
    }

    private static string SelectorText(JsonObject selector)
    {
        var terms = (selector.At("matchLabels") as JsonObject ?? [])
            .OrderBy(l => l.Key, StringComparer.Ordinal)
            .Select(l => $"{l.Key}={l.Value.Text()}")
            .ToList();
        foreach (var expression in selector.Objects("matchExpressions"))
        {
            var key = expression.Text("key");
            var values = string.Join(',', (expression.At("values") as JsonArray ?? []).Select(v => v.Text()));
            terms.Add(
                expression.Text("operator") switch
                {
                    "In" => $"{key} in ({values})",
                    "NotIn" => $"{key} notin ({values})",
                    "Exists" => key ?? "",
                    _ => $"!{key}",
                }
            );
        }

        return string.Join(',', terms);
    }

    private static string[] Keys(string path) => path.Split('.', StringSplitOptions.RemoveEmptyEntries);

    private static void Set(JsonObject obj, string path, long value)
    {
        var keys = Keys(path);
        foreach (var key in keys.AsSpan(0, keys.Length - 1))
        {
            obj = obj.Child(key);
        }

        obj[keys[^1]] = value;
    }
}
