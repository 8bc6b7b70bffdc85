using Bursar.Kubernetes.Informers;

namespace Bursar.Operator.Cluster;

/// <summary>
/// A HorizontalPodAutoscaler, from the controller's source (pkg/controller/podautoscaler/horizontal.go): zero replicas switch it off until
/// somebody sets another number, so its target is stopped by its own replicas. Not so where it may go to zero by itself, as
/// Kubernetes 1.37 allows by default: to such a one zero is a state like any other, from which it scales up again.
/// </summary>
internal sealed class AutoscalerAdapter() : ManagerAdapter(OptionName)
{
    /// <summary>The right to cap one. Stopping its target takes none.</summary>
    public const string OptionName = "HorizontalPodAutoscaler";

    public override ManagerState? Of(WorkloadObject work, ClusterStores stores)
    {
        if (!work.Kind.Scales)
            return null;
        foreach (var scaler in stores.HorizontalPodAutoscalers.Store.ByIndex(Indexes.Namespace, work.Namespace))
        {
            var target = scaler.Spec.ScaleTargetRef;
            if (!target.IsOf(work.Kind.Entity) || target.Name != work.Metadata.Name)
                continue;
            var manager = $"a HorizontalPodAutoscaler scales it ({scaler.Metadata.Name})";
            var lifts =
                scaler.Spec.MinReplicas == 0
                || scaler.Status.Conditions.Any(condition => condition is { Type: "ScaledToZero", Status: "True" });
            return new()
            {
                Manager = manager,
                WhyNot = lifts ? $"{manager} from zero too (minReplicas: 0), so zero replicas do not stop it" : null,
            };
        }
        return null;
    }
}
