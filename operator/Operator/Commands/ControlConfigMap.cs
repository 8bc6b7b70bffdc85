using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Safety;

namespace Bursar.Operator.Commands;

/// <summary>Sets a key of ConfigMap <c>bursar-control</c> and creates the ConfigMap if needed. Other keys are kept.</summary>
internal static class ControlConfigMap
{
    public static Task SetAsync(KubeClient client, string bursarNamespace, string key, string value, CancellationToken cancellationToken) =>
        ClusterAccess.WithRightAsync($"create and patch the ConfigMap {ObserveOnlyMode.Name} in namespace {bursarNamespace}", async () =>
        {
            var data = new JsonObject { ["data"] = new JsonObject { [key] = value } };
            Task<V1ConfigMap> PatchAsync() =>
                client.PatchAsync<V1ConfigMap>(ObserveOnlyMode.Name, bursarNamespace, KubePatch.Merge(data), cancellationToken);
            try
            {
                return await PatchAsync();
            }
            catch (ApiException missing) when (missing.IsNotFound)
            {
                data["metadata"] = new JsonObject { ["name"] = ObserveOnlyMode.Name, ["namespace"] = bursarNamespace };
                try
                {
                    return await client.CreateAsync<V1ConfigMap>(data, bursarNamespace, cancellationToken);
                }
                catch (ApiException exists) when (exists.IsConflict)
                {
                    // Another writer created it since the patch.
                    return await PatchAsync();
                }
                catch (ApiException nowhere) when (nowhere.IsNotFound)
                {
                    throw new CommandException($"there is no namespace {bursarNamespace}; name Bursar's own with --bursar-namespace.");
                }
            }
        });
}
