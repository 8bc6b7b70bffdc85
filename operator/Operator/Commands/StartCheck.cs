using System.Text;
using Bursar.Api;
using Bursar.Kubernetes.Client;

namespace Bursar.Operator.Commands;

/// <summary>
/// Checks before the start whether the operator can write its ledger. Otherwise it could suspend nothing, and a leading operator would look
/// healthy nevertheless.
/// </summary>
internal static class StartCheck
{
    /// <summary>The object of a dry-run create, which checks namespace, kind, permission and quota with one request.</summary>
    private const string Trial = """
        {"apiVersion": "bursar.dev/v1alpha1", "kind": "GpuLedger", "metadata": {"name": "bursar-start-check"}, "spec": {"kind": "base", "shard": 0, "data": {}}}
        """;

    /// <exception cref="CommandException">The ledger cannot be written; the message says why and what to do.</exception>
    public static async Task RunAsync(KubeClient client, string ns, CancellationToken cancellationToken)
    {
        try
        {
            using var body = new StringContent(Trial, Encoding.UTF8, "application/json");
            await client.RequestAsync(HttpMethod.Post, V1Alpha1GpuLedger.EntityKind.Path(ns) + "?dryRun=All", body, cancellationToken);
        }
        catch (ApiException refused) when (refused.StatusCode is 403 or 404)
        {
            var there = await ClusterAccess.HasNamespaceAsync(client, ns, cancellationToken);
            throw new CommandException(
                there == false ? $"there is no namespace {ns} for Bursar's ledger: create it, or name another with --namespace."
                    : Failures.IsKindMissing(refused)
                        ? $"the cluster does not serve GpuLedgers: install Bursar's CRDs (crds/, or the chart) first."
                    : $"the ledger cannot be written in namespace {ns}{(there is null ? ", if there is such a namespace" : "")}: {refused.Message}",
                refused
            );
        }
        catch (Exception later) when (later is ApiException or HttpRequestException or TimeoutException)
        {
            // Wait for an unreachable or busy API server. Other faults of the ledger appear in the budgets' status.
        }
    }
}
