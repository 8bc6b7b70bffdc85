using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Nodes;

/// <summary>
/// Reports the progress of a simulated trainer: by POST to its node's agent from the pod's own address, or by annotations on its Job.
/// </summary>
internal sealed class ProgressReporter(KubeClient client)
{
    private const int AgentPort = 9466;

    /// <summary>Posts progress. False if the agent is unreachable or refuses it, which a trainer must tolerate.</summary>
    public async Task<bool> PostAsync(SimulatedPod pod, TrainingProgress progress, IPAddress agent, CancellationToken cancellationToken)
    {
        using var http = From(pod, agent);
        var post = new ProgressPost
        {
            Step = progress.Step,
            Total = progress.Total,
            CheckpointAt = progress.CheckpointAt,
        };
        return await SendAsync(
                http,
                agent,
                "/v1/progress",
                JsonSerializer.Serialize(post, UsageJson.Default.ProgressPost),
                cancellationToken
            )
            .ConfigureAwait(false)
            is not null;
    }

    /// <summary>
    /// Returns the id of the checkpoint requested by the node's agent. Null if there is none or the agent is unreachable.
    /// </summary>
    public async Task<string?> WantedAsync(SimulatedPod pod, IPAddress agent, CancellationToken cancellationToken)
    {
        using var http = From(pod, agent);
        return await SendAsync(http, agent, "/v1/checkpoint", null, cancellationToken).ConfigureAwait(false) is { Length: > 0 } body
            ? JsonSerializer.Deserialize(body, UsageJson.Default.CheckpointWanted)?.Id
            : null;
    }

    /// <summary>Acknowledges to the agent that the checkpoint is written.</summary>
    public async Task<bool> AcknowledgeAsync(
        SimulatedPod pod,
        string id,
        DateTimeOffset done,
        long step,
        IPAddress agent,
        CancellationToken cancellationToken
    )
    {
        using var http = From(pod, agent);
        var post = new CheckpointPost
        {
            Id = id,
            Done = done,
            Step = step,
        };
        return await SendAsync(
                http,
                agent,
                "/v1/checkpoint",
                JsonSerializer.Serialize(post, UsageJson.Default.CheckpointPost),
                cancellationToken
            )
            .ConfigureAwait(false)
            is not null;
    }

    /// <summary>Returns the checkpoint request in the annotation of the pod's Job; null if there is none.</summary>
    public async Task<string?> WantedAsync(SimulatedPod pod, CancellationToken cancellationToken) =>
        pod.Pod.Metadata.ControllerReference() is { Kind: "Job" } job
        && await client.GetOrNullAsync<V1Job>(job.Name, pod.Pod.Metadata.Namespace, cancellationToken).ConfigureAwait(false) is { } found
            ? found.Metadata.Annotations.GetValueOrDefault("bursar.dev/checkpoint-requested")
            : null;

    /// <summary>Returns the response's text. Null if the agent is unreachable or refuses.</summary>
    private static async Task<string?> SendAsync(
        HttpClient http,
        IPAddress agent,
        string path,
        string? body,
        CancellationToken cancellationToken
    )
    {
        var address = new Uri($"http://{agent}:{AgentPort}{path}");
        using var content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        try
        {
            using var answer = await (
                content is null ? http.GetAsync(address, cancellationToken) : http.PostAsync(address, content, cancellationToken)
            ).ConfigureAwait(false);
            return answer.IsSuccessStatusCode ? await answer.Content.ReadAsStringAsync(cancellationToken).ConfigureAwait(false) : null;
        }
        catch (Exception away)
            when (away is HttpRequestException || (away is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return null;
        }
    }

    private static HttpClient From(SimulatedPod pod, IPAddress agent)
    {
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            ConnectCallback = async (_, ct) =>
            {
                var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
                try
                {
                    socket.Bind(new IPEndPoint(pod.Address, 0));
                    await socket.ConnectAsync(new IPEndPoint(agent, AgentPort), ct).ConfigureAwait(false);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            },
        };
        return new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(5) };
    }

    /// <summary>Writes <c>bursar.dev/progress</c>, and <c>bursar.dev/last-checkpoint</c> if there is one, on the pod's Job.</summary>
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
            await client
                .PatchAsync<V1Job>(job.Name, pod.Pod.Metadata.Namespace, KubePatch.Merge(patch), cancellationToken)
                .ConfigureAwait(false);
        }
        catch (ApiException gone) when (gone.IsNotFound)
        {
            // The Job was deleted before its pod.
        }
    }
}
