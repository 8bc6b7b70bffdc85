using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Sandbox.Merging;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Storage;
using Bursar.Sandbox.Validation;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.ApiServer;

/// <summary>
/// Executes every change of an object: decode, default, validate, record field ownership, store. Concurrency is optimistic: after a
/// concurrent write, the change is repeated on the newer object.
/// </summary>
internal sealed class ObjectWriter(ObjectStore store, KindRegistry kinds, TimeProvider time, Random random)
{
    private const int MaxAttempts = 64;
    private const string NameAlphabet = "bcdfghjklmnpqrstvwxz2456789";
    private int _serviceAddress = 10;

    /// <summary>Called after each write of a CRD, so that its kinds are served before the client gets the response.</summary>
    public Action<JsonObject>? CrdWritten { get; set; }

    public JsonObject Create(ResourceType type, string @namespace, JsonObject obj, List<string> duplicates, WriteOptions options)
    {
        var kind = type.Kind;
        var metadata = Head(type, @namespace, obj);
        RequireNamespace(type, @namespace, metadata.Text("name") ?? "");
        if (metadata.Text("resourceVersion") is { Length: > 0 })
        {
            throw ApiError.BadRequest("resourceVersion should not be set on objects to be created");
        }

        var generate = metadata.Text("generateName");
        for (var attempt = 0; ; attempt++)
        {
            var candidate = obj.Copy();
            if (string.IsNullOrEmpty(metadata.Text("name")) && !string.IsNullOrEmpty(generate))
            {
                candidate.Child("metadata")["name"] = generate[..Math.Min(generate.Length, 58)] + Suffix();
            }

            candidate = PrepareCreate(type, candidate, duplicates, attempt == 0 ? options : options with { FieldValidation = "Ignore" });
            if (options.Manager.Length > 0)
            {
                var before = new JsonObject { ["apiVersion"] = kind.ApiVersion, ["kind"] = kind.Kind };
                candidate.Child("metadata").Remove("managedFields");
                ManagedFields.RecordUpdate(
                    before,
                    candidate,
                    type.Schema,
                    new FieldManager(options.Manager, kind.ApiVersion, ""),
                    time.GetUtcNow()
                );
            }

            var name = candidate.Text("metadata", "name")!;
            if (Commit(type, @namespace, name, candidate, options) is { } created)
            {
                return created;
            }

            if (string.IsNullOrEmpty(generate) || attempt >= 8)
            {
                throw ApiError.AlreadyExists(kind.Group, kind.Plural, name);
            }
        }
    }

    /// <summary>Replaces an object with the result of <paramref name="change"/>.</summary>
    public JsonObject Update(
        ResourceType type,
        string @namespace,
        string name,
        string subresource,
        Func<JsonObject, JsonObject> change,
        List<string> duplicates,
        WriteOptions options,
        bool createsWhenAbsent = false
    )
    {
        var kind = type.Kind;
        return Change(type, @namespace, name, subresource, options, createsWhenAbsent, (current, prepare) =>
        {
            var next = change(current.Copy());
            Head(type, @namespace, next);
            if (next.Text("metadata", "name") is { } written && written != name)
            {
                throw ApiError.BadRequest($"the name of the object ({written}) does not match the name on the URL ({name})");
            }

            var version = next.Text("metadata", "resourceVersion") ?? "";
            if (version.Length > 0 && version != "0" && version != current.Text("metadata", "resourceVersion"))
            {
                if (!version.All(char.IsAsciiDigit))
                {
                    throw ApiError.Invalid(
                        kind.Group,
                        kind.Kind,
                        name,
                        [
                            FieldCause.Invalid(
                                "metadata.resourceVersion",
                                JsonValue.Create(version),
                                "strconv.ParseUint: parsing " + Json.Quote(version) + ": invalid syntax"
                            ),
                        ]
                    );
                }

                throw ApiError.Modified(kind.Group, kind.Plural, name);
            }

            var forgets = next.At("metadata", "managedFields") is JsonArray { Count: 1 } fields && fields[0] is JsonObject { Count: 0 };
            var prepared = prepare(next, duplicates);
            if (forgets)
            {
                prepared.Child("metadata").Remove("managedFields");
            }
            else if (options.Manager.Length > 0)
            {
                ManagedFields.RecordUpdate(
                    current,
                    prepared,
                    type.Schema,
                    new FieldManager(options.Manager, kind.ApiVersion, subresource),
                    time.GetUtcNow()
                );
            }

            return prepared;
        });
    }

    /// <summary>Executes a server-side apply, which creates the object if it does not exist.</summary>
    public (JsonObject Object, bool Created) Apply(
        ResourceType type,
        string @namespace,
        string name,
        string subresource,
        JsonObject config,
        List<string> duplicates,
        WriteOptions options
    )
    {
        var kind = type.Kind;
        Head(type, @namespace, config);
        if (config.At("metadata", "managedFields") is JsonArray { Count: > 0 })
        {
            throw ApiError.BadRequest("metadata.managedFields must be nil");
        }

        if (config.Text("metadata", "name") is { } written && written != name)
        {
            throw ApiError.BadRequest($"the name of the object ({written}) does not match the name on the URL ({name})");
        }

        config.Child("metadata")["name"] = name;
        if (kind.Namespaced)
        {
            config.Child("metadata")["namespace"] = @namespace;
        }

        RefuseUnknown(type, config, duplicates, options, apply: true);
        SchemaDefaults.DropNulls(config, type.Schema, kind.IsCustom);
        if (kind.HasStatus)
        {
            if (subresource == "status")
            {
                foreach (
                    var key in config.Select(p => p.Key).Where(k => k is not ("apiVersion" or "kind" or "metadata" or "status")).ToList()
                )
                {
                    config.Remove(key);
                }
            }
            else
            {
                config.Remove("status");
            }
        }

        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            if (store.Get(type.Key, @namespace, name) is not null)
            {
                var manager = new FieldManager(options.Manager, kind.ApiVersion, subresource);
                try
                {
                    return (Change(type, @namespace, name, subresource, options, false, (current, prepare) =>
                        {
                            if (config.Text("metadata", "uid") is { Length: > 0 } uid && uid != current.Text("metadata", "uid"))
                            {
                                throw ApiError.Conflict(
                                    kind.Group,
                                    kind.Plural,
                                    name,
                                    $"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                                );
                            }

                            if (
                                config.Text("metadata", "resourceVersion") is { Length: > 0 } version
                                && version != current.Text("metadata", "resourceVersion")
                            )
                            {
                                throw ApiError.Modified(kind.Group, kind.Plural, name);
                            }

                            return ManagedFields.Apply(current, config, type.Schema, manager, options.Force, time.GetUtcNow(), merged =>
                                prepare(merged, [])
                            );
                        }), false);
                }
                catch (ApiError e) when (e.Code == 404 && subresource.Length == 0)
                {
                    continue;
                }
            }

            if (subresource.Length > 0)
            {
                throw ApiError.NotFound(kind.Group, kind.Plural, name);
            }

            if (config.Text("metadata", "uid") is { Length: > 0 } wanted)
            {
                throw ApiError.Conflict(
                    kind.Group,
                    kind.Plural,
                    name,
                    $"uid mismatch: the provided object specified uid {wanted}, and no existing object was found"
                );
            }

            RequireNamespace(type, @namespace, name);
            var created = ManagedFields.Apply(
                null,
                config,
                type.Schema,
                new FieldManager(options.Manager, kind.ApiVersion, ""),
                true,
                time.GetUtcNow(),
                merged => PrepareCreate(type, merged, [], options)
            );
            if (Commit(type, @namespace, name, created, options) is { } committed)
            {
                return (committed, true);
            }
        }

        throw ApiError.Modified(kind.Group, kind.Plural, name);
    }

    /// <summary>
    /// Deletes an object, or sets its deletion timestamp if finalizers or a grace period delay the deletion. <c>Gone</c> is true if it was
    /// deleted.
    /// </summary>
    public (JsonObject Object, bool Gone) Delete(
        ResourceType type,
        string @namespace,
        string name,
        JsonObject? deleteOptions,
        WriteOptions options
    )
    {
        var kind = type.Kind;
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            var stored = store.Get(type.Key, @namespace, name) ?? throw ApiError.NotFound(kind.Group, kind.Plural, name);
            var current = type.Read(stored);
            CheckPreconditions(kind, name, current, deleteOptions);
            var next = current.Copy();
            var metadata = next.Child("metadata");
            Finalizers(type, metadata, deleteOptions, options);
            if (
                type.Key == new ResourceKey("apiextensions.k8s.io", "customresourcedefinitions")
                && metadata.Text("deletionTimestamp") is null
            )
            {
                AddFinalizer(metadata, "customresourcecleanup.apiextensions.k8s.io");
            }

            var grace = Grace(kind, current, deleteOptions);
            var held =
                metadata.At("finalizers") is JsonArray { Count: > 0 }
                || (kind is { Group: "", Kind: "Namespace" } && next.At("spec", "finalizers") is JsonArray { Count: > 0 });
            if (!held && grace == 0)
            {
                if (options.DryRun)
                {
                    return (current, true);
                }

                if (metadata.Text("deletionTimestamp") is not null)
                {
                    metadata["deletionGracePeriodSeconds"] = 0;
                }

                if (store.Remove(type.Key, stored, type.ToStorage(next)) is { } removed)
                {
                    return (type.Read(removed), true);
                }

                continue;
            }

            var already = metadata.Integer("deletionGracePeriodSeconds");
            if (metadata.Text("deletionTimestamp") is null || grace < already)
            {
                if (metadata.Text("deletionTimestamp") is null && type.HasGeneration && metadata.Integer("generation") is { } generation)
                {
                    metadata["generation"] = generation + 1;
                }

                metadata["deletionTimestamp"] = Json.Timestamp(time.GetUtcNow().AddSeconds(grace));
                metadata["deletionGracePeriodSeconds"] = grace;
            }

            if (kind is { Group: "", Kind: "Namespace" })
            {
                next.Child("status")["phase"] = "Terminating";
            }

            if (Json.Same(current, next) || options.DryRun)
            {
                return (next, false);
            }

            if (store.Replace(type.Key, stored, type.ToStorage(next)) is { } marked)
            {
                return (type.Read(marked), false);
            }
        }

        throw ApiError.Modified(kind.Group, kind.Plural, name);
    }

    private delegate JsonObject Prepare(JsonObject next, List<string> duplicates);

    private JsonObject Change(
        ResourceType type,
        string @namespace,
        string name,
        string subresource,
        WriteOptions options,
        bool createsWhenAbsent,
        Func<JsonObject, Prepare, JsonObject> step
    )
    {
        var kind = type.Kind;
        for (var attempt = 0; attempt < MaxAttempts; attempt++)
        {
            var stored = store.Get(type.Key, @namespace, name);
            if (stored is null)
            {
                throw createsWhenAbsent
                    ? ApiError.NotFound(kind.Group, kind.Plural, name)
                    : ApiError.NotFound(kind.Group, kind.Plural, name);
            }

            var current = type.Read(stored);
            var round = attempt;
            var next = step(current, (n, duplicates) =>
                PrepareUpdate(type, subresource, current, n, duplicates, round == 0 ? options : options with { FieldValidation = "Ignore" })
            );
            if (Json.Same(current, next))
            {
                return current;
            }

            var released =
                current.Text("metadata", "deletionTimestamp") is not null
                && next.At("metadata", "finalizers") is not JsonArray { Count: > 0 }
                && next.Integer("metadata", "deletionGracePeriodSeconds") is null or 0
                && !(kind is { Group: "", Kind: "Namespace" } && next.At("spec", "finalizers") is JsonArray { Count: > 0 });
            if (options.DryRun)
            {
                return next;
            }

            if (released)
            {
                if (store.Remove(type.Key, stored, type.ToStorage(next)) is { } removed)
                {
                    return type.Read(removed);
                }
            }
            else if (store.Replace(type.Key, stored, type.ToStorage(next)) is { } replaced)
            {
                return AfterCommit(type, replaced);
            }
        }

        throw ApiError.Modified(kind.Group, kind.Plural, name);
    }

    private JsonObject? Commit(ResourceType type, string @namespace, string name, JsonObject obj, WriteOptions options)
    {
        if (options.DryRun)
        {
            return store.Get(type.Key, @namespace, name) is null ? obj : null;
        }

        if (store.Create(type.Key, @namespace, name, type.ToStorage(obj)) is not { } created)
        {
            return null;
        }

        if (type.Kind is { Group: "", Kind: "Namespace" } && kinds.Find("", "v1", "serviceaccounts") is { } accounts)
        {
            // On a real cluster a controller creates it a moment later.
            Create(
                ResourceType.From(accounts),
                name,
                new JsonObject { ["metadata"] = new JsonObject { ["name"] = "default" } },
                [],
                WriteOptions.Internal
            );
        }

        return AfterCommit(type, created);
    }

    private JsonObject AfterCommit(ResourceType type, StoredObject stored)
    {
        var obj = type.Read(stored);
        if (type.Kind is { Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition" })
        {
            CrdWritten?.Invoke(obj.Copy());
        }

        return obj;
    }

    /// <summary>Checks apiVersion, kind and namespace of a body against the request and returns its metadata.</summary>
    private static JsonObject Head(ResourceType type, string @namespace, JsonObject obj)
    {
        var kind = type.Kind;
        var apiVersion = obj.Text("apiVersion") ?? "";
        var name = obj.Text("kind") ?? "";
        if (kind.IsCustom && (name.Length == 0 || apiVersion.Length == 0))
        {
            throw ApiError.BadRequest(
                name.Length == 0
                    ? $"Object 'Kind' is missing in '{Json.ToText(obj)}'"
                    : $"Object 'apiVersion' is missing in '{Json.ToText(obj)}'"
            );
        }

        if ((name.Length > 0 && name != kind.Kind) || (apiVersion.Length > 0 && apiVersion != kind.ApiVersion))
        {
            throw name.Length > 0 && name != kind.Kind
                ? ApiError.BadRequest(
                    $"{name} in version \"{apiVersion.Split('/')[^1]}\" cannot be handled as a {kind.Kind}: expected {kind.ApiVersion}, Kind={kind.Kind}"
                )
                : ApiError.BadRequest(
                    $"the API version in the data ({apiVersion}) does not match the expected API version ({kind.ApiVersion})"
                );
        }

        obj["apiVersion"] = kind.ApiVersion;
        obj["kind"] = kind.Kind;
        if (obj.At("metadata") is not (null or JsonObject))
        {
            throw ApiError.BadRequest(
                $"{kind.Kind} in version \"{kind.Version}\" cannot be handled as a {kind.Kind}: json: cannot unmarshal string into Go struct field {kind.Kind}.metadata of type v1.ObjectMeta"
            );
        }

        var metadata = obj.Child("metadata");
        var written = metadata.Text("namespace") ?? "";
        if (kind.Namespaced)
        {
            if (written.Length > 0 && written != @namespace)
            {
                throw ApiError.BadRequest($"the namespace of the provided object does not match the namespace sent on the request");
            }

            metadata["namespace"] = @namespace;
        }
        else
        {
            metadata.Remove("namespace");
        }

        return metadata;
    }

    private void RequireNamespace(ResourceType type, string @namespace, string name)
    {
        if (!type.Kind.Namespaced)
        {
            return;
        }

        var found = store.Get(new ResourceKey("", "namespaces"), "", @namespace) ?? throw ApiError.NotFound("", "namespaces", @namespace);
        if (found.IsTerminating)
        {
            var error = ApiError.Forbidden(
                type.Kind.Group,
                type.Kind.Plural,
                name,
                $"unable to create new content in namespace {@namespace} because it is being terminated"
            );
            (error.Details ?? [])["causes"] = new JsonArray(
                (JsonNode)
                    new JsonObject
                    {
                        ["reason"] = "NamespaceTerminating",
                        ["message"] = $"namespace {@namespace} is being terminated",
                        ["field"] = "metadata.namespace",
                    }
            );
            throw error;
        }
    }

    private void RefuseUnknown(ResourceType type, JsonObject obj, List<string> duplicates, WriteOptions options, bool apply = false)
    {
        var kind = type.Kind;
        if (!kind.IsCustom)
        {
            BuiltInDecoding.Check(obj, kind);
        }

        // Server-side apply refuses unknown fields even if decoding would ignore them.
        var unknown = UnknownFields.Prune(obj, type.Schema);
        var problems = duplicates
            .Select(d => $"duplicate field {Json.Quote(d)}")
            .Concat(unknown.Select(u => $"unknown field {Json.Quote(u)}"))
            .ToList();
        if (problems.Count == 0 || options.FieldValidation == "Ignore")
        {
            return;
        }

        if (options.FieldValidation == "Strict")
        {
            var text = $"strict decoding error: {string.Join(", ", problems)}";
            throw ApiError.BadRequest(
                kind.IsCustom || apply ? text : $"{kind.Kind} in version \"{kind.Version}\" cannot be handled as a {kind.Kind}: {text}"
            );
        }

        options.Warnings.AddRange(problems);
    }

    private JsonObject PrepareCreate(ResourceType type, JsonObject obj, List<string> duplicates, WriteOptions options)
    {
        var kind = type.Kind;
        RefuseUnknown(type, obj, duplicates, options);
        SchemaDefaults.DropNulls(obj, type.Schema, kind.IsCustom);
        var metadata = obj.Child("metadata");
        var uid = Guid(random);
        metadata["uid"] = uid;
        metadata["creationTimestamp"] = Json.Timestamp(time.GetUtcNow());
        foreach (var field in (string[])["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion", "generation"])
        {
            metadata.Remove(field);
        }

        if (type.HasGeneration)
        {
            metadata["generation"] = 1;
        }

        if (kind.HasStatus && kind is not { Group: "", Kind: "Node" })
        {
            obj.Remove("status");
        }

        SchemaDefaults.Apply(obj, type.Schema);
        if (!kind.IsCustom)
        {
            BuiltInDefaults.Apply(kind, obj);
            Canonical(obj, type.Schema);
            Initial(kind, obj, uid);
            if (kind.HasStatus)
            {
                obj.Default("status", new JsonObject());
            }
        }

        var errors = MetadataRules.Validate(kind, obj, creating: true);
        errors.AddRange(kind.IsCustom ? RuleValidator.Validate(obj, before: null, type.Schema, warnings: []) : KindRules.Create(kind, obj));
        Crd(kind, obj, errors);
        Refuse(kind, obj, errors);
        return Ordered(kind, obj);
    }

    private JsonObject PrepareUpdate(
        ResourceType type,
        string subresource,
        JsonObject before,
        JsonObject next,
        List<string> duplicates,
        WriteOptions options
    )
    {
        var kind = type.Kind;
        var name = before.Text("metadata", "name")!;
        RefuseUnknown(type, next, duplicates, options);
        SchemaDefaults.DropNulls(next, type.Schema, kind.IsCustom);
        var metadata = next.Child("metadata");
        if (metadata.Text("uid") is { Length: > 0 } uid && uid != before.Text("metadata", "uid"))
        {
            throw ApiError.Conflict(
                kind.Group,
                kind.Plural,
                name,
                $"Precondition failed: UID in precondition: {uid}, UID in object meta: {before.Text("metadata", "uid")}"
            );
        }

        foreach (
            var field in (string[])
                [
                    "name",
                    "namespace",
                    "uid",
                    "creationTimestamp",
                    "deletionTimestamp",
                    "deletionGracePeriodSeconds",
                    "generation",
                    "resourceVersion",
                    "managedFields",
                    "generateName",
                    "selfLink",
                ]
        )
        {
            if (before.At("metadata", field) is { } kept)
            {
                metadata[field] = kept.DeepClone();
            }
            else
            {
                metadata.Remove(field);
            }
        }

        if (subresource == "status")
        {
            var written = next;
            next = before.Copy();
            CopyField(next, written, "status");
            if (!kind.IsCustom)
            {
                CopyField(next.Child("metadata"), written.Child("metadata"), "annotations");
                CopyField(next.Child("metadata"), written.Child("metadata"), "finalizers");
            }
        }
        else if (kind.HasStatus)
        {
            CopyField(next, before, "status");
        }

        if (kind is { Group: "", Kind: "Namespace" } && subresource != "finalize")
        {
            CopyField(next, before, "spec");
        }

        SchemaDefaults.Apply(next, type.Schema);
        if (!kind.IsCustom)
        {
            if (kind is { Group: "", Kind: "Service" })
            {
                KeepAddresses(before, next);
            }

            if (kind is { Group: "batch", Kind: "Job" } && next.At("spec") is JsonObject spec)
            {
                spec.Default("selector", before.At("spec", "selector")?.DeepClone());
                JobLabels(next, before.Text("metadata", "uid")!, before);
            }

            if (kind is { Group: "", Kind: "Pod" } && next.At("spec") is JsonObject podSpec)
            {
                foreach (
                    var field in (string[])
                        [
                            "serviceAccountName",
                            "serviceAccount",
                            "priority",
                            "preemptionPolicy",
                            "enableServiceLinks",
                            "nodeName",
                            "tolerations",
                        ]
                )
                {
                    podSpec.Default(field, before.At("spec", field)?.DeepClone());
                }
            }

            BuiltInDefaults.Apply(kind, next);
            Canonical(next, type.Schema);
        }

        var errors = MetadataRules.Validate(kind, next, creating: false);
        if (before.Text("metadata", "deletionTimestamp") is not null)
        {
            var had = (before.At("metadata", "finalizers") as JsonArray ?? []).Select(f => f.Text()).ToHashSet();
            var added = (next.At("metadata", "finalizers") as JsonArray ?? []).Select(f => f.Text()).Where(f => !had.Contains(f)).ToList();
            if (added.Count > 0)
            {
                errors.Add(
                    FieldCause.Forbidden(
                        "metadata.finalizers",
                        $"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{string.Join(", ", added.Select(a => Json.Quote(a ?? "")))}}}"
                    )
                );
            }
        }

        if (kind.IsCustom)
        {
            errors.AddRange(
                RuleValidator.Validate(
                    next,
                    before,
                    type.Schema,
                    ReferenceEquals(options.Warnings, WriteOptions.Internal.Warnings) ? [] : options.Warnings
                )
            );
        }
        else if (subresource is "" or "scale")
        {
            errors.AddRange(KindRules.Update(kind, before, next));
            Crd(kind, next, errors);
        }

        Refuse(kind, next, errors);
        if (type.HasGeneration && !SameSpec(kind, before, next))
        {
            next.Child("metadata")["generation"] = (before.Integer("metadata", "generation") ?? 0) + 1;
        }

        return Ordered(kind, next);
    }

    private static void CopyField(JsonObject target, JsonObject source, string key)
    {
        if (source.At(key) is { } value)
        {
            target[key] = value.DeepClone();
        }
        else
        {
            target.Remove(key);
        }
    }

    private static bool SameSpec(KindInfo kind, JsonObject before, JsonObject next)
    {
        if (
            kind is { Group: "apps", Kind: "Deployment" }
            && !Json.Same(before.At("metadata", "annotations"), next.At("metadata", "annotations"))
        )
        {
            // Annotations of a Deployment change its generation, because its controller copies them.
            return false;
        }

        foreach (var key in before.Select(p => p.Key).Union(next.Select(p => p.Key)))
        {
            if (key is "metadata" or "apiVersion" or "kind" || (key == "status" && kind.HasStatus))
            {
                continue;
            }

            if (!Json.Same(before.At(key), next.At(key)))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Puts apiVersion, kind and metadata first, so that the stored bytes of a version have the same prefix.</summary>
    private static JsonObject Ordered(KindInfo kind, JsonObject obj)
    {
        var result = new JsonObject { ["apiVersion"] = kind.ApiVersion, ["kind"] = kind.Kind };
        var metadata = obj.At("metadata");
        obj.Remove("metadata");
        result["metadata"] = metadata;
        foreach (var (key, value) in obj.ToList())
        {
            if (key is "apiVersion" or "kind")
            {
                continue;
            }

            obj.Remove(key);
            result[key] = value;
        }

        return result;
    }

    private static void Refuse(KindInfo kind, JsonObject obj, List<FieldCause> errors)
    {
        if (errors.Count > 0)
        {
            throw ApiError.Invalid(kind.Group == "events.k8s.io" ? "" : kind.Group, kind.Kind, obj.Text("metadata", "name") ?? "", errors);
        }
    }

    private static void Crd(KindInfo kind, JsonObject obj, List<FieldCause> errors)
    {
        if (kind is not { Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition" } || errors.Count > 0)
        {
            return;
        }

        var problems = new List<string>();
        CustomKinds.FromCrd(obj, problems);
        foreach (var problem in problems)
        {
            var colon = problem.IndexOf(": ", StringComparison.Ordinal);
            var detail = problem[(colon + 2)..];
            var reason = detail.Split(' ')[0] switch
            {
                "Required" => "FieldValueRequired",
                "Unsupported" => "FieldValueNotSupported",
                "Forbidden:" => "FieldValueForbidden",
                _ => "FieldValueInvalid",
            };
            errors.Add(new FieldCause(colon < 0 ? "spec" : problem[..colon], reason, detail));
        }
    }

    /// <summary>Adds the fields that Kubernetes' admission and strategies set on a new object.</summary>
    private void Initial(KindInfo kind, JsonObject obj, string uid)
    {
        switch (kind.Group, kind.Kind)
        {
            case ("", "Namespace"):
                obj.Child("spec")["finalizers"] = new JsonArray("kubernetes");
                obj["status"] = new JsonObject { ["phase"] = "Active" };
                break;
            case ("", "Pod"):
                Pod(obj);
                break;
            case ("", "Service"):
                Address(obj.Child("spec"));
                obj["status"] = new JsonObject { ["loadBalancer"] = new JsonObject() };
                break;
            case ("batch", "Job"):
                JobLabels(obj, uid, null);
                break;
        }
    }

    private void Pod(JsonObject pod)
    {
        var spec = pod.Child("spec");
        spec.Default("serviceAccountName", "default");
        spec["serviceAccount"] = spec.Text("serviceAccountName");
        spec.Default("enableServiceLinks", true);
        var priority = 0L;
        var preemption = "PreemptLowerPriority";
        if (spec.Text("priorityClassName") is { Length: > 0 } className)
        {
            var found = store.Get(new ResourceKey("scheduling.k8s.io", "priorityclasses"), "", className)
                ?? throw ApiError.Forbidden(
                    "",
                    "pods",
                    pod.Text("metadata", "name") ?? "",
                    $"no PriorityClass with name {className} was found"
                );
            var parsed = found.Parse();
            priority = parsed.Integer("value") ?? 0;
            preemption = parsed.Text("preemptionPolicy") ?? preemption;
        }

        spec["priority"] = priority;
        spec["preemptionPolicy"] = preemption;
        var tolerations = spec.At("tolerations") as JsonArray;
        foreach (var key in (string[])["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"])
        {
            if (
                tolerations is null
                || !tolerations.Any(t => t.Text("key") == key || (t.Text("key") is null or "" && t.Text("operator") == "Exists"))
            )
            {
                spec["tolerations"] = tolerations ??= [];
                tolerations.Add(
                    (JsonNode)
                        new JsonObject
                        {
                            ["key"] = key,
                            ["operator"] = "Exists",
                            ["effect"] = "NoExecute",
                            ["tolerationSeconds"] = 300,
                        }
                );
            }
        }

        pod["status"] = new JsonObject { ["phase"] = "Pending", ["qosClass"] = QualityOfService(spec) };
    }

    private static string QualityOfService(JsonObject spec)
    {
        var any = false;
        var guaranteed = true;
        foreach (var container in spec.Objects("containers").Concat(spec.Objects("initContainers")))
        {
            foreach (var resource in (string[])["cpu", "memory"])
            {
                var request = container.Text("resources", "requests", resource);
                var limit = container.Text("resources", "limits", resource);
                any |= request is not null || limit is not null;
                guaranteed &= limit is not null && (request is null || request == limit);
            }
        }

        return !any ? "BestEffort"
            : guaranteed ? "Guaranteed"
            : "Burstable";
    }

    private static void JobLabels(JsonObject job, string uid, JsonObject? before)
    {
        var spec = job.Child("spec");
        if (spec.Flag("manualSelector") == true)
        {
            return;
        }

        if (before is not null)
        {
            // An update whose template lacks the generated labels does not remove them.
            if (before.At("spec", "template", "metadata", "labels", "batch.kubernetes.io/controller-uid") is null)
            {
                return;
            }
        }

        if (before is null)
        {
            spec["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["batch.kubernetes.io/controller-uid"] = uid } };
            var labels = spec.Child("template").Child("metadata").Child("labels");
            var name = job.Text("metadata", "name") ?? "";
            labels["batch.kubernetes.io/controller-uid"] = uid;
            labels["batch.kubernetes.io/job-name"] = name;
            labels["controller-uid"] = uid;
            labels["job-name"] = name;
        }
    }

    private void Address(JsonObject spec)
    {
        if (spec.Text("type") == "ExternalName" || spec.Text("clusterIP") is { Length: > 0 })
        {
            if (spec.Text("clusterIP") is { Length: > 0 } given)
            {
                spec.Default("clusterIPs", new JsonArray(given));
            }

            return;
        }

        var number = Interlocked.Increment(ref _serviceAddress);
        var address = string.Create(CultureInfo.InvariantCulture, $"10.{96 + (number >> 16 & 15)}.{number >> 8 & 255}.{number & 255}");
        spec["clusterIP"] = address;
        spec["clusterIPs"] = new JsonArray(address);
    }

    private static void KeepAddresses(JsonObject before, JsonObject next)
    {
        foreach (var field in (string[])["clusterIP", "clusterIPs"])
        {
            next.Child("spec").Default(field, before.At("spec", field)?.DeepClone());
        }
    }

    private static void Canonical(JsonNode? node, TypeSchema? schema)
    {
        switch (node)
        {
            case JsonObject obj when schema is not null:
                foreach (var (key, value) in obj.ToList())
                {
                    var type =
                        schema.Properties.TryGetValue(key, out var field) ? field.Type
                        : schema.Type == SchemaType.Map ? schema.Items
                        : null;
                    if (type?.Type == SchemaType.Quantity && value is JsonValue quantity)
                    {
                        var text = quantity.TryGetValue<string>(out var given) ? given : Json.ToText(quantity);
                        if (Quantities.TryParse(text, out var canonical) && (canonical != text || !quantity.TryGetValue<string>(out _)))
                        {
                            obj[key] = canonical;
                        }
                    }
                    else if (value is JsonObject or JsonArray)
                    {
                        Canonical(value, type);
                    }
                }

                break;
            case JsonArray list when schema?.Items is { } items:
                foreach (var item in list)
                {
                    Canonical(item, items);
                }

                break;
        }
    }

    private static void CheckPreconditions(KindInfo kind, string name, JsonObject current, JsonObject? options)
    {
        if (options.Text("preconditions", "uid") is { Length: > 0 } uid && uid != current.Text("metadata", "uid"))
        {
            throw ApiError.Conflict(
                kind.Group,
                kind.Kind,
                name,
                $"the UID in the precondition ({uid}) does not match the UID in record ({current.Text("metadata", "uid")}). The object might have been deleted and then recreated"
            );
        }

        if (
            options.Text("preconditions", "resourceVersion") is { Length: > 0 } version
            && version != current.Text("metadata", "resourceVersion")
        )
        {
            throw ApiError.Conflict(
                kind.Group,
                kind.Kind,
                name,
                $"the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({current.Text("metadata", "resourceVersion")}). The object might have been modified"
            );
        }
    }

    private static void Finalizers(ResourceType type, JsonObject metadata, JsonObject? deleteOptions, WriteOptions options)
    {
        var policy = deleteOptions.Text("propagationPolicy");
        if (policy is not (null or "" or "Orphan" or "Background" or "Foreground"))
        {
            throw ApiError.Invalid(
                "meta.k8s.io",
                "DeleteOptions",
                "",
                [FieldCause.NotSupported("propagationPolicy", JsonValue.Create(policy), ["\"Background\"", "\"Foreground\"", "\"Orphan\""])]
            );
        }

        if (deleteOptions.Flag("orphanDependents") is { } orphan)
        {
            policy ??= orphan ? "Orphan" : "Background";
        }

        var finalizers = metadata.At("finalizers") as JsonArray ?? [];
        var kept = finalizers.Select(f => f.Text() ?? "").ToList();
        if (string.IsNullOrEmpty(policy))
        {
            if (kept.Contains("orphan") || kept.Contains("foregroundDeletion"))
            {
                return;
            }

            if (type.Key != new ResourceKey("batch", "jobs") || ReferenceEquals(options, WriteOptions.Internal))
            {
                return;
            }

            options.Warnings.Add(
                "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning"
            );
            policy = "Orphan";
        }

        kept.RemoveAll(f => f is "orphan" or "foregroundDeletion");
        if (policy != "Background")
        {
            kept.Add(policy == "Orphan" ? "orphan" : "foregroundDeletion");
        }

        if (kept.Count > 0)
        {
            metadata["finalizers"] = new JsonArray([.. kept.Select(f => (JsonNode)f)]);
        }
        else
        {
            metadata.Remove("finalizers");
        }
    }

    private static void AddFinalizer(JsonObject metadata, string finalizer)
    {
        if (metadata.At("finalizers") is not JsonArray finalizers)
        {
            metadata["finalizers"] = finalizers = [];
        }

        if (!finalizers.Any(f => f.Text() == finalizer))
        {
            finalizers.Add((JsonNode)finalizer);
        }
    }

    private static long Grace(KindInfo kind, JsonObject current, JsonObject? options)
    {
        if (kind is not { Group: "", Kind: "Pod" })
        {
            return 0;
        }

        var grace = options.Integer("gracePeriodSeconds") ?? current.Integer("spec", "terminationGracePeriodSeconds") ?? 30;
        var unbound = string.IsNullOrEmpty(current.Text("spec", "nodeName"));
        return unbound || current.Text("status", "phase") is "Succeeded" or "Failed" ? 0 : Math.Max(0, grace);
    }

    private string Suffix()
    {
        lock (random)
        {
            return string.Create(5, random, static (span, r) =>
            {
                foreach (ref var c in span)
                {
                    c = NameAlphabet[r.Next(NameAlphabet.Length)];
                }
            });
        }
    }

    private static string Guid(Random random)
    {
        Span<byte> bytes = stackalloc byte[16];
        lock (random)
        {
            random.NextBytes(bytes);
        }

        bytes[6] = (byte)((bytes[6] & 0x0F) | 0x40);
        bytes[8] = (byte)((bytes[8] & 0x3F) | 0x80);
        return new Guid(bytes, bigEndian: true).ToString();
    }

    /// <summary>Returns the kind through which the server itself writes an object; null if it is not served.</summary>
    public ResourceType? TypeOf(ResourceKey key) =>
        kinds.FindAnyVersion(key.Group, key.Plural) is { } kind ? ResourceType.From(kind) : null;
}
