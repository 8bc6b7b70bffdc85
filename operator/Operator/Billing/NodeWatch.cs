using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Billing;

/// <summary>Passes node changes to the meter one at a time, because a heartbeat may require reading the node's lease.</summary>
internal sealed class NodeWatch(ClusterStores stores, NodeMeter meter, KubeClient client) : IDisposable
{
    private readonly WorkQueue<string> _queue = new(client.TimeProvider, name: "nodes");

    public void Start() =>
        stores.Nodes.AddHandler(
            new()
            {
                Added = node => _queue.Add(node.Metadata.Name),
                // Heartbeats update a healthy node every few minutes without a relevant change.
                Updated = (before, node) =>
                {
                    if (!Same(before, node))
                        _queue.Add(node.Metadata.Name);
                },
                Deleted = meter.ObserveGone,
            }
        );

    /// <summary>Enqueues a node whose published DRA devices changed.</summary>
    public void Check(string node) => _queue.Add(node);

    public Task RunAsync(CancellationToken cancellationToken) =>
        _queue.RunAsync(
            async (name, token) =>
            {
                try
                {
                    if (stores.Nodes.Store.Get(null, name) is { } node)
                        await meter.ObserveAsync(node, token);
                    _queue.Forget(name);
                }
                catch (Exception error) when (error is ApiException or HttpRequestException or TimeoutException)
                {
                    _queue.AddRateLimited(name);
                }
            },
            cancellationToken
        );

    public void Dispose() => _queue.Dispose();

    private static bool Same(V1Node before, V1Node after) =>
        Same(before.Metadata.Labels, after.Metadata.Labels)
        && PriceList.RegisterOf(before) == PriceList.RegisterOf(after)
        && Same(before.Status.Capacity, after.Status.Capacity)
        && before.Status.Condition("Ready")?.Status == after.Status.Condition("Ready")?.Status;

    private static bool Same(IReadOnlyDictionary<string, string> before, IReadOnlyDictionary<string, string> after) =>
        before.Count == after.Count && before.All(pair => after.TryGetValue(pair.Key, out var value) && value == pair.Value);
}
