using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The stretch a pod is billed for, from the API's own times: from PodScheduled (image pull and init included) until its
/// last container finished. Terminating and crash-looping pods are billed; unscheduled ones are not.
/// </summary>
internal static class PodTimes
{
    /// <summary>
    /// Within this time of a start or a crash the kubelet writes the status: a condition that is False since then tells of that start or
    /// crash.
    /// </summary>
    private static readonly TimeSpan FirstStatus = TimeSpan.FromSeconds(5);

    public static DateTimeOffset? ScheduledAt(V1Pod pod)
    {
        if (pod.Spec.NodeName is not { Length: > 0 })
            return null;
        return pod.Status.Condition("PodScheduled") is { Status: "True", LastTransitionTime: { } at }
            ? at
            // Static and directly bound pods may never get the condition.
            : pod.Status.StartTime ?? pod.Metadata.CreationTimestamp;
    }

    /// <summary>Whether the pod has ended for good: nothing of it runs, and nothing will.</summary>
    public static bool IsOver(V1Pod pod) => pod.Status.Phase is "Succeeded" or "Failed";

    /// <summary>When a pod that is over ended, as far as its own object tells; null while anything may still run.</summary>
    public static DateTimeOffset? FinishedAt(V1Pod pod) =>
        IsOver(pod) && ScheduledAt(pod) is { } scheduled
            ? PodEnd.Of(EndFacts(pod, scheduled, DateTimeOffset.MaxValue)).NotAfter is var end && end < DateTimeOffset.MaxValue
                ? end
                : scheduled
            : null;

    /// <summary>What the pod's own object tells of its end.</summary>
    public static PodEndFacts EndFacts(V1Pod pod, DateTimeOffset scheduled, DateTimeOffset observed)
    {
        if (!IsOver(pod))
            return new()
            {
                ScheduledAt = scheduled,
                DeletionDeadline = pod.Metadata.DeletionTimestamp,
                ObservedAt = observed,
            };
        var statuses = pod.Status.ContainerStatuses.Concat(pod.Status.InitContainerStatuses).ToArray();
        var started = statuses.Max(status => status.StartedAt);
        return new()
        {
            ScheduledAt = scheduled,
            LastSeenAt = started,
            // A container that waits and never ran has no end of its own.
            ContainerEnds =
            [
                .. statuses
                    .Where(status => !status.State.IsWaiting || status.WaitsToRestart)
                    .Select(status => status.State.Terminated?.FinishedAt),
                .. Untold(pod),
                .. NeverRun(pod),
            ],
            RefusedAt =
                statuses.Length == 0 && IsRefusal(pod.Status.Reason) ? pod.Status.StartTime ?? pod.Metadata.CreationTimestamp : null,
            EndTimes = [.. Signs(pod, started, statuses.Any(status => status.WaitsToRestart))],
            DeletionDeadline = pod.Metadata.DeletionTimestamp,
            ObservedAt = observed,
        };
    }

    /// <summary>
    /// Where a container never ran, the pod ended with the init container that failed. If none did, as when it was evicted while it pulled
    /// an image, the other containers do not tell when.
    /// </summary>
    private static IEnumerable<DateTimeOffset?> NeverRun(V1Pod pod) =>
        pod.Status.ContainerStatuses.Any(status => status.State.IsWaiting && !status.WaitsToRestart)
        && !pod.Status.InitContainerStatuses.Any(status => status.State.Terminated is { ExitCode: not 0 })
            ? [null]
            : [];

    /// <summary>
    /// The containers that the status does not name, as for a pod whose kubelet was lost or is old: their ends are not known.
    /// </summary>
    private static IEnumerable<DateTimeOffset?> Untold(V1Pod pod) =>
        pod.Spec.Containers.Skip(pod.Status.ContainerStatuses.Count).Select(_ => (DateTimeOffset?)null);

    /// <summary>
    /// The conditions that tell of the pod's end. One that is older than the last known start of a container is none: the container ran
    /// after it. A pod with a container that waits to restart is not ready because of that container.
    /// </summary>
    private static IEnumerable<DateTimeOffset> Signs(V1Pod pod, DateTimeOffset? lastStart, bool waitsToRestart)
    {
        var started = new[] { pod.Status.StartTime ?? ScheduledAt(pod), lastStart }.Max();
        foreach (var condition in pod.Status.Conditions)
        {
            if (condition.LastTransitionTime is not { } at)
                continue;
            if (condition is { Type: "DisruptionTarget", Status: "True" } && !(at < lastStart))
                yield return at;
            else if (
                condition is { Type: "Ready" or "PodReadyToStartContainers", Status: "False" }
                && at > started + FirstStatus
                && !(waitsToRestart && condition.Type == "Ready")
            )
                yield return at;
        }
    }

    /// <summary>
    /// Reasons with which the kubelet refuses a pod that was bound to its node (Kubernetes, pkg/kubelet/lifecycle/predicate.go and
    /// pkg/kubelet/cm): such a pod held no device. Evicted, Preempting, NodeLost and others are reasons of pods that ran.
    /// </summary>
    private static bool IsRefusal(string? reason) =>
        reason
            is "UnexpectedAdmissionError"
                or "NodeAffinity"
                or "NodeName"
                or "NodePorts"
                or "TaintToleration"
                or "TopologyAffinityError"
                or "PodOSSelectorNodeLabelDoesNotMatch"
                or "PodOSNotSupported"
                or "InvalidNodeInfo"
                or "UnknownReason"
                or "AppArmor"
                or "SysctlForbidden"
                or "PodFeatureUnsupported"
        || reason?.StartsWith("OutOf", StringComparison.Ordinal) == true;
}
