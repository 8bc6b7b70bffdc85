using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>A manager's state for one workload.</summary>
internal sealed record ManagerState
{
    /// <summary>The manager, as the end of a sentence.</summary>
    public required string Manager { get; init; }

    /// <summary>The field of the manager's object that stops the workload; null if the workload's own field does.</summary>
    public ManagerField? Field { get; init; }

    /// <summary>Why the workload cannot be suspended now; null if it can.</summary>
    public string? WhyNot { get; init; }

    /// <summary>The queue in which its manager keeps it; null if it is not queued. A queued workload costs nothing.</summary>
    public string? WaitsIn { get; init; }

    /// <summary>
    /// Whether its manager is about to start it or asks for admission, so that its waiting time is not the workload's fault.
    /// </summary>
    public bool IsNext { get; init; }
}

/// <summary>A field of a manager's object and its current value. Values are JSON; <c>null</c> means absent.</summary>
internal sealed record ManagerField
{
    public required EntityKind Entity { get; init; }

    public required V1ObjectMeta Object { get; init; }

    public required string Field { get; init; }

    public required string Value { get; init; }

    /// <summary>The value that stops the workload.</summary>
    public required string Stopped { get; init; }

    /// <summary>The value to restore if the field is stopped already.</summary>
    public required string On { get; init; }

    /// <summary>Other objects of the manager with the same field. Each of them could start the workload by itself.</summary>
    public IReadOnlyList<V1ObjectMeta> Also { get; init; } = [];

    public bool IsStopped => Value == Stopped;

    public ObjectRef Target => new(Entity.ApiVersion, Entity.Kind, Object.Name, Object.Uid);
}
