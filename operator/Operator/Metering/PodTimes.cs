using Bursar.Kube.Objects;

namespace Bursar.Operator.Metering;

/// <summary>
/// The stretch a pod is billed for, from the API's own times: from PodScheduled (image pull and init included) until its
/// last container finished. Terminating and crash-looping pods are billed; unscheduled ones are not.
/// </summary>
public static class PodTimes
{
    public static DateTimeOffset? ScheduledAt(V1Pod pod)
    {
        if (pod.Spec.NodeName is not { Length: > 0 }) return null;
        return pod.Status.Condition("PodScheduled") is { Status: "True", LastTransitionTime: { } at } ? at
            // Static and directly bound pods may never get the condition.
            : pod.Status.StartTime ?? pod.Metadata.CreationTimestamp;
    }

    /// <summary>When the last container finished; null while anything may still run.</summary>
    public static DateTimeOffset? FinishedAt(V1Pod pod)
    {
        if (pod.Status.Phase is not ("Succeeded" or "Failed")) return null;
        DateTimeOffset? last = null;
        foreach (var status in pod.Status.ContainerStatuses.Concat(pod.Status.InitContainerStatuses))
            if (status.State.Terminated?.FinishedAt is { } finished && (last is null || finished > last)) last = finished;
        // Evicted before a container ran: the moment its readiness ended is the best the API has.
        return last ?? pod.Status.Condition("Ready")?.LastTransitionTime ?? pod.Metadata.DeletionTimestamp ?? pod.Status.StartTime;
    }
}
