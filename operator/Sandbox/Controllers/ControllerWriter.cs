using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Controllers;

/// <summary>The common writes of the built-in controllers. They are idempotent and ignore objects that no longer exist.</summary>
internal sealed class ControllerWriter(KubeClient client)
{
    /// <summary>Replaces the whole status, which only the controller writes.</summary>
    public async Task StatusAsync<T, TStatus>(T obj, TStatus status, JsonTypeInfo<TStatus> type, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        var patch = KubePatch.Json(
            PatchOperation.Test("/metadata/uid", obj.Metadata.Uid),
            PatchOperation.Add("/status", JsonSerializer.SerializeToNode(status, type))
        ) with
        {
            Subresource = "status",
        };
        await IgnoreGoneAsync(client.PatchAsync<T>(obj.Metadata.Name, obj.Metadata.Namespace, patch, cancellationToken))
            .ConfigureAwait(false);
    }

    /// <summary>Removes a finalizer. If another client changed the finalizers, the patch fails and the key is retried.</summary>
    public async Task ReleaseAsync(ControlledPod pod, string finalizer, CancellationToken cancellationToken)
    {
        var at = pod.Metadata.Finalizers.ToList().IndexOf(finalizer);
        if (at < 0)
            return;
        var list = "/metadata/finalizers";
        var patch = KubePatch.Json(
            PatchOperation.Test("/metadata/uid", pod.Metadata.Uid),
            pod.Metadata.Finalizers.Count == 1
                ? PatchOperation.Test(list, new JsonArray(finalizer))
                : PatchOperation.Test($"{list}/{at}", finalizer),
            PatchOperation.Remove(pod.Metadata.Finalizers.Count == 1 ? list : $"{list}/{at}")
        );
        await IgnoreGoneAsync(client.PatchAsync<ControlledPod>(pod.Metadata.Name, pod.Metadata.Namespace, patch, cancellationToken))
            .ConfigureAwait(false);
    }

    public async Task DeleteAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        var options = new DeleteOptions { Uid = obj.Metadata.Uid, PropagationPolicy = "Background" };
        await IgnoreGoneAsync(client.DeleteAsync<T>(obj.Metadata.Name, obj.Metadata.Namespace, options, cancellationToken))
            .ConfigureAwait(false);
    }

    /// <summary>Creates an object. False if the name exists.</summary>
    public async Task<bool> CreateAsync<T>(JsonObject obj, string ns, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        try
        {
            await client.CreateAsync<T>(obj, ns, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (ApiException taken) when (taken.StatusCode == 409)
        {
            return false;
        }
    }

    private static async Task IgnoreGoneAsync(Task task)
    {
        try
        {
            await task.ConfigureAwait(false);
        }
        catch (ApiException gone) when (gone.IsNotFound)
        {
            // Another client changed it meanwhile; the next pass reads the new state.
        }
    }
}
