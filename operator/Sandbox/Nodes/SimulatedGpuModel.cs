namespace Bursar.Sandbox.Nodes;

/// <summary>
/// A GPU product with its names in the feature discovery label and NVML. Maximum power is the vendor's figure, idle power an assumption.
/// </summary>
public sealed record SimulatedGpuModel(string Product, string NvmlName, int MemoryMiB, int IdleWatts, int MaxWatts)
{
    public static SimulatedGpuModel T4 { get; } = new("Tesla-T4", "Tesla T4", 15360, 10, 70);

    public static SimulatedGpuModel V100 { get; } = new("Tesla-V100-SXM2-16GB", "Tesla V100-SXM2-16GB", 16384, 40, 300);

    public static SimulatedGpuModel A100 { get; } = new("NVIDIA-A100-SXM4-80GB", "NVIDIA A100-SXM4-80GB", 81920, 55, 400);

    public static SimulatedGpuModel H100 { get; } = new("NVIDIA-H100-80GB-HBM3", "NVIDIA H100 80GB HBM3", 81559, 70, 700);
}
