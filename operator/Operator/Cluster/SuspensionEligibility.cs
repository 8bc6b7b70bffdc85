namespace Bursar.Operator.Cluster;

/// <summary>
/// Returns why a workload cannot be suspended. A controller that manages it would revert the suspension and its pods would be lost in vain.
/// So it is suspended through its manager (<see cref="ManagerAdapters"/>), or only counted and reported.
/// </summary>
internal static class SuspensionEligibility
{
    public static string? WhyNot(WorkloadObject work, ClusterStores stores) => WhyNot(work, ManagerAdapters.GetState(work, stores), stores);

    public static string? WhyNot(WorkloadObject work, ManagerState? manager, ClusterStores stores)
    {
        if (stores.Stoppable?.Contains(work.Kind.Name) == false)
            return $"this operator may not stop a {work.Kind.Name} (operator.kinds of the chart)";
        // A CronJob does not write the suspend field of its Jobs.
        if (work.Metadata.ControllerReference() is { IsCronJob: false } controller)
            return $"{controller.Kind} {controller.Name} controls it";
        return manager?.WhyNot ?? work.WhyNot;
    }

    public static string WhyNot(string kind) =>
        kind == "Pod" ? "a bare pod has no switch to suspend it" : $"Bursar has no adapter for {kind}";
}
