using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;

namespace Bursar.Sandbox.Nodes;

/// <summary>
/// Binds pods if no other scheduler runs: by priority, then age, to the first node of the fleet that has enough free GPUs, the requested
/// labels and capacity for another pod.
/// </summary>
internal sealed class NodeScheduler(
    KubeClient client,
    IStore<NodePod> pods,
    NodeSimulatorOptions options,
    Func<IEnumerable<SimulatedNode>> nodes
)
{
    /// <summary>Pods that this scheduler bound and the watch has not confirmed yet.</summary>
    private readonly Dictionary<string, string> _assumed = new(StringComparer.Ordinal);

    public async Task RunOnceAsync(CancellationToken cancellationToken)
    {
        var all = pods.List();
        foreach (var pod in all)
        {
            if (!string.IsNullOrEmpty(pod.Spec.NodeName))
                _assumed.Remove(pod.Metadata.Uid);
        }

        foreach (var gone in _assumed.Keys.Where(uid => pods.GetByUid(uid) is null).ToList())
            _assumed.Remove(gone);

        var waiting = all.Where(pod => pod.WaitsForNode(options.SchedulerNames) && !_assumed.ContainsKey(pod.Metadata.Uid))
            .OrderByDescending(static pod => pod.Spec.Priority ?? 0)
            .ThenBy(static pod => pod.Metadata.CreationTimestamp)
            .ThenBy(static pod => pod.Metadata.Namespace, StringComparer.Ordinal)
            .ThenBy(static pod => pod.Metadata.Name, StringComparer.Ordinal)
            .ToList();
        if (waiting.Count == 0)
            return;

        var used = new Dictionary<string, (int Gpus, int Pods)>(StringComparer.Ordinal);
        foreach (var pod in all.Where(static pod => !pod.IsFinished))
        {
            var node = string.IsNullOrEmpty(pod.Spec.NodeName) ? _assumed.GetValueOrDefault(pod.Metadata.Uid) : pod.Spec.NodeName;
            if (node is not null)
                Use(used, node, pod.Gpus);
        }

        foreach (var pod in waiting)
        {
            var gpus = pod.Gpus;
            var fit = nodes().FirstOrDefault(node => Fits(node, pod, gpus, used.GetValueOrDefault(node.Name)));
            if (fit is null)
                await UnschedulableAsync(pod, gpus, used, cancellationToken).ConfigureAwait(false);
            else if (await BindAsync(pod, fit, cancellationToken).ConfigureAwait(false))
                Use(used, fit.Name, gpus);
        }
    }

    private static void Use(Dictionary<string, (int Gpus, int Pods)> used, string node, int gpus)
    {
        var (g, p) = used.GetValueOrDefault(node);
        used[node] = (g + gpus, p + 1);
    }

    private static bool Fits(SimulatedNode node, NodePod pod, int gpus, (int Gpus, int Pods) used) =>
        node.LostAt is null && used.Gpus + gpus <= node.Fleet.Gpus && used.Pods < node.Fleet.MaxPods && Selects(pod, node);

    private static bool Selects(NodePod pod, SimulatedNode node)
    {
        if (pod.Spec.NodeSelector.Count == 0)
            return true;
        var labels = node.Fleet.AllLabels();
        return pod.Spec.NodeSelector.All(wanted => labels.TryGetValue(wanted.Key, out var value) && value == wanted.Value);
    }

    private async Task<bool> BindAsync(NodePod pod, SimulatedNode node, CancellationToken cancellationToken)
    {
        var binding = new JsonObject
        {
            ["apiVersion"] = "v1",
            ["kind"] = "Binding",
            ["metadata"] = new JsonObject
            {
                ["name"] = pod.Metadata.Name,
                ["namespace"] = pod.Metadata.Namespace,
                ["uid"] = pod.Metadata.Uid,
            },
            ["target"] = new JsonObject
            {
                ["apiVersion"] = "v1",
                ["kind"] = "Node",
                ["name"] = node.Name,
            },
        };
        try
        {
            using var content = new StringContent(binding.ToJsonString(), System.Text.Encoding.UTF8, "application/json");
            var path = NodePod.EntityKind.Path(pod.Metadata.Namespace, pod.Metadata.Name, "binding");
            await client.RequestAsync(HttpMethod.Post, path, content, cancellationToken).ConfigureAwait(false);
            _assumed[pod.Metadata.Uid] = node.Name;
            return true;
        }
        catch (ApiException moved) when (moved.StatusCode is 404 or 409)
        {
            // The pod was deleted or bound by another client; the watch reports it.
            return false;
        }
    }

    private async Task UnschedulableAsync(
        NodePod pod,
        int gpus,
        Dictionary<string, (int Gpus, int Pods)> used,
        CancellationToken cancellationToken
    )
    {
        var fleet = nodes().ToList();
        var selected = fleet.Count(node => Selects(pod, node));
        var reasons = new List<string>();
        if (fleet.Count > selected)
            reasons.Add($"{fleet.Count - selected} node(s) didn't match Pod's node affinity/selector");
        var full = fleet.Count(node =>
            Selects(pod, node) && node.LostAt is null && used.GetValueOrDefault(node.Name).Gpus + gpus > node.Fleet.Gpus
        );
        if (full > 0)
            reasons.Add($"{full} Insufficient {NodeContainer.GpuResource}");
        var lost = fleet.Count(static node => node.LostAt is not null);
        if (lost > 0)
            reasons.Add($"{lost} node(s) are unreachable");
        var message = $"0/{fleet.Count} nodes are available: {string.Join(", ", reasons)}.";
        if (pod.Status.Conditions.Any(condition => condition.Type == "PodScheduled" && condition.Message == message))
            return;

        var since = pod.Status.Conditions.FirstOrDefault(static c => c is { Type: "PodScheduled", Status: "False" })?.LastTransitionTime;
        var condition = new JsonObject
        {
            ["type"] = "PodScheduled",
            ["status"] = "False",
            ["reason"] = "Unschedulable",
            ["message"] = message,
            ["lastProbeTime"] = null,
            ["lastTransitionTime"] = KubeTime.Seconds(since ?? client.TimeProvider.GetUtcNow()),
        };
        var patch = KubePatch.Merge(new JsonObject { ["status"] = new JsonObject { ["conditions"] = new JsonArray(condition) } }) with
        {
            Subresource = "status",
        };
        try
        {
            await client.PatchAsync<NodePod>(pod.Metadata.Name, pod.Metadata.Namespace, patch, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException gone) when (gone.IsNotFound)
        {
            // The pod was deleted or bound meanwhile.
        }
    }
}
