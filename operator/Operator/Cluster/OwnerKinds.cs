using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>The table of managers, in the order in which they are asked: the first that knows a workload speaks for it.</summary>
internal static class OwnerKinds
{
    public static IReadOnlyList<OwnerKind> All { get; } = [new KueueOwner(), new KServeOwner(), new KedaOwner(), new AutoscalerOwner()];

    /// <summary>Those whose objects Bursar may be given or refused the right to write.</summary>
    public static IReadOnlyList<string> Names { get; } =
    [KueueOwner.OptionName, KedaOwner.OptionName, AutoscalerOwner.OptionName, AdmissionAnswer.OptionName];

    /// <summary>Who manages a workload, and how it is stopped through them; null where nobody does.</summary>
    public static OwnerWord? Of(Work work, ClusterStores stores)
    {
        foreach (var owner in All)
            if (owner.Of(work, stores) is { } word)
                return word.Switch is not null && Names.Contains(owner.Name) && stores.Owners?.Contains(owner.Name) == false
                    ? word with
                    {
                        WhyNot = $"{word.Manager}, and this operator may not write to it (operator.owners of the chart)",
                    }
                    : word;
        return null;
    }

    /// <summary>Work that Kueue queues is made suspended, and started, by Kueue.</summary>
    public static bool IsQueued(Work work, ClusterStores stores) =>
        work.Metadata.Labels.ContainsKey(KueueOwner.QueueLabel) || Of(work, stores) is not null;

    /// <summary>Whether the field that a record names still stops its work. A manager that this version does not know is taken to stop it, as the record says.</summary>
    public static bool Holds(SuspensionRecord record, Work work, ClusterStores stores) =>
        !record.IsThroughManager
            ? work.IsStopped
            : OwnerOf(record.Field.Object) is not { } owner
                || owner.ValueOf(record.Namespace, record.Field.Object, record.Field.Pointer, stores) == record.Field.Value;

    private static OwnerKind? OwnerOf(ObjectRef target) =>
        All.FirstOrDefault(owner => owner.Entities.Any(entity => entity.Is(target.ApiVersion, target.Kind)));
}
