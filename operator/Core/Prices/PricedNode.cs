using System.Collections.Immutable;

namespace Bursar.Core.Prices;

/// <summary>The attributes of a node that its price may depend on.</summary>
public sealed record PricedNode(string Product)
{
    public const string OnDemand = "on-demand";
    public const string Spot = "spot";
    public const string Reserved = "reserved";

    /// <summary><see cref="OnDemand"/>, <see cref="Spot"/> or <see cref="Reserved"/>, regardless of the cloud's spelling.</summary>
    public string CapacityType { get; init; } = OnDemand;

    public string Region { get; init; } = "";

    public string InstanceType { get; init; } = "";

    public IReadOnlyDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Reads a node's labels. The product comes from <see cref="NodeDevices"/>.</summary>
    public static PricedNode From(string product, IReadOnlyDictionary<string, string> labels) =>
        new(product)
        {
            CapacityType = CapacityTypeOf(labels),
            Region = First(labels, "topology.kubernetes.io/region", "failure-domain.beta.kubernetes.io/region"),
            InstanceType = First(labels, "node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"),
            Labels = labels,
        };

    /// <summary>
    /// Labels with the capacity type as their value: Karpenter's, EKS's, AKS's, GKE's, Spot Ocean's, and a common one for on-premises
    /// nodes.
    /// </summary>
    private static readonly string[] CapacityTypes =
    [
        "karpenter.sh/capacity-type",
        "eks.amazonaws.com/capacityType",
        "kubernetes.azure.com/scalesetpriority",
        "cloud.google.com/gke-provisioning",
        "spotinst.io/node-lifecycle",
        "node.kubernetes.io/lifecycle",
    ];

    /// <summary>Labels that only spot nodes have, unless they are <c>false</c>: GKE's, OKE's, OpenShift's.</summary>
    private static readonly string[] SpotMarks =
    [
        "cloud.google.com/gke-spot",
        "cloud.google.com/gke-preemptible",
        "oci.oraclecloud.com/oke-is-preemptible",
        "machine.openshift.io/interruptible-instance",
    ];

    /// <summary>
    /// A node without any of the labels is on-demand, because GKE and AKS label only spot nodes, and owned machines have no label.
    /// </summary>
    private static string CapacityTypeOf(IReadOnlyDictionary<string, string> labels)
    {
        if (First(labels, CapacityTypes) is { Length: > 0 } capacityType)
            return capacityType.Replace('_', '-').ToLowerInvariant() switch
            {
                "spot" or "preemptible" or "ec2spot" => Spot,
                "on-demand" or "ondemand" or "od" or "regular" or "standard" or "normal" => OnDemand,
                "reserved" or "reservation" or "capacity-block" => Reserved,
                var other => other,
            };
        foreach (var name in SpotMarks)
            if (labels.TryGetValue(name, out var value) && !value.Equals("false", StringComparison.OrdinalIgnoreCase))
                return Spot;
        return OnDemand;
    }

    private static string First(IReadOnlyDictionary<string, string> labels, params ReadOnlySpan<string> names)
    {
        foreach (var name in names)
            if (labels.TryGetValue(name, out var value) && value.Length > 0)
                return value;
        return "";
    }
}
