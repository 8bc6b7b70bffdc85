using Bursar.Core.Ledger;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster.Gpus;

/// <summary>
/// GPU units of one resource: cards, slices of one profile, shared slots, or shares of cards that the pod itself declares.
/// </summary>
internal readonly record struct GpuUnits(string Resource, int Count)
{
    /// <summary>Share of a card per unit; null if the pod does not declare it.</summary>
    public DeviceShare? Part { get; init; }

    /// <summary>Memory of a card per unit, if the pod declares it; otherwise zero.</summary>
    public int MemoryMiB { get; init; }
}

/// <summary>
/// The GPUs that a pod holds, counted like the scheduler does. For each resource it is the larger of two numbers: the sum over containers
/// and restartable init containers, and the largest single init container.
/// </summary>
internal readonly record struct GpuRequest(IReadOnlyList<GpuUnits>? Resources)
{
    public const string WholeGpu = NodeDevices.WholeGpu;

    private const int Most = 4096;

    /// <summary>ResourceClaims that it may share with other pods.</summary>
    public IReadOnlyList<SharedClaim>? Claims { get; init; }

    /// <summary>Whether a ResourceClaim is not allocated yet or its device not published, so that this is a request.</summary>
    public bool IsPending { get; init; }

    public bool IsAny => Resources is { Count: > 0 } || Claims is { Count: > 0 };

    /// <summary>Units of <c>nvidia.com/gpu</c>: whole devices, unless their node shares or partitions them.</summary>
    public int Whole => (Resources ?? []).FirstOrDefault(r => r.Resource == WholeGpu).Count;

    /// <summary>Another GPU resource that it requests (a MIG slice, a shared slot, another vendor), or null.</summary>
    public string? Other => (Resources ?? []).FirstOrDefault(r => r.Resource != WholeGpu).Resource;

    /// <summary>Number of billed units: the count of its only resource, or one for a mix, which is billed as a sum.</summary>
    public int Units =>
        Resources switch
        {
            null or [] => Claims is { Count: > 0 } ? 1 : 0,
            [var one] when Claims is null or [] => one.Count,
            _ => 1,
        };

    /// <summary>Returns the request of a pod, including a GPU share that KAI has assigned.</summary>
    public static GpuRequest OfPod(V1Pod pod, GpuResources? table = null) =>
        From(pod.Spec, table) is { IsAny: true } request ? request
        : KaiSharing.IsGiven(pod) ? ReadAnnotations(pod.Metadata)
        : default;

    /// <summary>Returns the request of a template, including a GPU share that its pods will request from KAI.</summary>
    public static GpuRequest OfTemplate(V1PodTemplateSpec template, GpuResources? table = null) =>
        From(template.Spec, table) is { IsAny: true } request ? request : ReadAnnotations(template.Metadata);

    public static GpuRequest From(V1PodSpec pod, GpuResources? table = null)
    {
        List<GpuUnits>? found = null;
        SortedSet<string>? unknown = null;
        foreach (var container in pod.Containers)
            Find(container, table ?? GpuResources.BuiltIn, ref found, ref unknown);
        foreach (var container in pod.InitContainers)
            Find(container, table ?? GpuResources.BuiltIn, ref found, ref unknown);
        // Next to a known GPU, unknown resources only describe it, such as HAMi's nvidia.com/gpumem. Alone, their meaning is unknown.
        if (found is null)
            return unknown is null
                ? default
                : new([.. unknown.Select(resource => new GpuUnits(resource, 1) { Part = DeviceShare.Unknown })]);
        for (var i = 0; i < found.Count; i++)
            found[i] = found[i] with { Count = Count(pod, found[i].Resource) };
        if (found is [{ Resource: WholeGpu }] && HamiSharing.ReadLimits(pod) is { } parts)
            return new(parts);
        return new(found);
    }

    /// <summary>Returns the share of a device per unit on a node. Without a node, a GPU counts as a whole one.</summary>
    public DeviceShare ShareOn(NodeDevices? node)
    {
        switch (Resources)
        {
            case null or []:
                return Claims is { Count: > 0 } ? new(0, 1) : DeviceShare.Unknown;
            case [var one] when Claims is null or []:
                return PartOn(one, node);
            default:
                var sum = new DeviceShare(0, 1);
                foreach (var one in Resources)
                    sum = DeviceShare.Sum(sum, PartOn(one, node) * one.Count);
                return sum;
        }
    }

    public static V1PodSpec Without(V1PodSpec pod, IReadOnlyCollection<string> resources)
    {
        IReadOnlyDictionary<string, string> Rest(IReadOnlyDictionary<string, string> all) =>
            StringMap.From(all.Where(pair => !resources.Contains(pair.Key)));
        V1Container[] Less(IReadOnlyList<V1Container> containers) =>
            [
                .. containers.Select(one =>
                    one with
                    {
                        Resources = new() { Limits = Rest(one.Resources.Limits), Requests = Rest(one.Resources.Requests) },
                    }
                ),
            ];
        return pod with { Containers = Less(pod.Containers), InitContainers = Less(pod.InitContainers) };
    }

    private static DeviceShare PartOn(GpuUnits one, NodeDevices? node) =>
        one.Part is { } part ? part
        : one.MemoryMiB > 0 ? node?.ShareOfMemory(one.MemoryMiB) ?? DeviceShare.Unknown
        : node?.ShareOf(one.Resource) ?? (one.Resource == WholeGpu ? DeviceShare.Whole : DeviceShare.Unknown);

    /// <summary>The resource name in messages about unknown prices.</summary>
    public string Name => Resources is [var first, ..] ? first.Resource : "a ResourceClaim";

    private static GpuRequest ReadAnnotations(V1ObjectMeta metadata) =>
        KaiSharing.ReadAnnotations(metadata) is { } units ? new([units]) : default;

    private static void Find(V1Container container, GpuResources table, ref List<GpuUnits>? found, ref SortedSet<string>? unknown)
    {
        // Extended resources have equal requests and limits. If only one is set, it is the limit.
        foreach (var (resource, quantity) in container.Resources.Limits.Concat(container.Resources.Requests))
        {
            if (quantity == "0" || table.KindOf(resource) is not (not GpuResourceKind.None and var kind))
                continue;
            if (kind == GpuResourceKind.Unknown)
                (unknown ??= new(StringComparer.Ordinal)).Add(resource);
            else if (found is null || !found.Exists(one => one.Resource == resource))
                (found ??= []).Add(new(resource, 0));
        }
    }

    private static int Count(V1PodSpec pod, string resource)
    {
        long running = 0,
            largestInit = 0,
            sidecars = 0;
        foreach (var container in pod.Containers)
            running += Count(container, resource);
        foreach (var container in pod.InitContainers)
        {
            var count = Count(container, resource);
            if (container.RestartPolicy == "Always")
                sidecars += count;
            // An init container runs together with the sidecars that started before it.
            else
                largestInit = Math.Max(largestInit, count + sidecars);
        }
        return (int)Math.Min(Math.Max(running + sidecars, largestInit), Most);
    }

    private static long Count(V1Container container, string resource) =>
        (
            container.Resources.Limits.TryGetValue(resource, out var quantity)
            || container.Resources.Requests.TryGetValue(resource, out quantity)
        ) && KubernetesQuantity.TryParse(quantity, out var count)
            ? Math.Max(0, count.ToInt64())
            : 0;
}
