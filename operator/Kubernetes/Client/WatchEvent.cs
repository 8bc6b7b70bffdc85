using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Client;

public enum WatchEventType
{
    Added,
    Modified,
    Deleted,

    /// <summary>Only the object's resource version is meaningful.</summary>
    Bookmark,
}

/// <summary>An event of a watch.</summary>
public sealed record WatchEvent<T>(WatchEventType Type, T Object)
    where T : class, IKubernetesObject
{
    /// <summary>True for the bookmark that ends the initial set of a streaming list.</summary>
    public bool IsInitialEnd =>
        Type == WatchEventType.Bookmark
        && Object.Metadata.Annotations.TryGetValue("k8s.io/initial-events-end", out string? end)
        && end == "true";
}
