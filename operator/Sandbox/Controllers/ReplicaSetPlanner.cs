namespace Bursar.Sandbox.Controllers;

/// <summary>Plans the pods to create and delete for a ReplicaSet. Pure.</summary>
internal static class ReplicaSetPlanner
{
    public static ReplicaSetPlan Plan(ControlledReplicaSet set, IReadOnlyList<ControlledPod> pods, DateTimeOffset now)
    {
        if (set.Metadata.DeletionTimestamp is not null)
            return new ReplicaSetPlan(0, [], null, null);
        var active = pods.Where(static pod => pod.IsActive).ToList();
        var wanted = set.Spec.Replicas ?? 1;
        var minReady = TimeSpan.FromSeconds(set.Spec.MinReadySeconds ?? 0);

        TimeSpan? again = null;
        int ready = 0,
            available = 0;
        foreach (var pod in active.Where(static pod => pod.IsReady))
        {
            ready++;
            var left = (pod.Condition("Ready")!.LastTransitionTime ?? now) + minReady - now;
            if (left <= TimeSpan.Zero)
                available++;
            else if (again is null || left < again)
                again = left;
        }

        var delete =
            active.Count <= wanted
                ? []
                : active
                    .OrderBy(static pod => pod.Spec.NodeName is not null)
                    .ThenBy(static pod => pod.IsReady)
                    .ThenByDescending(static pod => pod.Metadata.CreationTimestamp)
                    .ThenByDescending(static pod => pod.Metadata.Name, StringComparer.Ordinal)
                    .Take(active.Count - wanted)
                    .ToList();
        var status = new ControlledReplicaSetStatus
        {
            // Pods created in this pass are counted when the watch reports them.
            Replicas = active.Count,
            FullyLabeledReplicas = active.Count,
            ReadyReplicas = ready,
            AvailableReplicas = available,
            ObservedGeneration = set.Metadata.Generation,
        };
        return new ReplicaSetPlan(Math.Max(0, wanted - active.Count), delete, status == set.Status ? null : status, again);
    }
}

internal sealed record ReplicaSetPlan(int Create, IReadOnlyList<ControlledPod> Delete, ControlledReplicaSetStatus? Status, TimeSpan? Again);
