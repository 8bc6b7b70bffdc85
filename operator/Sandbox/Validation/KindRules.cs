using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Validation;

/// <summary>The rules of built-in kinds beyond their schema: required fields on create and immutable fields on update.</summary>
public static class KindRules
{
    // Required in the published schema, but Kubernetes' validation accepts a nil slice or a zero.
    private static readonly HashSet<string> Lenient =
    [
        "rules",
        "endpoints",
        "value",
        "addressType",
        "subjects",
        "reason",
        "reportingInstance",
        "action",
        "type",
        "disruptionsAllowed",
        "currentHealthy",
        "desiredHealthy",
        "expectedPods",
        "minAvailable",
        "metadata",
        "topologyKey",
        "status",
    ];

    public static List<FieldCause> Create(KindInfo kind, JsonObject obj)
    {
        var errors = new List<FieldCause>();
        Always(kind, obj, errors);
        if (kind is { Group: "events.k8s.io", Kind: "Event" } || (kind.Kind == "Event" && obj.Text("eventTime") is not null))
        {
            Event(kind, obj, errors);
        }

        return errors;
    }

    public static List<FieldCause> Update(KindInfo kind, JsonObject before, JsonObject after)
    {
        var errors = new List<FieldCause>();
        Always(kind, after, errors);
        switch (kind.Group, kind.Kind)
        {
            case ("resource.k8s.io", "ResourceClaim" or "ResourceClaimTemplate"):
                Immutable(before, after, errors, "spec");
                break;
            case ("", "Secret" or "ConfigMap"):
                if (before.Flag("immutable") == true)
                {
                    if (after.Flag("immutable") != true)
                    {
                        errors.Add(FieldCause.Forbidden("immutable", "field is immutable when `immutable` is set"));
                    }

                    foreach (var field in (string[])["data", "binaryData"])
                    {
                        if (!Json.Same(before.At(field), after.At(field)))
                        {
                            errors.Add(FieldCause.Forbidden(field, "field is immutable when `immutable` is set"));
                        }
                    }
                }

                Immutable(before, after, errors, "type");
                break;
            case ("", "Pod"):
                PodUpdate(before, after, errors);
                break;
            case ("batch", "Job"):
                JobUpdate(before, after, errors);
                break;
            case ("apps", "Deployment" or "ReplicaSet" or "DaemonSet"):
                Immutable(before, after, errors, "spec", "selector");
                break;
            case ("apps", "StatefulSet"):
                StatefulSetUpdate(before, after, errors);
                break;
            case ("scheduling.k8s.io", "PriorityClass"):
                Immutable(before, after, errors, "value");
                Immutable(before, after, errors, "preemptionPolicy");
                break;
            case ("rbac.authorization.k8s.io", "RoleBinding" or "ClusterRoleBinding"):
                if (!Json.Same(before.At("roleRef"), after.At("roleRef")))
                {
                    errors.Add(FieldCause.Invalid("roleRef", after.At("roleRef")?.DeepClone(), "cannot change roleRef"));
                }

                break;
            case ("discovery.k8s.io", "EndpointSlice"):
                Immutable(before, after, errors, "addressType");
                break;
            case ("events.k8s.io", "Event"):
                EventUpdate(before, after, errors);
                break;
        }

        return errors;
    }

    private static void Always(KindInfo kind, JsonObject obj, List<FieldCause> errors)
    {
        var ignored = new List<FieldCause>();
        foreach (var (name, field) in kind.Schema.Properties)
        {
            if (name is "metadata" or "status" or "apiVersion" or "kind")
            {
                continue;
            }

            if (obj.At(name) is { } value)
            {
                Shape(value, field.Type, name, errors);
            }
            else if (kind.Schema.Required.Contains(name) && !Lenient.Contains(name))
            {
                errors.Add(FieldCause.Required(name));
            }
        }

        switch (kind.Group, kind.Kind)
        {
            case ("", "Pod"):
                Pod(obj.At("spec"), "spec", errors);
                break;
            case ("apps", _) when kind.Kind is "Deployment" or "ReplicaSet" or "StatefulSet" or "DaemonSet":
                Workload(obj, errors);
                break;
            case ("batch", "Job"):
                JobSpec(obj.At("spec"), "spec", errors);
                break;
            case ("batch", "CronJob"):
                CronJob(obj, errors);
                break;
            case ("coordination.k8s.io", "Lease"):
                if (obj.Integer("spec", "leaseDurationSeconds") is <= 0 and var seconds)
                {
                    errors.Add(FieldCause.Invalid("spec.leaseDurationSeconds", JsonValue.Create(seconds), "must be greater than 0"));
                }

                if (obj.Integer("spec", "leaseTransitions") is < 0 and var transitions)
                {
                    errors.Add(
                        FieldCause.Invalid("spec.leaseTransitions", JsonValue.Create(transitions), "must be greater than or equal to 0")
                    );
                }

                break;
            case ("", "ConfigMap" or "Secret"):
                foreach (var field in (string[])["data", "binaryData"])
                {
                    foreach (var (key, _) in obj.At(field) as JsonObject ?? [])
                    {
                        if (key.Length == 0 || key.Length > 253 || !key.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
                        {
                            errors.Add(
                                FieldCause.Invalid(
                                    $"{field}[{key}]",
                                    JsonValue.Create(key),
                                    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
                                )
                            );
                        }
                    }
                }

                break;
        }
    }

    private static void Shape(JsonNode node, TypeSchema schema, string path, List<FieldCause> errors)
    {
        switch (node)
        {
            case JsonObject obj:
                foreach (var (key, value) in obj)
                {
                    if (value is not null && schema.Properties.TryGetValue(key, out var field))
                    {
                        Shape(value, field.Type, $"{path}.{key}", errors);
                    }
                }

                foreach (var name in schema.Required)
                {
                    if (obj.At(name) is null && !Lenient.Contains(name))
                    {
                        errors.Add(FieldCause.Required($"{path}.{name}"));
                    }
                }

                break;
            case JsonArray list when schema.Items is { } items:
                for (var i = 0; i < list.Count; i++)
                {
                    if (list[i] is { } item)
                    {
                        Shape(item, items, $"{path}[{i}]", errors);
                    }
                }

                break;
            case JsonValue value
                when schema.Enum is { Count: > 0 } allowed
                    && value.TryGetValue<string>(out var text)
                    && text.Length > 0
                    && !allowed.Any(a => Json.Same(a, value)):
                errors.Add(FieldCause.NotSupported(path, value.DeepClone(), allowed.Select(a => FieldCause.Shown(a))));
                break;
            case JsonValue value
                when schema.Type == SchemaType.Quantity
                    && value.TryGetValue<string>(out var quantity)
                    && quantity.StartsWith('-')
                    && path.Contains(".resources.", StringComparison.Ordinal):
                errors.Add(FieldCause.Invalid(path, value.DeepClone(), "must be greater than or equal to 0"));
                break;
        }
    }

    private static void Pod(JsonNode? spec, string path, List<FieldCause> errors)
    {
        if (spec.At("containers") is JsonArray { Count: 0 })
        {
            errors.Add(FieldCause.Required($"{path}.containers"));
        }

        foreach (var list in (string[])["containers", "initContainers"])
        {
            var names = new HashSet<string>(StringComparer.Ordinal);
            var index = 0;
            foreach (var container in spec.Objects(list))
            {
                var at = $"{path}.{list}[{index++}]";
                if (container.Text("name") is { } name)
                {
                    if (NameRules.Label(name) is { } problem)
                    {
                        errors.Add(FieldCause.Invalid($"{at}.name", JsonValue.Create(name), problem));
                    }
                    else if (!names.Add(name))
                    {
                        errors.Add(FieldCause.Duplicate($"{at}.name", JsonValue.Create(name)));
                    }
                }

                if (string.IsNullOrEmpty(container.Text("image")))
                {
                    errors.Add(FieldCause.Required($"{at}.image"));
                }

                foreach (var (resource, limit) in container.At("resources", "limits") as JsonObject ?? [])
                {
                    // Devices cannot be overcommitted, so a request must equal its limit.
                    if (
                        resource.Contains('/', StringComparison.Ordinal)
                        && container.At("resources", "requests", resource) is { } request
                        && !Json.Same(limit, request)
                    )
                    {
                        errors.Add(
                            FieldCause.Invalid(
                                $"{at}.resources.requests",
                                request.DeepClone(),
                                $"must be equal to {resource} limit of {limit.Text()}"
                            )
                        );
                    }
                }
            }
        }

        if (spec.Integer("terminationGracePeriodSeconds") is < 0 and var grace)
        {
            errors.Add(
                FieldCause.Invalid($"{path}.terminationGracePeriodSeconds", JsonValue.Create(grace), "must be greater than or equal to 0")
            );
        }
    }

    private static void Workload(JsonObject obj, List<FieldCause> errors)
    {
        if (obj.Integer("spec", "replicas") is < 0 and var replicas)
        {
            errors.Add(FieldCause.Invalid("spec.replicas", JsonValue.Create(replicas), "must be greater than or equal to 0"));
        }

        Pod(obj.At("spec", "template", "spec"), "spec.template.spec", errors);
        if (obj.At("spec", "selector") is JsonObject selector)
        {
            if (
                selector.At("matchLabels") is not JsonObject { Count: > 0 }
                && selector.At("matchExpressions") is not JsonArray { Count: > 0 }
            )
            {
                errors.Add(FieldCause.Invalid("spec.selector", selector.DeepClone(), "empty selector is invalid for deployment"));
            }

            var labels = obj.At("spec", "template", "metadata", "labels") as JsonObject ?? [];
            foreach (var (key, value) in selector.At("matchLabels") as JsonObject ?? [])
            {
                if (!Json.Same(labels.At(key), value))
                {
                    errors.Add(
                        FieldCause.Invalid(
                            "spec.template.metadata.labels",
                            labels.DeepClone(),
                            "`selector` does not match template `labels`"
                        )
                    );
                    break;
                }
            }
        }

        if (obj.Text("spec", "template", "spec", "restartPolicy") is { } policy && policy != "Always")
        {
            errors.Add(FieldCause.NotSupported("spec.template.spec.restartPolicy", JsonValue.Create(policy), ["\"Always\""]));
        }
    }

    private static void JobSpec(JsonNode? spec, string path, List<FieldCause> errors)
    {
        foreach (var field in (string[])["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"])
        {
            if (spec.Integer(field) is < 0 and var value)
            {
                errors.Add(FieldCause.Invalid($"{path}.{field}", JsonValue.Create(value), "must be greater than or equal to 0"));
            }
        }

        Pod(spec.At("template", "spec"), $"{path}.template.spec", errors);
        if (spec.Text("template", "spec", "restartPolicy") is "Always")
        {
            errors.Add(
                FieldCause.NotSupported($"{path}.template.spec.restartPolicy", JsonValue.Create("Always"), ["\"OnFailure\"", "\"Never\""])
            );
        }

        if (spec.Text("completionMode") == "Indexed" && spec.At("completions") is null)
        {
            errors.Add(FieldCause.Required($"{path}.completions", "when completion mode is Indexed"));
        }
    }

    private static void CronJob(JsonObject obj, List<FieldCause> errors)
    {
        JobSpec(obj.At("spec", "jobTemplate", "spec"), "spec.jobTemplate.spec", errors);
        if (
            obj.Text("spec", "schedule") is { } schedule
            && !schedule.StartsWith('@')
            && schedule.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length != 5
        )
        {
            var fields = schedule.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            errors.Add(
                FieldCause.Invalid(
                    "spec.schedule",
                    JsonValue.Create(schedule),
                    $"expected exactly 5 fields, found {fields.Length}: [{string.Join(" ", fields)}]"
                )
            );
        }
    }

    private static void Event(KindInfo kind, JsonObject obj, List<FieldCause> errors)
    {
        var isNew = kind.Group == "events.k8s.io";
        if (isNew && obj.Text("eventTime") is null)
        {
            errors.Add(FieldCause.Required("eventTime"));
        }

        var reporter = isNew ? "reportingController" : "reportingComponent";
        foreach (var (field, limit) in ((string, int)[])[(reporter, 253), ("reportingInstance", 128), ("action", 128), ("reason", 128)])
        {
            var text = obj.Text(field) ?? "";
            if (text.Length == 0)
            {
                errors.Add(
                    FieldCause.Required(
                        isNew ? field
                        : field == reporter ? "reportingController"
                        : field
                    )
                );
            }
            else if (text.Length > limit)
            {
                errors.Add(FieldCause.Invalid(field, JsonValue.Create(""), $"can have at most {limit} characters"));
            }
        }

        if ((obj.Text(isNew ? "note" : "message") ?? "").Length > 1024)
        {
            errors.Add(FieldCause.Invalid(isNew ? "note" : "message", JsonValue.Create(""), "can have at most 1024 characters"));
        }

        if (obj.Text("type") is not ("Normal" or "Warning"))
        {
            errors.Add(FieldCause.Invalid("type", JsonValue.Create(""), "has invalid value: " + (obj.Text("type") ?? "")));
        }

        if (obj.At("series") is JsonObject series)
        {
            if (series.Integer("count") is not >= 2)
            {
                errors.Add(FieldCause.Invalid("series.count", JsonValue.Create(""), "should be at least 2"));
            }

            if (series.Text("lastObservedTime") is null)
            {
                errors.Add(FieldCause.Required("series.lastObservedTime"));
            }
        }

        foreach (
            var field in isNew
                ? ["deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount", "deprecatedSource"]
                : Array.Empty<string>()
        )
        {
            if (
                obj.At(field) is { } value
                && value is not JsonObject { Count: 0 }
                && !(value is JsonValue number && Json.AsInteger(number) == 0)
            )
            {
                errors.Add(
                    FieldCause.Invalid(
                        field["deprecated".Length..] is var rest ? char.ToLowerInvariant(rest[0]) + rest[1..] : field,
                        JsonValue.Create(""),
                        "needs to be unset"
                    )
                );
            }
        }

        var regarding = obj.Text(isNew ? "regarding" : "involvedObject", "namespace") ?? "";
        var @namespace = obj.Text("metadata", "namespace") ?? "";
        if (regarding.Length == 0 ? @namespace is not ("default" or "kube-system") : regarding != @namespace)
        {
            errors.Add(FieldCause.Invalid("involvedObject.namespace", JsonValue.Create(regarding), "does not match event.namespace"));
        }
    }

    private static void EventUpdate(JsonObject before, JsonObject after, List<FieldCause> errors)
    {
        foreach (
            var field in (string[])
                [
                    "regarding",
                    "reason",
                    "action",
                    "type",
                    "note",
                    "reportingController",
                    "reportingInstance",
                    "eventTime",
                    "related",
                    "deprecatedCount",
                ]
        )
        {
            if (!Json.Same(before.At(field), after.At(field)))
            {
                errors.Add(
                    FieldCause.Invalid(
                        field == "regarding" ? "involvedObject"
                            : field == "note" ? "message"
                            : field,
                        after.At(field)?.DeepClone(),
                        "field is immutable"
                    )
                );
            }
        }
    }

    private static void PodUpdate(JsonObject before, JsonObject after, List<FieldCause> errors)
    {
        var old = Frozen(before);
        var next = Frozen(after);
        if (!Json.Same(old, next))
        {
            errors.Add(
                FieldCause.Forbidden(
                    "spec",
                    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
                )
            );
        }

        static JsonObject Frozen(JsonObject pod)
        {
            var spec = (pod.At("spec") as JsonObject ?? []).Copy();
            spec.Remove("activeDeadlineSeconds");
            spec.Remove("tolerations");
            spec.Remove("schedulingGates");
            foreach (var container in spec.Objects("containers").Concat(spec.Objects("initContainers")))
            {
                container.Remove("image");
            }

            return spec;
        }
    }

    private static void JobUpdate(JsonObject before, JsonObject after, List<FieldCause> errors)
    {
        if (
            !(
                before.Text("spec", "completionMode") == "Indexed"
                && Json.Same(after.At("spec", "completions"), after.At("spec", "parallelism"))
            )
        )
        {
            Immutable(before, after, errors, "spec", "completions");
        }

        Immutable(before, after, errors, "spec", "selector");
        var old = before.At("spec", "template")?.DeepClone();
        var next = after.At("spec", "template")?.DeepClone();
        if (before.Flag("spec", "suspend") == true && before.Text("status", "startTime") is null)
        {
            // Scheduling directives and resources of a Job are mutable until it has started.
            foreach (var template in (JsonNode?[])[old, next])
            {
                (template.At("metadata") as JsonObject)?.Remove("labels");
                (template.At("metadata") as JsonObject)?.Remove("annotations");
                foreach (var field in (string[])["nodeSelector", "affinity", "tolerations", "schedulingGates"])
                {
                    (template.At("spec") as JsonObject)?.Remove(field);
                }

                foreach (var container in template.Objects("spec", "containers").Concat(template.Objects("spec", "initContainers")))
                {
                    container.Remove("resources");
                }
            }
        }

        if (!Json.Same(old, next))
        {
            errors.Add(FieldCause.Invalid("spec.template", after.At("spec", "template")?.DeepClone(), "field is immutable"));
        }

        Immutable(before, after, errors, "spec", "completionMode");
        Immutable(before, after, errors, "spec", "podFailurePolicy");
        Immutable(before, after, errors, "spec", "backoffLimitPerIndex");
        Immutable(before, after, errors, "spec", "managedBy");
    }

    private static void StatefulSetUpdate(JsonObject before, JsonObject after, List<FieldCause> errors)
    {
        if (!Json.Same(Frozen(before), Frozen(after)))
        {
            errors.Add(
                FieldCause.Forbidden(
                    "spec",
                    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
                )
            );
        }

        static JsonObject Frozen(JsonObject set)
        {
            var spec = (set.At("spec") as JsonObject ?? []).Copy();
            foreach (
                var field in (string[])
                    [
                        "replicas",
                        "ordinals",
                        "template",
                        "updateStrategy",
                        "revisionHistoryLimit",
                        "persistentVolumeClaimRetentionPolicy",
                        "minReadySeconds",
                    ]
            )
            {
                spec.Remove(field);
            }

            return spec;
        }
    }

    private static void Immutable(JsonObject before, JsonObject after, List<FieldCause> errors, params ReadOnlySpan<string> path)
    {
        if (!Json.Same(before.At(path), after.At(path)))
        {
            errors.Add(FieldCause.Invalid(string.Join('.', path.ToArray()), after.At(path)?.DeepClone(), "field is immutable"));
        }
    }
}
