using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Commands;

/// <summary>Checks whether the chart's uninstall hook may act.</summary>
internal static class UninstallCheck
{
    /// <summary>
    /// Returns whether the operator's Deployment of this name exists and is not being deleted. Tools that ignore Helm's hook annotation apply the hook's
    /// Job together with the Deployment; <c>helm uninstall</c> creates the Job after it has deleted the Deployment.
    /// </summary>
    public static async Task<bool> IsInstalledAsync(
        KubeClient client,
        string bursarNamespace,
        string name,
        CancellationToken cancellationToken
    )
    {
        // A list, because the chart's role has no right to get Deployments.
        var found = await ClusterAccess.WithRightAsync($"list deployments.apps in namespace {bursarNamespace}", () =>
            client.ListAsync<V1Deployment>(
                new() { Namespace = bursarNamespace, FieldSelector = $"metadata.name={name}" },
                cancellationToken
            )
        );
        return found.Items.Any(deployment => deployment.Metadata.DeletionTimestamp is null);
    }
}
