namespace Bursar.Kubernetes.Objects;

/// <summary>Which annotations of a pod are kept: the others are never read and are a good part of a pod's size.</summary>
internal static class ReadAnnotations
{
    public static bool Contains(string key)
    {
        // Ends the initial set of a streaming list; stands on bookmarks only.
        if (key == "k8s.io/initial-events-end")
            return true;
        // A part of a GPU, as the KAI scheduler is asked for one.
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

    /// <summary>The domain itself or one below it.</summary>
    private static bool Is(ReadOnlySpan<char> domain, string owner) =>
        domain.EndsWith(owner, StringComparison.Ordinal) && (domain.Length == owner.Length || domain[^(owner.Length + 1)] == '.');
}
