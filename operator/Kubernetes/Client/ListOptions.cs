using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Client;

/// <summary>What to list.</summary>
public sealed record ListOptions
{
    /// <summary>Another version of the kind; null is the type's own.</summary>
    public EntityKind? Kind { get; init; }

    /// <summary>Null: all namespaces.</summary>
    public string? Namespace { get; init; }

    public string? LabelSelector { get; init; }

    public string? FieldSelector { get; init; }

    /// <summary>Null: the newest state. "0": whatever the server has in its cache, which is cheap and may be older.</summary>
    public string? ResourceVersion { get; init; }

    /// <summary>Objects a page; 0 asks for all at once.</summary>
    public int Limit { get; init; } = 500;
}

/// <summary>What to watch, and from where.</summary>
public sealed record WatchOptions
{
    /// <summary>Another version of the kind; null is the type's own.</summary>
    public EntityKind? Kind { get; init; }

    public string? Namespace { get; init; }

    public string? LabelSelector { get; init; }

    public string? FieldSelector { get; init; }

    /// <summary>Events after this version. Null: from now, after the present objects as Added.</summary>
    public string? ResourceVersion { get; init; }

    /// <summary>
    /// A streaming list: the present objects as Added, then a bookmark with <see cref="WatchEvent{T}.IsInitialEnd"/>, then changes.
    /// </summary>
    public bool SendInitialEvents { get; init; }

    /// <summary>Null: at random between 5 and 10 minutes.</summary>
    public int? TimeoutSeconds { get; init; }
}

/// <summary>A list at one resource version.</summary>
public sealed record KubeList<T>(IReadOnlyList<T> Items, string ResourceVersion);
