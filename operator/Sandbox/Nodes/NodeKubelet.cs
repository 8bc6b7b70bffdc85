using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Nodes;

/// <summary>Creates Node objects and writes their status and leases like a kubelet.</summary>
internal sealed class NodeKubelet(KubeClient client, NodeSimulatorOptions options)
{
    private const string LeaseNamespace = "kube-node-lease";

    private bool _namespaceKnown;

    /// <summary>Creates the node or updates an existing one of that name.</summary>
    public async Task RegisterAsync(SimulatedNode node, CancellationToken cancellationToken)
    {
        var obj = NodeStatusWriter.Node(node);
        try
        {
            await client.CreateAsync<V1Node>(obj, null, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException there) when (there.StatusCode == 409)
        {
            var labels = new JsonObject { ["metadata"] = new JsonObject { ["labels"] = obj["metadata"]!["labels"]!.DeepClone() } };
            await client.PatchAsync<V1Node>(node.Name, null, KubePatch.Merge(labels), cancellationToken).ConfigureAwait(false);
        }

        node.StatusWritten = null;
        node.LeaseKnown = false;
    }

    /// <summary>Writes the lease and status if they are due. Returns the delay until the next call.</summary>
    public async Task<TimeSpan?> HeartbeatAsync(SimulatedNode node, CancellationToken cancellationToken)
    {
        var now = client.TimeProvider.GetUtcNow();
        if (node.LostAt is { } lost)
            return await LostAsync(node, lost, now, cancellationToken).ConfigureAwait(false);

        if (node.StatusWritten is not { } written || now - written >= options.StatusInterval)
        {
            if (node.MarkedLost)
            {
                node.MarkedLost = false;
                node.ReadySince = now;
            }

            try
            {
                await PatchStatusAsync(node.Name, NodeStatusWriter.Status(node, now), cancellationToken).ConfigureAwait(false);
                node.StatusWritten = now;
            }
            catch (ApiException gone) when (gone.IsNotFound)
            {
                // The node was deleted while its kubelet runs, so register it again.
                await RegisterAsync(node, cancellationToken).ConfigureAwait(false);
                return TimeSpan.FromSeconds(1);
            }
        }

        await RenewAsync(node, now, cancellationToken).ConfigureAwait(false);
        return options.LeaseInterval;
    }

    private async Task<TimeSpan?> LostAsync(
        SimulatedNode node,
        DateTimeOffset lost,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        if (options.MarkLostAfter is not { } after || node.MarkedLost)
            return null;
        if (now - lost < after)
            return lost + after - now;
        var status = new JsonObject { ["conditions"] = NodeStatusWriter.LostConditions(node.StatusWritten ?? lost, now) };
        await PatchStatusAsync(node.Name, status, cancellationToken).ConfigureAwait(false);
        node.MarkedLost = true;
        return null;
    }

    private async Task RenewAsync(SimulatedNode node, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (node.LeaseKnown)
        {
            try
            {
                var renewal = new JsonObject { ["spec"] = new JsonObject { ["renewTime"] = KubeTime.Micro(now) } };
                await client
                    .PatchAsync<V1Lease>(node.Name, LeaseNamespace, KubePatch.Merge(renewal), cancellationToken)
                    .ConfigureAwait(false);
                return;
            }
            catch (ApiException gone) when (gone.IsNotFound)
            {
                node.LeaseKnown = false;
            }
        }

        await EnsureNamespaceAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            await client
                .CreateAsync(
                    new V1Lease
                    {
                        Metadata = new V1ObjectMeta { Name = node.Name, Namespace = LeaseNamespace },
                        Spec = new V1LeaseSpec
                        {
                            HolderIdentity = node.Name,
                            LeaseDurationSeconds = 40,
                            RenewTime = now,
                        },
                    },
                    cancellationToken
                )
                .ConfigureAwait(false);
        }
        catch (ApiException there) when (there.StatusCode == 409)
        {
            // An earlier instance of this node created it; it is renewed next time.
        }

        node.LeaseKnown = true;
    }

    private async Task EnsureNamespaceAsync(CancellationToken cancellationToken)
    {
        if (_namespaceKnown)
            return;
        await NamespaceAsync(client, LeaseNamespace, cancellationToken).ConfigureAwait(false);
        _namespaceKnown = true;
    }

    public static async Task NamespaceAsync(KubeClient client, string name, CancellationToken cancellationToken)
    {
        if (await client.GetOrNullAsync<V1Namespace>(name, null, cancellationToken).ConfigureAwait(false) is not null)
            return;
        try
        {
            await client
                .CreateAsync(new V1Namespace { Metadata = new V1ObjectMeta { Name = name } }, cancellationToken)
                .ConfigureAwait(false);
        }
        catch (ApiException there) when (there.StatusCode == 409)
        {
            // Another client created it meanwhile.
        }
    }

    private Task PatchStatusAsync(string name, JsonObject status, CancellationToken cancellationToken) =>
        client.PatchAsync<V1Node>(
            name,
            null,
            KubePatch.Merge(new JsonObject { ["status"] = status }) with
            {
                Subresource = "status",
            },
            cancellationToken
        );
}
