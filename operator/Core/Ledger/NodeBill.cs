using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>
/// Where a node's money went in an interval: <c>Total = Reserved + Unallocated + Σ Unattributed</c>, to the unit.
/// Total counts the node's GPUs, or what its pods hold where that is more (a device withdrawn under a running pod).
/// </summary>
public sealed record NodeBill(
    Amount Total,
    Amount Reserved,
    Amount Unallocated,
    IReadOnlyDictionary<string, Amount> Unattributed,
    Int128 UnpricedGpuMs
)
{
    /// <summary>Nobody can say what ran: between the node's last proof of life and its return.</summary>
    public const string NodeLost = "node-lost";

    /// <summary>An agent's journal tells of a pod that the API never showed.</summary>
    public const string LabelsUnknown = "labels-unknown";
}
