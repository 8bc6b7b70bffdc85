using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Operator.Workloads;

namespace Bursar.Operator.Metering;

/// <summary>
/// Books what each node has, and when it was away: a node that gives no sign bills its pods to its last proof of life,
/// and the time after that is nobody's until it returns.
/// </summary>
public sealed class NodeMeter(ClusterStores stores, GpuLedger ledger, KubeClient client, PriceList prices, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, DateTimeOffset> _lost = new(StringComparer.Ordinal);

    public IReadOnlyCollection<string> Lost
    {
        get { lock (_gate) return [.. _lost.Keys]; }
    }

    public bool IsLost(string node)
    {
        lock (_gate) return _lost.ContainsKey(node);
    }

    public async Task ObserveAsync(V1Node node, CancellationToken cancellationToken)
    {
        var name = node.Metadata.Name;
        var gpus = GpuProduct.Count(node);
        var product = GpuProduct.Of(node);
        if (gpus > 0) ledger.ObserveNode(name, product, gpus, node.Metadata.CreationTimestamp ?? time.GetUtcNow());
        if (product.Length > 0 && prices.RateOf(product) is { } rate && ledger.CurrentRate(product) != rate) ledger.Reprice(product, rate, time.GetUtcNow());

        if (node.Status.Condition("Ready") is { Status: "Unknown" } ready)
        {
            lock (_gate) if (_lost.ContainsKey(name)) return;
            // The lease is renewed every ten seconds, the node's status only every five minutes.
            var lease = await client.GetOrNullAsync<V1Lease>(name, "kube-node-lease", cancellationToken);
            var proof = Latest(lease?.Spec.RenewTime, ready.LastHeartbeatTime) ?? ready.LastTransitionTime ?? time.GetUtcNow();
            lock (_gate) _lost[name] = proof;
            ledger.MarkNodeLost(name, proof);
        }
        else
        {
            lock (_gate) _lost.Remove(name);
            ledger.MarkNodeBack(name, time.GetUtcNow());
        }
    }

    public void ObserveGone(V1Node node)
    {
        lock (_gate) _lost.Remove(node.Metadata.Name);
        ledger.ObserveNodeGone(node.Metadata.Name, time.GetUtcNow());
    }

    /// <summary>The products that a template's node selector leaves open: what a job without a bound pod may be charged for.</summary>
    public IEnumerable<string> ProductsFor(IReadOnlyDictionary<string, string> nodeSelector) =>
        stores.Nodes.Store.List()
            .Where(n => GpuProduct.Count(n) > 0 && nodeSelector.All(s => n.Metadata.Labels.TryGetValue(s.Key, out var value) && value == s.Value))
            .Select(GpuProduct.Of).Where(p => p.Length > 0).Distinct(StringComparer.Ordinal);

    private static DateTimeOffset? Latest(DateTimeOffset? left, DateTimeOffset? right) => left is null || right > left ? right : left;
}
