using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Billing;

/// <summary>
/// Books what each node has, and when it was away: a node that gives no sign bills its pods to its last proof of life,
/// and the time after that is nobody's until it returns.
/// </summary>
internal sealed class NodeMeter(ClusterStores stores, GpuLedger ledger, KubeClient client, PriceList prices, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, DateTimeOffset> _lost = new(StringComparer.Ordinal);

    /// <summary>A node's devices are known now, or known otherwise: its pods may hold other parts of them than was thought.</summary>
    public event Action<string>? DevicesTold;

    public IReadOnlyCollection<string> Lost
    {
        get
        {
            lock (_gate)
                return [.. _lost.Keys];
        }
    }

    public bool IsLost(string node)
    {
        lock (_gate)
            return _lost.ContainsKey(node);
    }

    public async Task ObserveAsync(V1Node node, CancellationToken cancellationToken)
    {
        var name = node.Metadata.Name;
        if (prices.Observe(node))
            DevicesTold?.Invoke(name);

        if (node.Status.Condition("Ready") is { Status: "Unknown" } ready)
        {
            lock (_gate)
                if (_lost.ContainsKey(name))
                    return;
            // The lease is renewed every ten seconds, the node's status only every five minutes.
            var lease = await client.GetOrNullAsync<V1Lease>(name, "kube-node-lease", cancellationToken);
            var proof = Latest(lease?.Spec.RenewTime, ready.LastHeartbeatTime) ?? ready.LastTransitionTime ?? time.GetUtcNow();
            // Both are by the node's own clock. One that is ahead would have the node lost from a moment to come on, and its return told as
            // of before.
            if (proof > time.GetUtcNow())
                proof = time.GetUtcNow();
            lock (_gate)
                _lost[name] = proof;
            ledger.MarkNodeLost(name, proof);
        }
        else
        {
            lock (_gate)
                _lost.Remove(name);
            // Of a return that nobody watched the node's own condition tells when it was.
            var now = time.GetUtcNow();
            ledger.MarkNodeBack(
                name,
                node.Status.Condition("Ready") is { Status: "True", LastTransitionTime: { } back } && back < now ? back : now
            );
        }
    }

    /// <summary>The node's agent, or exporter, told what the driver calls its GPUs.</summary>
    public void ObserveName(string node, string product)
    {
        if (prices.Name(node, product))
            DevicesTold?.Invoke(node);
    }

    public void ObserveGone(V1Node node)
    {
        lock (_gate)
            _lost.Remove(node.Metadata.Name);
        prices.ObserveGone(node.Metadata.Name);
        ledger.ObserveNodeGone(node.Metadata.Name, time.GetUtcNow());
    }

    /// <summary>
    /// Nodes that the ledger has and the cluster does not: they went while no process watched, and are billed up to their last sign.
    /// </summary>
    public void CloseVanished()
    {
        var now = time.GetUtcNow();
        foreach (var name in ledger.Nodes())
            if (ledger.LastStatement(name).Gpus > 0 && stores.Nodes.Store.Get(null, name) is null)
                ledger.ObserveNodeGone(name, ledger.LastHeartbeatOf(name, now));
    }

    /// <summary>
    /// The nodes with GPUs that a template's node selector leaves open: what a job without a bound pod may be charged for.
    /// </summary>
    public IEnumerable<V1Node> NodesFor(IReadOnlyDictionary<string, string> nodeSelector) =>
        stores
            .Nodes.Store.List()
            .Where(n =>
                nodeSelector.All(s => n.Metadata.Labels.TryGetValue(s.Key, out var value) && value == s.Value)
                && stores.Gpus.DevicesOf(n).Cards > 0
            );

    private static DateTimeOffset? Latest(DateTimeOffset? left, DateTimeOffset? right) => left is null || right > left ? right : left;
}
