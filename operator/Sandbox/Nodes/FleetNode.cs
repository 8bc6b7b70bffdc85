namespace Bursar.Sandbox.Nodes;

/// <summary>The description of a simulated node.</summary>
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

    /// <summary>Labels in addition to those derived from the other fields.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>Returns the labels that GPU feature discovery, the kubelet and a cloud provider set on such a node.</summary>
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
