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
/// Turns the pages of one node's dcgm-exporter into intervals, as the node's agent does with its samples. Intervals of a page are returned
/// with the next page. If an agent has started meanwhile, its journal covers that time instead.
/// </summary>
internal sealed class ExporterAccount
{
    /// <summary>The exporter samples the GPUs every 30 s, and one page may be missed.</summary>
    private static readonly TimeSpan LongestGap = TimeSpan.FromSeconds(50);

    private readonly UsageAccumulator _accumulator = new() { LongestGap = LongestGap };
    private List<UsageInterval> _pending = [];

    /// <summary>Records the page of a time and returns the intervals of the previous page.</summary>
    /// <param name="page">The exporter's page.</param>
    /// <param name="pods">The node's pods that hold GPUs, from the API.</param>
    /// <param name="at">The time of the page.</param>
    public IReadOnlyList<UsageInterval> Accept(DcgmPage page, IReadOnlyList<V1Pod> pods, DateTimeOffset at)
    {
        var certain = _pending;
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
        // A name that the API does not know belongs to a pod that has ended. Its usage is unattributed.
        PodDevice[] holders =
        [
            .. page
                .Pods.SelectMany(device =>
                    byName.TryGetValue((device.Namespace, device.Pod), out var pod) ? Holders(device, pod, pods) : []
                )
                .DistinctBy(device => (device.Namespace, device.Pod, DeviceId.Parse(device.DeviceId).Device)),
        ];
        _pending = _accumulator.Record(at, DeviceHoldings.Create(holders, snapshot, knowledge), snapshot);
        return certain;
    }

    /// <summary>
    /// Returns the pods that share a device. For a GPU that KAI shares, the kubelet and thus the exporter know only the reservation pod.
    /// </summary>
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

    /// <summary>Returns all remaining intervals when reading ends without an agent.</summary>
    public IReadOnlyList<UsageInterval> Close() => [.. _pending, .. _accumulator.CloseAll()];
}
