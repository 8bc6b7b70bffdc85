using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>The table of managers, in the order in which they are asked: the first that knows a workload speaks for it.</summary>
internal static class ManagerAdapters
{
    public static IReadOnlyList<ManagerAdapter> All { get; } =
    [new KueueAdapter(), new KServeAdapter(), new KedaAdapter(), new AutoscalerAdapter()];

    /// <summary>Those whose objects Bursar may be given or refused the right to write.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [KueueAdapter.OptionName, KedaAdapter.OptionName, AutoscalerAdapter.OptionName, AdmissionAnswer.OptionName];

    /// <summary>Who manages a workload, and how it is stopped through them; null where nobody does.</summary>
    public static ManagerState? Of(WorkloadObject work, ClusterStores stores)
    {
        foreach (var owner in All)
            if (owner.Of(work, stores) is { } word)
                return word.Field is not null && Names.Contains(owner.Name) && stores.Managers?.Contains(owner.Name) == false
                    ? word with
                    {
                        WhyNot = $"{word.Manager}, and this operator may not write to it (operator.managers of the chart)",
                    }
                    : word;
        return null;
    }

    /// <summary>Work that Kueue queues is made suspended, and started, by Kueue.</summary>
    public static bool IsQueued(WorkloadObject work, ClusterStores stores) =>
        work.Metadata.Labels.ContainsKey(KueueAdapter.QueueLabel) || Of(work, stores) is not null;

    /// <summary>Whether the field that a record names still stops its work. A manager that this version does not know is taken to stop it, as the record says.</summary>
    public static bool IsSuspended(SuspensionRecord record, WorkloadObject work, ClusterStores stores) =>
        !record.IsThroughManager
            ? work.IsStopped
            : ManagerOf(record.Field.Object) is not { } owner
                || owner.ValueOf(record.Namespace, record.Field.Object, record.Field.Pointer, stores) == record.Field.Value;

    private static ManagerAdapter? ManagerOf(ObjectRef target) =>
        All.FirstOrDefault(owner => owner.Entities.Any(entity => entity.Is(target.ApiVersion, target.Kind)));
}
