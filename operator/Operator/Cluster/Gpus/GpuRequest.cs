using Bursar.Core.Ledger;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster.Gpus;

/// <summary>Units of one resource: cards, slices of one profile, shared slots, or parts of cards as the pod itself says them.</summary>
internal readonly record struct GpuUnits(string Resource, int Count)
{
    /// <summary>What part of a card each is, where the pod says so.</summary>
    public DeviceShare? Part { get; init; }

    /// <summary>How much of a card's memory each is, where the pod says that; else zero.</summary>
    public int MemoryMiB { get; init; }
}

/// <summary>
/// The GPUs a pod holds: the effective request, that is of each resource the larger of its containers with restartable
/// init containers together and of any one init container, as the scheduler counts it.
/// </summary>
internal readonly record struct GpuRequest(IReadOnlyList<GpuUnits>? Resources)
{
    public const string WholeGpu = NodeDevices.WholeGpu;

    private const int Most = 4096;

    /// <summary>ResourceClaims that it may share with other pods.</summary>
    public IReadOnlyList<SharedClaim>? Claims { get; init; }

    /// <summary>A ResourceClaim is not allocated yet, or its device not published: this is what the pod asks for.</summary>
    public bool IsPending { get; init; }

    public bool IsAny => Resources is { Count: > 0 } || Claims is { Count: > 0 };

    /// <summary>Units of <c>nvidia.com/gpu</c>: whole devices, unless their node shares or cuts them.</summary>
    public int Whole => (Resources ?? []).FirstOrDefault(r => r.Resource == WholeGpu).Count;

    /// <summary>Another GPU resource it asks for (a MIG slice, a shared slot, another vendor), or null.</summary>
    public string? Other => (Resources ?? []).FirstOrDefault(r => r.Resource != WholeGpu).Resource;

    /// <summary>What is counted of it: the units of its resource, or one where it mixes several, which then is their sum.</summary>
    public int Units =>
        Resources switch
        {
            null or [] => Claims is { Count: > 0 } ? 1 : 0,
            [var one] when Claims is null or [] => one.Count,
            _ => 1,
        };

    /// <summary>Of a pod: also the part of a GPU that KAI has given it.</summary>
    public static GpuRequest OfPod(V1Pod pod, GpuResources? table = null) =>
        Of(pod.Spec, table) is { IsAny: true } request ? request
        : KaiSharing.IsGiven(pod) ? Asked(pod.Metadata)
        : default;

    /// <summary>Of a template: also the part of a GPU that its pods will ask KAI for.</summary>
    public static GpuRequest OfTemplate(V1PodTemplateSpec template, GpuResources? table = null) =>
        Of(template.Spec, table) is { IsAny: true } request ? request : Asked(template.Metadata);

    public static GpuRequest Of(V1PodSpec pod, GpuResources? table = null)
    {
        List<GpuUnits>? found = null;
        SortedSet<string>? unknown = null;
        foreach (var container in pod.Containers)
            Find(container, table ?? GpuResources.BuiltIn, ref found, ref unknown);
        foreach (var container in pod.InitContainers)
            Find(container, table ?? GpuResources.BuiltIn, ref found, ref unknown);
        // Beside a GPU that is known they say more about it (HAMi's nvidia.com/gpumem); alone nothing tells what they are.
        if (found is null)
            return unknown is null
                ? default
                : new([.. unknown.Select(resource => new GpuUnits(resource, 1) { Part = DeviceShare.Unknown })]);
        for (var i = 0; i < found.Count; i++)
            found[i] = found[i] with { Count = Count(pod, found[i].Resource) };
        if (found is [{ Resource: WholeGpu }] && HamiSharing.Asked(pod) is { } parts)
            return new(parts);
        return new(found);
    }

    /// <summary>What part of a device each of the <see cref="Units"/> is on a node; without a node a GPU is a whole one.</summary>
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

    /// <summary>The same pod without some resources.</summary>
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

    /// <summary>The resource that names what has no price, for people.</summary>
    public string Name => Resources is [var first, ..] ? first.Resource : "a ResourceClaim";

    private static GpuRequest Asked(V1ObjectMeta metadata) => KaiSharing.Asked(metadata) is { } units ? new([units]) : default;

    private static void Find(V1Container container, GpuResources table, ref List<GpuUnits>? found, ref SortedSet<string>? unknown)
    {
        // Extended resources have equal requests and limits; where only one is written, it is the limit.
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
            // An init container runs beside the sidecars started before it.
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
