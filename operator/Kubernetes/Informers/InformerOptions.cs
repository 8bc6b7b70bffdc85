namespace Bursar.Kubernetes.Informers;

public sealed record InformerOptions
{
    /// <summary>Null: all namespaces.</summary>
    public string? Namespace { get; init; }

    public string? LabelSelector { get; init; }

    public string? FieldSelector { get; init; }

    /// <summary>
    /// The kind may be absent: then the store is empty and synced, and discovery is asked again every <see cref="ServedCheck"/>.
    /// </summary>
    public bool Optional { get; init; }

    /// <summary>
    /// Whether another informer sees the same objects, in a newer version of their kind: then this one takes the kind for absent.
    /// </summary>
    public Func<CancellationToken, Task<bool>>? Superseded { get; init; }

    /// <summary>
    /// Versions that are followed where an optional kind's own is not served, the best first; their JSON must be readable as the type.
    /// </summary>
    public IReadOnlyList<string> OlderVersions { get; init; } = [];

    public TimeSpan ServedCheck { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Ask for the first state as a stream where the server can; else, and else always, as a list.</summary>
    public bool StreamingList { get; init; } = true;

    /// <summary>
    /// First waiting time after a failure; it doubles up to <see cref="LongestBackoff"/> and is spread by half to one and a half.
    /// </summary>
    public TimeSpan FirstBackoff { get; init; } = TimeSpan.FromMilliseconds(500);

    public TimeSpan LongestBackoff { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Spreads the back-off.</summary>
    public Random Random { get; init; } = new(20261121);
}

/// <summary>How an informer is doing, for metrics and readiness.</summary>
public sealed record InformerHealth(
    bool IsServed,
    bool HasSynced,
    DateTimeOffset? LastSync,
    DateTimeOffset? LastEvent,
    int ConsecutiveFailures,
    string? LastError,
    long Lists,
    long Events
);

/// <summary>
/// What is told of changes, one at a time, in order, on the informer's loop. An exception of a handler is logged and stops nobody.
/// </summary>
public sealed record InformerHandler<T>
{
    public Action<T>? Added { get; init; }

    /// <summary>Former and present state.</summary>
    public Action<T, T>? Updated { get; init; }

    /// <summary>The last state known; for a deletion that was missed, the one before it.</summary>
    public Action<T>? Deleted { get; init; }

    /// <summary>
    /// Called instead of <see cref="Deleted"/>, where set, with an object that went while the watch was broken: when it went is not known.
    /// The informer's <see cref="InformerHealth.LastSync"/> is then the last time it was known to be there.
    /// </summary>
    public Action<T>? DeletedUnseen { get; init; }

    /// <summary>Does the same for an object that is added, updated or deleted.</summary>
    public static InformerHandler<T> Any(Action<T> seen) =>
        new()
        {
            Added = seen,
            Updated = (_, obj) => seen(obj),
            Deleted = seen,
        };
}
