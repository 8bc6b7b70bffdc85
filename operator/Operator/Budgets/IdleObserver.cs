using Bursar.Core.Decisions;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;
using Bursar.Operator.Telemetry;

namespace Bursar.Operator.Budgets;

/// <summary>Adds to a budget's workloads since when their GPUs have been idle, if the budget has <c>spec.idle</c>.</summary>
internal sealed class IdleObserver(ClusterStores stores, GpuActivity activity)
{
    public IReadOnlyList<WorkloadSnapshot> AddTo(IReadOnlyList<WorkloadSnapshot> workloads, ReadBudget budget, DateTimeOffset now)
    {
        if (budget.Terms.Idle is not { } idle)
            return workloads;
        var running = workloads
            .Where(work => work.State == WorkloadState.Running)
            .Select(work => work.Key.Uid)
            .ToHashSet(StringComparer.Ordinal);
        var quiet = new Dictionary<string, DateTimeOffset?>(StringComparer.Ordinal);
        foreach (var pod in budget.Namespaces.SelectMany(ns => stores.Pods.Store.ByIndex(Indexes.Namespace, ns)))
        {
            if (
                PodTimes.ScheduledAt(pod) is null
                || PodTimes.IsOver(pod)
                || !stores.Gpus.OfPod(pod).IsAny
                || PodWorkload.UidOf(pod, stores) is not { } uid
                || !running.Contains(uid)
            )
                continue;
            var since = QuietSince(pod, idle.BelowPercent, now);
            // The workload is as idle as the pod that was idle for the shortest time.
            quiet[uid] = quiet.TryGetValue(uid, out var known) && (known is null || known > since) ? known : since;
        }
        return [.. workloads.Select(work => quiet.GetValueOrDefault(work.Key.Uid) is { } since ? work with { QuietSince = since } : work)];
    }

    private DateTimeOffset? QuietSince(V1Pod pod, int belowPercent, DateTimeOffset now)
    {
        if (pod.Status.Phase != "Running" || pod.Metadata.DeletionTimestamp is not null)
            return null;
        var started = pod.Status.ContainerStatuses.Max(status => status.StartedAt) ?? PodTimes.ScheduledAt(pod);
        return activity.QuietSince(pod.Metadata.Uid, stores.Gpus.OfPod(pod).Units, belowPercent, now) is { } quiet
            ? quiet > started
                ? quiet
                : started
            : null;
    }
}
