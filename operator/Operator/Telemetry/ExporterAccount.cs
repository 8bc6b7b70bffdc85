using Bursar.Agent.Dcgm;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;
using Bursar.Core.Usage;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster.Gpus;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// One node's pages of its dcgm-exporter, made into intervals as the node's agent would make them of its own samples. What a page
/// closes is held back until the next one: should an agent turn out to have come meanwhile, the agent's journal has that time.
/// </summary>
internal sealed class ExporterAccount
{
    /// <summary>The exporter itself reads the GPUs every half minute; one page may be missed.</summary>
    private static readonly TimeSpan LongestGap = TimeSpan.FromSeconds(50);

    private readonly UsageAccumulator _accumulator = new() { LongestGap = LongestGap };
    private List<UsageInterval> _held = [];

    /// <summary>Takes a page of this moment; gives what is certain now.</summary>
    /// <param name="page">What the exporter shows.</param>
    /// <param name="pods">The pods on its node that hold GPUs, by the API.</param>
    /// <param name="at">The moment.</param>
    public IReadOnlyList<UsageInterval> Take(DcgmPage page, IReadOnlyList<V1Pod> pods, DateTimeOffset at)
    {
        var certain = _held;
        var byName = new Dictionary<(string?, string), V1Pod>();
        foreach (var pod in pods)
            byName[(pod.Metadata.Namespace, pod.Metadata.Name)] = pod;
        var knowledge = new PodKnowledge(
            (ns, name, _) => byName.TryGetValue((ns, name), out var pod) ? pod.Metadata.Uid : null,
            _ => ProcessOwner.Unknown,
            uid =>
                pods.FirstOrDefault(pod => pod.Metadata.Uid == uid) is { } pod ? (pod.Metadata.Namespace ?? "", pod.Metadata.Name) : null,
            (ns, name) => byName.ContainsKey((ns, name))
        );
        var snapshot = new GpuSnapshot(NvmlState.Ready, "dcgm-exporter", page.Devices);
        // A name that the API does not know here is of a pod that has ended: what the device still does is nobody's.
        PodDevice[] held =
        [
            .. page
                .Pods.SelectMany(device =>
                    byName.TryGetValue((device.Namespace, device.Pod), out var pod) ? Holders(device, pod, pods) : []
                )
                .DistinctBy(device => (device.Namespace, device.Pod, DeviceId.Parse(device.DeviceId).Device)),
        ];
        _held = _accumulator.Take(at, DeviceHoldings.Of(held, snapshot, knowledge), snapshot);
        return certain;
    }

    /// <summary>The kubelet, and so the exporter, knows of a GPU that KAI shares out only the pod that reserves it.</summary>
    private static IEnumerable<PodDevice> Holders(PodDevice device, V1Pod pod, IReadOnlyList<V1Pod> pods)
    {
        if (!KaiSharing.IsReservation(pod))
            return [device];
        V1Pod[] users = [.. KaiSharing.UsersOf(pod, pods)];
        return users.Length == 0
            ? [device]
            : users.Select(
                (user, i) =>
                    device with
                    {
                        Namespace = user.Metadata.Namespace ?? "",
                        Pod = user.Metadata.Name,
                        Container = "",
                        DeviceId = users.Length == 1 ? device.DeviceId : $"{DeviceId.Parse(device.DeviceId).Device}::{i}",
                    }
            );
    }

    /// <summary>All that was seen: no agent has come, there is just nothing more to read.</summary>
    public IReadOnlyList<UsageInterval> Close() => [.. _held, .. _accumulator.CloseAll()];
}
