using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;

namespace Bursar.Sandbox.Nodes;

/// <summary>How a simulated trainer tells its progress: a POST to its node's agent from its own address, or annotations on its Job.</summary>
internal sealed class ProgressReporter(KubeClient client)
{
    private const int PodDoor = 9466;

    /// <summary>Whether the agent took it; an agent that is away is the trainer's ordinary fate.</summary>
    public async Task<bool> PostAsync(SimulatedPod pod, TrainingProgress progress, IPAddress agent, CancellationToken cancellationToken)
    {
        using var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            ConnectCallback = async (_, ct) =>
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    socket.Bind(new IPEndPoint(pod.Address, 0));
                    await socket.ConnectAsync(new IPEndPoint(agent, PodDoor), ct).ConfigureAwait(false);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        };
        using var http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(5) };
        var post = new ProgressPost { Step = progress.Step, Total = progress.Total, CheckpointAt = progress.CheckpointAt };
        using var content = new StringContent(JsonSerializer.Serialize(post, UsageJson.Default.ProgressPost), Encoding.UTF8, "application/json");
        try
        {
            using var answer = await http.PostAsync(new Uri($"http://{agent}:{PodDoor}/v1/progress"), content, cancellationToken).ConfigureAwait(false);
            return answer.IsSuccessStatusCode;
        }
        catch (Exception away) when (away is HttpRequestException || (away is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return false;
        }
    }

    /// <summary>Writes <c>bursar.dev/progress</c>, and <c>bursar.dev/last-checkpoint</c> where there is one, on the pod's Job.</summary>
    public async Task AnnotateAsync(SimulatedPod pod, TrainingProgress progress, CancellationToken cancellationToken)
    {
        if (pod.Pod.Metadata.ControllerReference() is not { Kind: "Job" } job)
            return;
        var annotations = new JsonObject
        {
            ["bursar.dev/progress"] = string.Create(CultureInfo.InvariantCulture, $"{progress.Step}/{progress.Total}"),
        };
        if (progress.CheckpointAt is { } at)
            annotations["bursar.dev/last-checkpoint"] = Rfc3339.Format(at);
        var patch = new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = annotations } };
        try
        {
            await client.PatchAsync<V1Job>(job.Name, pod.Pod.Metadata.Namespace, KubePatch.Merge(patch), cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException gone) when (gone.IsNotFound)
        {
            // The Job was deleted under its pod.
        }
    }
}
