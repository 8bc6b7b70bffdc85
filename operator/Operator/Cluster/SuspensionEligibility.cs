namespace Bursar.Operator.Cluster;

/// <summary>
/// Why a workload cannot be suspended. Whoever looks after it beside its owner would undo what Bursar does, and lose its pods all the
/// same: so it is stopped through them (<see cref="ManagerAdapters"/>), or counted and reported where that cannot be.
/// </summary>
internal static class SuspensionEligibility
{
    public static string? WhyNot(WorkloadObject work, ClusterStores stores) => WhyNot(work, ManagerAdapters.Of(work, stores), stores);

    public static string? WhyNot(WorkloadObject work, ManagerState? owner, ClusterStores stores)
    {
        if (stores.Stoppable?.Contains(work.Kind.Name) == false)
            return $"this operator may not stop a {work.Kind.Name} (operator.kinds of the chart)";
        // A CronJob makes Jobs and leaves their switch alone.
        if (work.Metadata.ControllerReference() is { IsCronJob: false } controller)
            return $"{controller.Kind} {controller.Name} controls it";
        return owner?.WhyNot ?? work.WhyNot;
    }

    public static string WhyNot(string kind) =>
        kind == "Pod" ? "a bare pod has no switch to suspend it" : $"Bursar has no adapter for {kind}";
}
