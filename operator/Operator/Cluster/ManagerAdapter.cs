using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The adapter of a manager, a controller that scales or queues workloads. It knows which field of the manager's object stops a workload
/// permanently. It has no state. See docs/concepts/suspension.md.
/// </summary>
internal abstract class ManagerAdapter(string name)
{
    /// <summary>The name in the option <c>managers</c>.</summary>
    public string Name { get; } = name;

    /// <summary>The kinds of objects that Bursar writes, the preferred version first; empty if it writes the workload itself.</summary>
    public virtual IReadOnlyList<EntityKind> Entities => [];

    /// <summary>Returns the manager's state for a workload; null if it does not manage the workload.</summary>
    public abstract ManagerState? GetState(WorkloadObject work, ClusterStores stores);

    /// <summary>Returns the current value of a field of one of its objects, as JSON; null if the object is gone.</summary>
    public virtual string? ValueOf(string ns, ObjectRef target, string field, ClusterStores stores) => null;
}
