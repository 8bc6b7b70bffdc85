using Bursar.Kubernetes.Informers;

namespace Bursar.Operator.Cluster;

/// <summary>
/// A HorizontalPodAutoscaler. According to the controller's source (pkg/controller/podautoscaler/horizontal.go), zero replicas turn it off
/// until another client sets a different number, so its target is stopped by the target's own replicas. An autoscaler with minReplicas 0,
/// which Kubernetes 1.37 allows by default, scales up from zero again.
/// </summary>
internal sealed class AutoscalerAdapter() : ManagerAdapter(OptionName)
{
    /// <summary>The option for the permission to cap an autoscaler. Stopping its target needs no permission on it.</summary>
    public const string OptionName = "HorizontalPodAutoscaler";

    public override ManagerState? GetState(WorkloadObject work, ClusterStores stores)
    {
        if (!work.Kind.Scales)
            return null;
        foreach (var scaler in stores.HorizontalPodAutoscalers.Store.ByIndex(Indexes.Namespace, work.Namespace))
        {
            var target = scaler.Spec.ScaleTargetRef;
            if (!target.IsOf(work.Kind.Entity) || target.Name != work.Metadata.Name)
                continue;
            var manager = $"a HorizontalPodAutoscaler scales it ({scaler.Metadata.Name})";
            var scalesFromZero =
                scaler.Spec.MinReplicas == 0
                || scaler.Status.Conditions.Any(condition => condition is { Type: "ScaledToZero", Status: "True" });
            return new()
            {
                Manager = manager,
                WhyNot = scalesFromZero ? $"{manager} from zero too (minReplicas: 0), so zero replicas do not stop it" : null,
            };
        }
        return null;
    }
}
