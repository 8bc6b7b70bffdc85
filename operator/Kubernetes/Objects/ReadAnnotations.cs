namespace Bursar.Kubernetes.Objects;

/// <summary>Selects the annotations of a pod that are kept. The others are never read and are much of a pod's size.</summary>
internal static class ReadAnnotations
{
    public static bool Contains(string key)
    {
        // Only bookmarks have this annotation. It ends the initial set of a streaming list.
        if (key == "k8s.io/initial-events-end")
            return true;
        // Pods with these annotations request a part of a GPU from the KAI scheduler.
        if (key is "gpu-fraction" or "gpu-memory" or "gpu-fraction-num-devices")
            return true;
        int slash = key.IndexOf('/', StringComparison.Ordinal);
        if (slash <= 0)
            return false;
        ReadOnlySpan<char> domain = key.AsSpan(0, slash);
        return Is(domain, "bursar.dev")
            || Is(domain, "kueue.x-k8s.io")
            || Is(domain, "keda.sh")
            || domain.SequenceEqual("batch.kubernetes.io")
            || domain.SequenceEqual("prometheus.io")
            || domain.SequenceEqual("prometheus.kserve.io");
    }

    /// <summary>Returns whether a domain is the given parent or below it.</summary>
    private static bool Is(ReadOnlySpan<char> domain, string parent) =>
        domain.EndsWith(parent, StringComparison.Ordinal) && (domain.Length == parent.Length || domain[^(parent.Length + 1)] == '.');
}
