using Bursar.Agent.Sampling;
using Bursar.Core.Money;
using Bursar.Core.Usage;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Cluster.Gpus;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Reassigns usage of GPUs that KAI shares. While no process uses such a GPU, the agent attributes it to the reservation pod. The GPU idles
/// for the pods that share it, so its energy is divided equally among them.
/// </summary>
internal static class ReservedUsage
{
    /// <param name="intervals">The intervals from the agent.</param>
    /// <param name="pods">The node's pods that hold GPUs.</param>
    public static IReadOnlyList<UsageInterval> Settle(IReadOnlyList<UsageInterval> intervals, IReadOnlyList<V1Pod> pods)
    {
        if (!intervals.Any(IsReserved))
            return intervals;
        var settled = new List<UsageInterval>(intervals.Count);
        foreach (var interval in intervals)
        {
            if (!IsReserved(interval))
            {
                settled.Add(interval);
                continue;
            }
            V1Pod[] users = Holder(interval, pods) is { } holder
                ?
                [
                    .. KaiSharing
                        .UsersOf(holder, pods)
                        .Where(pod => WasThere(pod, interval))
                        .OrderBy(pod => pod.Metadata.Uid, StringComparer.Ordinal),
                ]
                : [];
            if (users.Length == 0)
                continue;
            var energy = interval.EnergyMj is { } drawn ? LargestRemainder.Divide(drawn, [.. users.Select(_ => 1L)]) : null;
            for (var i = 0; i < users.Length; i++)
                settled.Add(
                    interval with
                    {
                        PodUid = users[i].Metadata.Uid,
                        Namespace = users[i].Metadata.Namespace ?? "",
                        Pod = users[i].Metadata.Name,
                        Container = "",
                        Share = "0/1",
                        EnergyMj = energy is null ? null : (long)energy[i],
                        // Memory is not reported per pod.
                        MemoryMiBMs = null,
                        Reason = null,
                    }
                );
        }
        return settled;
    }

    private static bool IsReserved(UsageInterval interval) => interval.Reason == UsageReasons.ReservedForOthers;

    private static V1Pod? Holder(UsageInterval interval, IReadOnlyList<V1Pod> pods) =>
        pods.FirstOrDefault(pod =>
            KaiSharing.IsReservation(pod)
            && (
                interval.PodUid is { } uid
                    ? pod.Metadata.Uid == uid
                    : (pod.Metadata.Namespace, pod.Metadata.Name) == (interval.Namespace, interval.Pod)
            )
        );

    /// <summary>Whether the pod held its share for the whole interval.</summary>
    private static bool WasThere(V1Pod pod, UsageInterval interval) => PodTimes.ScheduledAt(pod) <= interval.From;
}
