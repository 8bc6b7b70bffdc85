using System.Text.Json;
using Bursar.Kube.Informers;
using Bursar.Kube.Objects;

namespace Bursar.Operator.Workloads;

/// <summary>
/// Why a workload cannot be parked: whoever else looks after it would undo what Bursar does (and lose its pods all the
/// same), so until there is an adapter for that manager the work is counted and reported.
/// </summary>
public static class Parkability
{
    public static string? WhyNot(V1Job job, ClusterStores stores) =>
        job.Spec.ManagedBy is { Length: > 0 } manager && manager != "kubernetes.io/job-controller" ? $"spec.managedBy is {manager}"
        : job.Metadata.ControllerReference() is { } owner ? $"{owner.Kind} {owner.Name} controls it"
        : stores.KueueWorkloads.Store.ByIndex(Indexes.OwnerUid, job.Metadata.Uid).Count > 0 ? "Kueue manages it (it has a Workload)"
        : job.Metadata.Labels.ContainsKey("kueue.x-k8s.io/queue-name") ? "it is queued by Kueue (kueue.x-k8s.io/queue-name)"
        : FailsOnStop(job.Spec.PodFailurePolicy) ? "its podFailurePolicy has a FailJob rule that a stopped pod could match, which would fail the Job for good"
        : null;

    public static string? WhyNot(V1Deployment deployment, ClusterStores stores)
    {
        if (deployment.Metadata.ControllerReference() is { } owner) return $"{owner.Kind} {owner.Name} controls it";
        var ns = deployment.Metadata.Namespace ?? "";
        foreach (var scaler in stores.ScaledObjects.Store.ByIndex(Indexes.Namespace, ns))
            if (scaler.Spec.ScaleTargetRef is { Kind: null or "Deployment" } target && target.Name == deployment.Metadata.Name)
                return $"KEDA scales it (ScaledObject {scaler.Metadata.Name})";
        foreach (var scaler in stores.HorizontalPodAutoscalers.Store.ByIndex(Indexes.Namespace, ns))
            if (scaler.Spec.ScaleTargetRef is { Kind: "Deployment" } target && target.Name == deployment.Metadata.Name)
                return $"a HorizontalPodAutoscaler scales it ({scaler.Metadata.Name})";
        return null;
    }

    public static string WhyNot(string kind) => kind == "Pod" ? "a bare pod has no switch to suspend it" : $"Bursar has no adapter for {kind}";

    /// <summary>
    /// A rule FailJob that matches 137 or 143, or any code by NotIn, fails the suspended Job for good when the stopped pod
    /// leaves with that code. The trainer's own code on SIGTERM is unknown, so any FailJob rule on exit codes counts.
    /// </summary>
    private static bool FailsOnStop(JsonElement? policy)
    {
        if (policy is not { ValueKind: JsonValueKind.Object } value || !value.TryGetProperty("rules", out var rules) || rules.ValueKind != JsonValueKind.Array) return false;
        foreach (var rule in rules.EnumerateArray())
            if (rule.TryGetProperty("action", out var action) && action.GetString() == "FailJob" && rule.TryGetProperty("onExitCodes", out _)) return true;
        return false;
    }
}
