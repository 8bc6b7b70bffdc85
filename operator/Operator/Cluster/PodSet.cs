using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster.Gpus;

namespace Bursar.Operator.Cluster;

/// <summary>Pods of a workload that are created from one template.</summary>
/// <param name="Count">The number of pods that run at the same time.</param>
/// <param name="Template">The pods' template.</param>
/// <param name="PerReplica">Pods per replica, for kinds that scale.</param>
internal sealed record PodSet(int Count, V1PodTemplateSpec Template, int PerReplica = 1)
{
    /// <summary>Upper limit of the pods of one template. A larger count is a mistake, but its cost must still be a number.</summary>
    private const int MostPods = 100_000;

    public int Count
    {
        get;
        init => field = Math.Clamp(value, 0, MostPods);
    } = Math.Clamp(Count, 0, MostPods);

    /// <summary>Uses only the built-in table until <see cref="ClusterGpus.Complete"/> has read the cluster's.</summary>
    public GpuRequest Request { get; init; } = GpuRequest.OfTemplate(Template);

    public int Gpus => Times(Request.Units, Count);

    public static int GpusOf(IEnumerable<PodSet> sets) => (int)Math.Min(sets.Sum(set => (long)set.Gpus), int.MaxValue);

    /// <summary>Multiplies two counts and limits the result, because users may have set any value.</summary>
    public static int Times(int one, int other) => (int)Math.Clamp((long)one * other, 0, int.MaxValue);
}
