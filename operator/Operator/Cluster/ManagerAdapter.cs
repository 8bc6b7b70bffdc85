using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The adapter of one manager of other people's work: which of its fields stops a workload so that it stays stopped. It holds no state;
/// docs/concepts/suspension.md says what each does and why.
/// </summary>
internal abstract class ManagerAdapter(string name)
{
    /// <summary>As the option <c>owners</c> names it.</summary>
    public string Name { get; } = name;

    /// <summary>The objects that it writes, the version to prefer first; empty where it writes the workload itself.</summary>
    public virtual IReadOnlyList<EntityKind> Entities => [];

    /// <summary>What it says of a workload; null where this manager has nothing to do with it.</summary>
    public abstract ManagerState? Of(WorkloadObject work, ClusterStores stores);

    /// <summary>The value that a field of one of its objects holds now, as JSON; null when the object is gone.</summary>
    public virtual string? ValueOf(string ns, ObjectRef target, string field, ClusterStores stores) => null;
}
