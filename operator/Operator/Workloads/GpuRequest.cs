using Bursar.Core.Text;
using Bursar.Kube.Objects;

namespace Bursar.Operator.Workloads;

/// <summary>
/// The GPUs a pod holds: the effective request, that is the larger of its containers with restartable init containers
/// together and of any one init container, as the scheduler counts it.
/// </summary>
/// <param name="Whole">Whole devices (<c>nvidia.com/gpu</c>).</param>
/// <param name="Other">Another GPU resource it asks for (a MIG slice, a shared slot, another vendor), or null.</param>
public readonly record struct GpuRequest(int Whole, string? Other)
{
    public const string WholeGpu = "nvidia.com/gpu";

    public bool IsAny => Whole > 0 || Other is not null;

    public static GpuRequest Of(V1PodSpec pod)
    {
        long running = 0, largestInit = 0;
        string? other = null;
        foreach (var container in pod.Containers)
        {
            running += Count(container, ref other);
        }
        long sidecars = 0;
        foreach (var container in pod.InitContainers)
        {
            var count = Count(container, ref other);
            if (container.RestartPolicy == "Always") sidecars += count;
            // An init container runs beside the sidecars started before it.
            else largestInit = Math.Max(largestInit, count + sidecars);
        }
        return new((int)Math.Min(Math.Max(running + sidecars, largestInit), 4096), other);
    }

    /// <summary>Resources that are GPUs of some sort and not whole NVIDIA devices.</summary>
    private static bool IsOther(string resource) =>
        resource.StartsWith("nvidia.com/mig-", StringComparison.Ordinal) || resource is "nvidia.com/gpu.shared" or "amd.com/gpu"
        || resource.StartsWith("gpu.intel.com/", StringComparison.Ordinal);

    private static long Count(V1Container container, ref string? other)
    {
        long whole = 0;
        // Extended resources have equal requests and limits; where only one is written, it is the limit.
        var resources = container.Resources.Requests.Count > 0 ? container.Resources.Requests : container.Resources.Limits;
        foreach (var (resource, quantity) in container.Resources.Limits.Concat(resources).DistinctBy(r => r.Key))
        {
            if (resource == WholeGpu && KubernetesQuantity.TryParse(quantity, out var count)) whole = count.ToInt64();
            else if (IsOther(resource) && quantity != "0") other = resource;
        }
        return whole;
    }
}
