namespace Bursar.Agent.PodResources;

/// <summary>The extended resources that stand for NVIDIA devices.</summary>
public static class GpuResourceNames
{
    public static bool IsGpu(string resource) =>
        resource is "nvidia.com/gpu" or "nvidia.com/gpu.shared"
        || resource.StartsWith("nvidia.com/mig-", StringComparison.Ordinal);
}
