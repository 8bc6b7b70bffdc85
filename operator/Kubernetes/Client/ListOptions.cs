using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Client;

public sealed record ListOptions
{
    /// <summary>The kind in another version; null for the type's own version.</summary>
    public EntityKind? Kind { get; init; }

    /// <summary>The namespace; null for all.</summary>
    public string? Namespace { get; init; }

    public string? LabelSelector { get; init; }

    public string? FieldSelector { get; init; }

    /// <summary>Null: the newest state. "0": the state in the server's cache, which is cheap and may be older.</summary>
    public string? ResourceVersion { get; init; }

    /// <summary>Objects per page; 0 for one page.</summary>
    public int Limit { get; init; } = 500;
}

public sealed record WatchOptions
{
    /// <summary>The kind in another version; null for the type's own version.</summary>
    public EntityKind? Kind { get; init; }

    public string? Namespace { get; init; }

    public string? LabelSelector { get; init; }

    public string? FieldSelector { get; init; }

    /// <summary>The version after which changes are sent. Null: the present objects as Added, then changes.</summary>
    public string? ResourceVersion { get; init; }

    /// <summary>
    /// Requests a streaming list: the present objects as Added, then a bookmark with <see cref="WatchEvent{T}.IsInitialEnd"/>, then
    /// changes.
    /// </summary>
    public bool SendInitialEvents { get; init; }

    /// <summary>Null: random, between 5 and 10 minutes.</summary>
    public int? TimeoutSeconds { get; init; }
}

/// <summary>A list at one resource version.</summary>
public sealed record KubeList<T>(IReadOnlyList<T> Items, string ResourceVersion);
