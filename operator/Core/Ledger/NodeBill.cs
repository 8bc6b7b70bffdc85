using Bursar.Core.Money;

namespace Bursar.Core.Ledger;

/// <summary>
/// The breakdown of a node's cost in an interval: <c>Total = Reserved + Unallocated + Σ Unattributed</c>, exactly. Total counts the node's
/// GPUs, or those of its pods if they are more (a device withdrawn from a running pod).
/// </summary>
public sealed record NodeBill(
    Amount Total,
    Amount Reserved,
    Amount Unallocated,
    IReadOnlyDictionary<string, Amount> Unattributed,
    Int128 UnpricedGpuMs
)
{
    /// <summary>The node was unreachable, between its last heartbeat and its return.</summary>
    public const string NodeLost = "node-lost";

    /// <summary>An agent's journal reports a pod that the API never showed.</summary>
    public const string LabelsUnknown = "labels-unknown";
}
