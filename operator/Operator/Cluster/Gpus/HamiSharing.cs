using Bursar.Core.Ledger;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster.Gpus;

/// <summary>
/// HAMi's GPU sharing. <c>nvidia.com/gpu</c> is the number of cards that a container sees, and another resource is the memory per card.
/// HAMi partitions cards by memory, so billing does too. A container that requests all cores of a card, or no memory, has the card alone.
/// </summary>
internal static class HamiSharing
{
    public const string Memory = "nvidia.com/gpumem";
    public const string MemoryPercent = "nvidia.com/gpumem-percentage";
    public const string Cores = "nvidia.com/gpucores";

    /// <summary>Returns the units of a pod's running containers; null if none of them requests a share.</summary>
    public static IReadOnlyList<GpuUnits>? ReadLimits(V1PodSpec pod)
    {
        var found = new List<GpuUnits>();
        foreach (var container in pod.Containers.Concat(pod.InitContainers.Where(init => init.RestartPolicy == "Always")))
        {
            if (LimitOf(container, NodeDevices.WholeGpu) is not (> 0 and var count))
                continue;
            var units = Part(container);
            var same = found.FindIndex(one => one.Part == units.Part && one.MemoryMiB == units.MemoryMiB);
            if (same >= 0)
                found[same] = found[same] with { Count = found[same].Count + count };
            else
                found.Add(units with { Count = count });
        }
        return found.Exists(one => one.Part is not null || one.MemoryMiB > 0) ? found : null;
    }

    private static GpuUnits Part(V1Container container)
    {
        var card = new GpuUnits(NodeDevices.WholeGpu, 0);
        if (LimitOf(container, Cores) >= 100)
            return card;
        if (LimitOf(container, Memory) is > 0 and var mebibytes)
            return card with { MemoryMiB = mebibytes };
        return LimitOf(container, MemoryPercent) is > 0 and < 100 and var percent
            ? card with
            {
                Part = DeviceShare.Sum(new(0, 1), new(percent, 100)),
            }
            : card;
    }

    private static int LimitOf(V1Container container, string resource) =>
        (
            container.Resources.Limits.TryGetValue(resource, out var quantity)
            || container.Resources.Requests.TryGetValue(resource, out quantity)
        ) && KubernetesQuantity.TryParse(quantity, out var count)
            ? (int)Math.Clamp(count.ToInt64(), 0, int.MaxValue)
            : 0;
}
