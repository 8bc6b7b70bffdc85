using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Billing;

/// <summary>
/// Records each node's devices and outages. The pods of an unreachable node are billed until its last heartbeat. The time after that is not
/// billed until the node returns.
/// </summary>
internal sealed class NodeMeter(ClusterStores stores, GpuLedger ledger, KubeClient client, PriceList prices, TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, DateTimeOffset> _lost = new(StringComparer.Ordinal);

    /// <summary>
    /// Raised with a node's name when its devices became known or changed, because its pods may hold other shares of them.
    /// </summary>
    public event Action<string>? DevicesChanged;

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
            DevicesChanged?.Invoke(name);

        if (node.Status.Condition("Ready") is { Status: "Unknown" } ready)
        {
            lock (_gate)
                if (_lost.ContainsKey(name))
                    return;
            // The lease is renewed every ten seconds, the node's status only every five minutes.
            var lease = await client.GetOrNullAsync<V1Lease>(name, "kube-node-lease", cancellationToken);
            var lastHeartbeat = Latest(lease?.Spec.RenewTime, ready.LastHeartbeatTime) ?? ready.LastTransitionTime ?? time.GetUtcNow();
            // Both times come from the node's clock. With a clock that is ahead, the outage would start in the future and end before that.
            if (lastHeartbeat > time.GetUtcNow())
                lastHeartbeat = time.GetUtcNow();
            lock (_gate)
                _lost[name] = lastHeartbeat;
            ledger.MarkNodeLost(name, lastHeartbeat);
        }
        else
        {
            lock (_gate)
                _lost.Remove(name);
            // If no replica watched the return, the node's own condition has its time.
            var now = time.GetUtcNow();
            ledger.MarkNodeBack(
                name,
                node.Status.Condition("Ready") is { Status: "True", LastTransitionTime: { } back } && back < now ? back : now
            );
        }
    }

    /// <summary>Records the driver's name of a node's GPUs, from its agent or exporter.</summary>
    public void ObserveName(string node, string product)
    {
        if (prices.Name(node, product))
            DevicesChanged?.Invoke(node);
    }

    public void ObserveGone(V1Node node)
    {
        lock (_gate)
            _lost.Remove(node.Metadata.Name);
        prices.ObserveGone(node.Metadata.Name);
        ledger.ObserveNodeGone(node.Metadata.Name, time.GetUtcNow());
    }

    /// <summary>
    /// Ends nodes that are in the ledger but no longer in the cluster. They disappeared unobserved and are billed until their last
    /// heartbeat.
    /// </summary>
    public void CloseVanished()
    {
        var now = time.GetUtcNow();
        foreach (var name in ledger.Nodes())
            if (ledger.LastStatement(name).Gpus > 0 && stores.Nodes.Store.Get(null, name) is null)
                ledger.ObserveNodeGone(name, ledger.LastHeartbeatOf(name, now));
    }

    /// <summary>Returns the GPU nodes that a node selector allows, to price a job without a bound pod.</summary>
    public IEnumerable<V1Node> NodesFor(IReadOnlyDictionary<string, string> nodeSelector) =>
        stores
            .Nodes.Store.List()
            .Where(n =>
                nodeSelector.All(s => n.Metadata.Labels.TryGetValue(s.Key, out var value) && value == s.Value)
                && stores.Gpus.DevicesOf(n).Cards > 0
            );

    private static DateTimeOffset? Latest(DateTimeOffset? left, DateTimeOffset? right) => left is null || right > left ? right : left;
}
