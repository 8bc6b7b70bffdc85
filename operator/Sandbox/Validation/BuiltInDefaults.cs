using System.Text.Json.Nodes;
using Bursar.Sandbox.Schemas;
using Bursar.Sandbox.Values;

namespace Bursar.Sandbox.Validation;

/// <summary>Sets the defaults of built-in kinds, as Kubernetes does on every write.</summary>
public static class BuiltInDefaults
{
    public static void Apply(KindInfo kind, JsonObject obj)
    {
        switch (kind.Group, kind.Kind)
        {
            case ("", "Pod"):
                Pod(obj.Child("spec"));
                Resources(obj.Child("spec"));
                break;
            case ("", "Namespace"):
                obj.Child("metadata").Child("labels")["kubernetes.io/metadata.name"] = obj.Text("metadata", "name") ?? "";
                break;
            case ("", "Secret"):
                obj.Default("type", "Opaque");
                SecretStringData(obj);
                break;
            case ("", "Service"):
                Service(obj.Child("spec"));
                break;
            case ("apps", "Deployment"):
                Deployment(obj.Child("spec"));
                break;
            case ("apps", "ReplicaSet"):
                obj.Child("spec").Default("replicas", 1);
                Template(obj.Child("spec"));
                break;
            case ("apps", "StatefulSet"):
                StatefulSet(obj.Child("spec"));
                break;
            case ("apps", "DaemonSet"):
                DaemonSet(obj.Child("spec"));
                break;
            case ("batch", "Job"):
                Job(obj);
                break;
            case ("batch", "CronJob"):
                CronJob(obj.Child("spec"));
                break;
            case ("scheduling.k8s.io", "PriorityClass"):
                obj.Default("preemptionPolicy", "PreemptLowerPriority");
                break;
            case ("resource.k8s.io", "ResourceClaim"):
                DeviceRequests(obj.Child("spec"));
                break;
            case ("resource.k8s.io", "ResourceClaimTemplate"):
                DeviceRequests(obj.Child("spec").Child("spec"));
                break;
            case ("networking.k8s.io", "NetworkPolicy"):
                NetworkPolicy(obj.Child("spec"));
                break;
            case ("rbac.authorization.k8s.io", "RoleBinding" or "ClusterRoleBinding"):
                Binding(obj);
                break;
            case ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration" or "MutatingWebhookConfiguration"):
                Webhooks(obj, kind.Kind == "MutatingWebhookConfiguration");
                break;
            case ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"):
                Match(obj.Child("spec"), "matchConstraints");
                obj.Child("spec").Default("failurePolicy", "Fail");
                break;
            case ("autoscaling", "HorizontalPodAutoscaler"):
                obj.Child("spec").Default("minReplicas", 1);
                break;
            case ("apiextensions.k8s.io", "CustomResourceDefinition"):
                CustomResourceDefinition(obj.Child("spec"));
                break;
            case ("", "Node"):
                Node(obj);
                break;
            case ("", "Event"):
                obj.Default("reportingComponent", "");
                obj.Default("reportingInstance", "");
                break;
        }
    }

    private static void Node(JsonObject obj)
    {
        var capacity = obj.At("status", "capacity") as JsonObject;
        if (capacity is not null && obj.At("status", "allocatable") is null)
        {
            obj.Child("status")["allocatable"] = capacity.DeepClone();
        }
    }

    private static void SecretStringData(JsonObject obj)
    {
        if (obj.At("stringData") is not JsonObject text)
        {
            return;
        }

        var data = obj.Child("data");
        foreach (var (key, value) in text)
        {
            data[key] = Convert.ToBase64String(System.Text.Encoding.UTF8.GetBytes(value.Text() ?? ""));
        }

        obj.Remove("stringData");
    }

    private static void Pod(JsonObject spec)
    {
        spec.Default("restartPolicy", "Always");
        spec.Default("terminationGracePeriodSeconds", 30);
        spec.Default("dnsPolicy", "ClusterFirst");
        spec.Default("securityContext", new JsonObject());
        spec.Default("schedulerName", "default-scheduler");
        if (spec.Text("serviceAccountName") is { } account)
        {
            spec["serviceAccount"] = account;
        }

        foreach (var container in spec.Objects("containers").Concat(spec.Objects("initContainers")))
        {
            container.Default("terminationMessagePath", "/dev/termination-log");
            container.Default("terminationMessagePolicy", "File");
            container.Default("resources", new JsonObject());
            var image = container.Text("image") ?? "";
            var tag = image.LastIndexOf(':') > image.LastIndexOf('/') ? image[(image.LastIndexOf(':') + 1)..] : "latest";
            container.Default("imagePullPolicy", tag == "latest" && !image.Contains('@') ? "Always" : "IfNotPresent");
            foreach (var port in container.Objects("ports"))
            {
                port.Default("protocol", "TCP");
            }

            foreach (var probe in (string[])["livenessProbe", "readinessProbe", "startupProbe"])
            {
                if (container.At(probe) is JsonObject check)
                {
                    check.Default("timeoutSeconds", 1);
                    check.Default("periodSeconds", 10);
                    check.Default("successThreshold", 1);
                    check.Default("failureThreshold", 3);
                    (check.At("httpGet") as JsonObject)?.Default("path", "/");
                    (check.At("httpGet") as JsonObject)?.Default("scheme", "HTTP");
                }
            }

            foreach (var env in container.Objects("env"))
            {
                (env.At("valueFrom", "fieldRef") as JsonObject)?.Default("apiVersion", "v1");
            }
        }

        foreach (var volume in spec.Objects("volumes"))
        {
            (volume.At("secret") as JsonObject)?.Default("defaultMode", 420);
            (volume.At("configMap") as JsonObject)?.Default("defaultMode", 420);
            (volume.At("projected") as JsonObject)?.Default("defaultMode", 420);
            (volume.At("downwardAPI") as JsonObject)?.Default("defaultMode", 420);
            (volume.At("hostPath") as JsonObject)?.Default("type", "");
        }
    }

    /// <summary>Sets a missing request to the limit; only in pods, not in templates.</summary>
    private static void Resources(JsonObject spec)
    {
        foreach (var container in spec.Objects("containers").Concat(spec.Objects("initContainers")))
        {
            if (container.At("resources", "limits") is JsonObject limits)
            {
                var requests = container.Child("resources").Child("requests");
                foreach (var (name, value) in limits)
                {
                    requests.Default(name, value?.DeepClone());
                }
            }
        }
    }

    private static void Template(JsonObject spec)
    {
        var template = spec.Child("template");
        Pod(template.Child("spec"));
    }

    private static void Service(JsonObject spec)
    {
        spec.Default("type", "ClusterIP");
        spec.Default("sessionAffinity", "None");
        if (spec.Text("type") != "ExternalName")
        {
            spec.Default("internalTrafficPolicy", "Cluster");
            spec.Default("ipFamilyPolicy", "SingleStack");
            spec.Default("ipFamilies", new JsonArray("IPv4"));
        }

        foreach (var port in spec.Objects("ports"))
        {
            port.Default("protocol", "TCP");
            port.Default("targetPort", port.At("port")?.DeepClone());
        }
    }

    private static void Deployment(JsonObject spec)
    {
        spec.Default("replicas", 1);
        spec.Default("revisionHistoryLimit", 10);
        spec.Default("progressDeadlineSeconds", 600);
        var strategy = spec.Child("strategy");
        strategy.Default("type", "RollingUpdate");
        if (strategy.Text("type") == "RollingUpdate")
        {
            strategy.Child("rollingUpdate").Default("maxUnavailable", "25%");
            strategy.Child("rollingUpdate").Default("maxSurge", "25%");
        }

        Template(spec);
    }

    private static void StatefulSet(JsonObject spec)
    {
        spec.Default("replicas", 1);
        spec.Default("podManagementPolicy", "OrderedReady");
        spec.Default("revisionHistoryLimit", 10);
        var strategy = spec.Child("updateStrategy");
        strategy.Default("type", "RollingUpdate");
        if (strategy.Text("type") == "RollingUpdate")
        {
            strategy.Child("rollingUpdate").Default("partition", 0);
        }

        var retention = spec.Child("persistentVolumeClaimRetentionPolicy");
        retention.Default("whenDeleted", "Retain");
        retention.Default("whenScaled", "Retain");
        Template(spec);
    }

    private static void DaemonSet(JsonObject spec)
    {
        spec.Default("revisionHistoryLimit", 10);
        var strategy = spec.Child("updateStrategy");
        strategy.Default("type", "RollingUpdate");
        if (strategy.Text("type") == "RollingUpdate")
        {
            strategy.Child("rollingUpdate").Default("maxUnavailable", 1);
            strategy.Child("rollingUpdate").Default("maxSurge", 0);
        }

        Template(spec);
    }

    private static void Job(JsonObject job)
    {
        var spec = job.Child("spec");
        JobSpec(spec);
        if (job.At("metadata", "labels") is null && spec.At("template", "metadata", "labels") is JsonObject { Count: > 0 } labels)
        {
            job.Child("metadata")["labels"] = labels.DeepClone();
        }
    }

    private static void JobSpec(JsonObject spec)
    {
        if (spec.At("completions") is null && spec.At("parallelism") is null)
        {
            spec["completions"] = 1;
        }

        spec.Default("parallelism", 1);
        spec.Default("backoffLimit", spec.At("backoffLimitPerIndex") is null ? 6 : int.MaxValue);
        spec.Default("completionMode", "NonIndexed");
        spec.Default("suspend", false);
        spec.Default("manualSelector", false);
        spec.Default("podReplacementPolicy", spec.At("podFailurePolicy") is null ? "TerminatingOrFailed" : "Failed");
        Template(spec);
    }

    private static void CronJob(JsonObject spec)
    {
        spec.Default("concurrencyPolicy", "Allow");
        spec.Default("suspend", false);
        spec.Default("successfulJobsHistoryLimit", 3);
        spec.Default("failedJobsHistoryLimit", 1);
        Template(spec.Child("jobTemplate").Child("spec"));
    }

    /// <summary>Sets the default count of device requests, which is one.</summary>
    private static void DeviceRequests(JsonObject spec)
    {
        foreach (var request in (spec.At("devices", "requests") as JsonArray ?? []).OfType<JsonObject>())
        foreach (var one in (request["firstAvailable"] as JsonArray ?? []).Prepend(request["exactly"]).OfType<JsonObject>())
        {
            one.Default("allocationMode", "ExactCount");
            if (one.Text("allocationMode") == "ExactCount")
                one.Default("count", 1);
        }
    }

    private static void NetworkPolicy(JsonObject spec)
    {
        if (spec.At("policyTypes") is null)
        {
            var types = new JsonArray("Ingress");
            if (spec.At("egress") is not null)
            {
                types.Add((JsonNode)"Egress");
            }

            spec["policyTypes"] = types;
        }

        foreach (var rule in spec.Objects("ingress").Concat(spec.Objects("egress")))
        {
            foreach (var port in rule.Objects("ports"))
            {
                port.Default("protocol", "TCP");
            }
        }
    }

    private static void Binding(JsonObject obj)
    {
        (obj.At("roleRef") as JsonObject)?.Default("apiGroup", "rbac.authorization.k8s.io");
        foreach (var subject in obj.Objects("subjects"))
        {
            if (subject.Text("kind") is "User" or "Group")
            {
                subject.Default("apiGroup", "rbac.authorization.k8s.io");
            }
        }
    }

    private static void Webhooks(JsonObject obj, bool mutating)
    {
        foreach (var hook in obj.Objects("webhooks"))
        {
            hook.Default("failurePolicy", "Fail");
            hook.Default("timeoutSeconds", 10);
            Match(hook, null);
            if (mutating)
            {
                hook.Default("reinvocationPolicy", "Never");
            }

            (hook.At("clientConfig", "service") as JsonObject)?.Default("port", 443);
        }
    }

    private static void Match(JsonObject holder, string? field)
    {
        if (field is not null && holder.At(field) is not JsonObject)
        {
            return;
        }

        var match = field is null ? holder : holder.Child(field);
        match.Default("matchPolicy", "Equivalent");
        match.Default("namespaceSelector", new JsonObject());
        match.Default("objectSelector", new JsonObject());
        foreach (var rule in match.Objects("rules").Concat(match.Objects("resourceRules")))
        {
            rule.Default("scope", "*");
        }
    }

    private static void CustomResourceDefinition(JsonObject spec)
    {
        var names = spec.Child("names");
        if (names.Text("kind") is { } kind)
        {
            names.Default("singular", kind.ToLowerInvariant());
            names.Default("listKind", kind + "List");
        }

        spec.Child("conversion").Default("strategy", "None");
    }
}
