using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>The managers, by precedence. The first one that manages a workload applies.</summary>
internal static class ManagerAdapters
{
    public static IReadOnlyList<ManagerAdapter> All { get; } =
    [new KueueAdapter(), new KServeAdapter(), new KedaAdapter(), new AutoscalerAdapter()];

    /// <summary>Managers whose objects Bursar may write only with a permission that the chart can withhold.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [KueueAdapter.OptionName, KedaAdapter.OptionName, AutoscalerAdapter.OptionName, AdmissionAnswer.OptionName];

    /// <summary>Returns a workload's manager and how to stop it; null if it has none.</summary>
    public static ManagerState? GetState(WorkloadObject work, ClusterStores stores)
    {
        foreach (var manager in All)
            if (manager.GetState(work, stores) is { } state)
                return state.Field is not null && Names.Contains(manager.Name) && stores.Managers?.Contains(manager.Name) == false
                    ? state with
                    {
                        WhyNot = $"{state.Manager}, and this operator may not write to it (operator.managers of the chart)",
                    }
                    : state;
        return null;
    }

    /// <summary>Whether Kueue or another manager suspends and starts the workload.</summary>
    public static bool IsQueued(WorkloadObject work, ClusterStores stores) =>
        work.Metadata.Labels.ContainsKey(KueueAdapter.QueueLabel) || GetState(work, stores) is not null;

    /// <summary>
    /// Whether the field of a record still stops its workload. For a manager that this version does not know, the record counts.
    /// </summary>
    public static bool IsSuspended(SuspensionRecord record, WorkloadObject work, ClusterStores stores) =>
        !record.IsThroughManager
            ? work.IsStopped
            : ManagerOf(record.Field.Object) is not { } manager
                || manager.ValueOf(record.Namespace, record.Field.Object, record.Field.Pointer, stores) == record.Field.Value;

    private static ManagerAdapter? ManagerOf(ObjectRef target) =>
        All.FirstOrDefault(manager => manager.Entities.Any(entity => entity.Is(target.ApiVersion, target.Kind)));
}
