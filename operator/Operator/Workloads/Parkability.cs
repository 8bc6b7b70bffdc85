using Bursar.Kube.Informers;
using Bursar.Operator.Kinds;

namespace Bursar.Operator.Workloads;

/// <summary>
/// Why a workload cannot be parked: whoever else looks after it would undo what Bursar does (and lose its pods all the
/// same), so until there is an adapter for that manager the work is counted and reported.
/// </summary>
public static class Parkability
{
    public static string? WhyNot(Work work, ClusterStores stores)
    {
        if (stores.Stoppable?.Contains(work.Kind.Name) == false) return $"this operator may not stop a {work.Kind.Name} (operator.kinds of the chart)";
        // A CronJob makes Jobs and leaves their switch alone.
        if (work.Metadata.ControllerReference() is { } owner && !MakerActor.IsMaker(owner)) return $"{owner.Kind} {owner.Name} controls it";
        return (work.Kind.Scales ? ScaledBy(work, stores) : QueuedBy(work, stores)) ?? work.WhyNot;
    }

    public static string WhyNot(string kind) => kind == "Pod" ? "a bare pod has no switch to suspend it" : $"Bursar has no adapter for {kind}";

    private static string? QueuedBy(Work work, ClusterStores stores) =>
        stores.KueueWorkloads.Store.ByIndex(Indexes.OwnerUid, work.Metadata.Uid).Count > 0 ? "Kueue manages it (it has a Workload)"
        : work.Metadata.Labels.ContainsKey("kueue.x-k8s.io/queue-name") ? "it is queued by Kueue (kueue.x-k8s.io/queue-name)"
        : null;

    private static string? ScaledBy(Work work, ClusterStores stores)
    {
        foreach (var scaler in stores.ScaledObjects.Store.ByIndex(Indexes.Namespace, work.Namespace))
            // A ScaledObject that names no kind means a Deployment.
            if (scaler.Spec.ScaleTargetRef is var target && (target.Kind ?? "Deployment") == work.Kind.Name && target.Name == work.Metadata.Name)
                return $"KEDA scales it (ScaledObject {scaler.Metadata.Name})";
        foreach (var scaler in stores.HorizontalPodAutoscalers.Store.ByIndex(Indexes.Namespace, work.Namespace))
            if (scaler.Spec.ScaleTargetRef is var target && target.Kind == work.Kind.Name && target.Name == work.Metadata.Name)
                return $"a HorizontalPodAutoscaler scales it ({scaler.Metadata.Name})";
        return null;
    }
}
