using System.Collections.Immutable;

namespace Bursar.Core.Prices;

/// <summary>What a price may hang on: the product of a node's devices, and what the cloud or the owner says of the node.</summary>
public sealed record PricedNode(string Product)
{
    public const string OnDemand = "on-demand";
    public const string Spot = "spot";
    public const string Reserved = "reserved";

    /// <summary><see cref="OnDemand"/>, <see cref="Spot"/> or <see cref="Reserved"/>, whichever way the cloud spells it.</summary>
    public string CapacityType { get; init; } = OnDemand;

    public string Region { get; init; } = "";

    public string InstanceType { get; init; } = "";

    public IReadOnlyDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Reads a node's labels; the product is what <see cref="NodeDevices"/> found.</summary>
    public static PricedNode Of(string product, IReadOnlyDictionary<string, string> labels) => new(product)
    {
        CapacityType = CapacityTypeOf(labels),
        Region = First(labels, "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"),
        InstanceType = First(labels, "node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"),
        Labels = labels,
    };

    /// <summary>
    /// Karpenter, EKS, GKE and AKS each have a label of their own. A node with none of them is on-demand: GKE and AKS
    /// mark only what is spot, and one's own machine is nobody's to take back.
    /// </summary>
    private static string CapacityTypeOf(IReadOnlyDictionary<string, string> labels)
    {
        if (First(labels, "karpenter.sh/capacity-type", "eks.amazonaws.com/capacityType", "kubernetes.azure.com/scalesetpriority") is { Length: > 0 } told)
            return told.Replace('_', '-').ToLowerInvariant() switch
            {
                "spot" => Spot,
                "on-demand" or "regular" => OnDemand,
                "reserved" or "capacity-block" => Reserved,
                var other => other,
            };
        return First(labels, "cloud.google.com/gke-spot", "cloud.google.com/gke-preemptible") == "true" ? Spot : OnDemand;
    }

    private static string First(IReadOnlyDictionary<string, string> labels, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            if (labels.TryGetValue(name, out var value) && value.Length > 0) return value;
        return "";
    }
}
