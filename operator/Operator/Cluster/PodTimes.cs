using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The time for which a pod is billed, from the API's own timestamps: from PodScheduled, including image pull and init, until its last
/// container finished. Terminating and crash-looping pods are billed, unscheduled ones are not.
/// </summary>
internal static class PodTimes
{
    /// <summary>
    /// The kubelet writes the status within this time after a start or a crash. A condition that became False within this time belongs to
    /// that start or crash.
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

    public static bool IsOver(V1Pod pod) => pod.Status.Phase is "Succeeded" or "Failed";

    /// <summary>Returns when a pod ended, from its own object; null while a container may still run.</summary>
    public static DateTimeOffset? FinishedAt(V1Pod pod) =>
        IsOver(pod) && ScheduledAt(pod) is { } scheduled
            ? PodEnd.From(EndFacts(pod, scheduled, DateTimeOffset.MaxValue)).NotAfter is var end && end < DateTimeOffset.MaxValue
                ? end
                : scheduled
            : null;

    /// <summary>Returns what the pod's own object shows about its end.</summary>
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
            // A waiting container that never ran has no end.
            ContainerEnds =
            [
                .. statuses
                    .Where(status => !status.State.IsWaiting || status.WaitsToRestart)
                    .Select(status => status.State.Terminated?.FinishedAt),
                .. Unlisted(pod),
                .. NeverRun(pod),
            ],
            RefusedAt =
                statuses.Length == 0 && IsRefusal(pod.Status.Reason) ? pod.Status.StartTime ?? pod.Metadata.CreationTimestamp : null,
            EndTimes = [.. EndTimes(pod, started, statuses.Any(status => status.WaitsToRestart))],
            DeletionDeadline = pod.Metadata.DeletionTimestamp,
            ObservedAt = observed,
        };
    }

    /// <summary>
    /// If a container never ran, the pod ended when its init container failed. If none failed, for example after an eviction during an
    /// image pull, the other containers do not show the end.
    /// </summary>
    private static IEnumerable<DateTimeOffset?> NeverRun(V1Pod pod) =>
        pod.Status.ContainerStatuses.Any(status => status.State.IsWaiting && !status.WaitsToRestart)
        && !pod.Status.InitContainerStatuses.Any(status => status.State.Terminated is { ExitCode: not 0 })
            ? [null]
            : [];

    /// <summary>Returns an unknown end for each container that the status does not list, as after the loss of a kubelet.</summary>
    private static IEnumerable<DateTimeOffset?> Unlisted(V1Pod pod) =>
        pod.Spec.Containers.Skip(pod.Status.ContainerStatuses.Count).Select(_ => (DateTimeOffset?)null);

    /// <summary>
    /// Returns the times of conditions that indicate the pod's end. A condition older than the last known container start is ignored,
    /// because the container ran after it. So is Ready while a container waits to restart.
    /// </summary>
    private static IEnumerable<DateTimeOffset> EndTimes(V1Pod pod, DateTimeOffset? lastStart, bool waitsToRestart)
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
    /// Whether the kubelet refused a pod that was bound to its node (Kubernetes, pkg/kubelet/lifecycle/predicate.go and pkg/kubelet/cm), so
    /// that it held no device. Evicted, Preempting, NodeLost and others are reasons of pods that ran.
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
