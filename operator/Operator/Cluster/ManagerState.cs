using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>What the adapter of a manager says of one workload.</summary>
internal sealed record ManagerState
{
    /// <summary>The manager, in words that end a sentence.</summary>
    public required string Manager { get; init; }

    /// <summary>The field that stops it through its manager; null where the workload's own does.</summary>
    public ManagerField? Field { get; init; }

    /// <summary>Why it cannot be suspended as things stand; null when it can.</summary>
    public string? WhyNot { get; init; }

    /// <summary>Where it waits, when its manager holds it back of its own accord: it takes no money until it is let go.</summary>
    public string? WaitsIn { get; init; }

    /// <summary>Its manager is about to start it, or asks whether it may: what it has waited until now is no fault of its own.</summary>
    public bool IsNext { get; init; }
}

/// <summary>A field of an object that a manager goes by, as it stands. Values are JSON; <c>null</c> means absent.</summary>
internal sealed record ManagerField
{
    public required EntityKind Entity { get; init; }

    public required V1ObjectMeta Object { get; init; }

    /// <summary>JSON pointer.</summary>
    public required string Field { get; init; }

    public required string Value { get; init; }

    /// <summary>The value that stops the work.</summary>
    public required string Stopped { get; init; }

    /// <summary>What is given back where the field is seen stopped already.</summary>
    public required string On { get; init; }

    /// <summary>
    /// Further objects of the manager with the same field, any of which would start the work again if it alone were left.
    /// </summary>
    public IReadOnlyList<V1ObjectMeta> Also { get; init; } = [];

    public bool IsStopped => Value == Stopped;

    public ObjectRef Target => new(Entity.ApiVersion, Entity.Kind, Object.Name, Object.Uid);
}
