using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Client;

public enum WatchEventType
{
    Added,
    Modified,
    Deleted,

    /// <summary>Only the resource version of the object counts.</summary>
    Bookmark,
}

/// <summary>One change.</summary>
public sealed record WatchEvent<T>(WatchEventType Type, T Object)
    where T : class, IKubernetesObject
{
    /// <summary>The bookmark that ends the initial set of a streaming list.</summary>
    public bool IsInitialEnd =>
        Type == WatchEventType.Bookmark
        && Object.Metadata.Annotations.TryGetValue("k8s.io/initial-events-end", out string? end)
        && end == "true";
}
