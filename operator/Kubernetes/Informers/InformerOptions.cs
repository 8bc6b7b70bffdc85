namespace Bursar.Kubernetes.Informers;

public sealed record InformerOptions
{
    /// <summary>The namespace to watch; null for all.</summary>
    public string? Namespace { get; init; }

    public string? LabelSelector { get; init; }

    public string? FieldSelector { get; init; }

    /// <summary>
    /// The API server need not serve the kind. Then the store is empty and synced, and discovery is repeated every
    /// <see cref="ServedCheck"/>.
    /// </summary>
    public bool Optional { get; init; }

    /// <summary>
    /// Returns whether another informer watches the same objects in a newer version of their kind. This informer then treats its kind as
    /// not served. Called only for an <see cref="Optional"/> kind.
    /// </summary>
    public Func<CancellationToken, Task<bool>>? Superseded { get; init; }

    /// <summary>
    /// Versions to watch if the API server does not serve an <see cref="Optional"/> kind's own version, in order of preference. Their JSON
    /// must be readable as the type.
    /// </summary>
    public IReadOnlyList<string> OlderVersions { get; init; } = [];

    public TimeSpan ServedCheck { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Whether to read the initial state as a streaming list (WatchList), if the server supports it.</summary>
    public bool StreamingList { get; init; } = true;

    /// <summary>
    /// Delay after the first failure. It doubles up to <see cref="LongestBackoff"/>, and each delay is multiplied by a random factor of 0.5
    /// to 1.5.
    /// </summary>
    public TimeSpan FirstBackoff { get; init; } = TimeSpan.FromMilliseconds(500);

    public TimeSpan LongestBackoff { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The source of the back-off's random factor. Locked while used, so informers may share it.</summary>
    public Random Random { get; init; } = new(20261121);
}

/// <summary>State of an informer, for metrics and readiness.</summary>
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
/// Callbacks for changes of a store, called one at a time and in order, on the informer's loop. Objects that exist when the handler is
/// added are reported on the calling thread. An exception is logged and does not affect other handlers.
/// </summary>
public sealed record InformerHandler<T>
{
    public Action<T>? Added { get; init; }

    /// <summary>Gets the former and the new state.</summary>
    public Action<T, T>? Updated { get; init; }

    /// <summary>Gets the final state. If the watch missed the deletion, this is the last stored state.</summary>
    public Action<T>? Deleted { get; init; }

    /// <summary>
    /// Called instead of <see cref="Deleted"/>, if set, for an object that was deleted while the watch was interrupted. The time of the
    /// deletion is unknown. <see cref="InformerHealth.LastSync"/> is still the last time at which the object was known to exist.
    /// </summary>
    public Action<T>? DeletedUnseen { get; init; }

    /// <summary>Creates a handler that treats added, updated and deleted objects alike.</summary>
    public static InformerHandler<T> Any(Action<T> seen) =>
        new()
        {
            Added = seen,
            Updated = (_, obj) => seen(obj),
            Deleted = seen,
        };
}
