namespace Bursar.Agent.PodResources;

/// <summary>The extended resources that stand for NVIDIA devices.</summary>
public static class GpuResourceNames
{
    /// <param name="resource">The extended resource.</param>
    /// <param name="renamed">What this cluster's device plugin calls GPUs besides.</param>
    public static bool IsGpu(string resource, IReadOnlyCollection<string> renamed) =>
        resource is "nvidia.com/gpu" or "nvidia.com/gpu.shared" || renamed.Contains(resource)
        || resource.StartsWith("nvidia.com/mig-", StringComparison.Ordinal);
}
