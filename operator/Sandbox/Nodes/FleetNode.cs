namespace Bursar.Sandbox.Nodes;

/// <summary>One simulated node: its name and what hangs in it.</summary>
public sealed record FleetNode
{
    public required string Name { get; init; }

    public int Gpus { get; init; } = 1;

    public SimulatedGpuModel Gpu { get; init; } = SimulatedGpuModel.V100;

    public string? InstanceType { get; init; }

    public string? Region { get; init; }

    public int CpuCores { get; init; } = 64;

    public int MemoryGiB { get; init; } = 512;

    public int MaxPods { get; init; } = 110;

    /// <summary>Labels beside those that follow from the other fields.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>What GPU feature discovery, the kubelet and a cloud would write on such a node.</summary>
    public IReadOnlyDictionary<string, string> AllLabels()
    {
        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal)
        {
            ["kubernetes.io/hostname"] = Name,
            ["kubernetes.io/os"] = "linux",
            ["kubernetes.io/arch"] = "amd64",
        };
        if (Gpus > 0)
        {
            labels["nvidia.com/gpu.product"] = Gpu.Product;
            labels["nvidia.com/gpu.count"] = Gpus.ToString();
            labels["nvidia.com/gpu.memory"] = Gpu.MemoryMiB.ToString();
            labels["nvidia.com/gpu.replicas"] = "1";
            labels["nvidia.com/gpu.sharing-strategy"] = "none";
        }

        if (InstanceType is not null)
            labels["node.kubernetes.io/instance-type"] = InstanceType;
        if (Region is not null)
            labels["topology.kubernetes.io/region"] = Region;
        foreach (var (key, value) in Labels)
            labels[key] = value;
        return labels;
    }
}
