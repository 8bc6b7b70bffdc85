using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster.Gpus;

namespace Bursar.Operator.Cluster;

/// <summary>Pods of a workload that are made from one template.</summary>
/// <param name="Count">How many of them run at once when all of them do.</param>
/// <param name="Template">What they are made from.</param>
/// <param name="PerReplica">Of kinds that scale: how many of them each replica has.</param>
internal sealed record PodSet(int Count, V1PodTemplateSpec Template, int PerReplica = 1)
{
    /// <summary>No cluster runs more pods of one template: a larger count is a mistake, whose cost must still be a number.</summary>
    private const int MostPods = 100_000;

    public int Count
    {
        get;
        init => field = Math.Clamp(value, 0, MostPods);
    } = Math.Clamp(Count, 0, MostPods);

    /// <summary>By the built-in table alone until <see cref="ClusterGpus.Complete"/> has read the cluster's.</summary>
    public GpuRequest Request { get; init; } = GpuRequest.OfTemplate(Template);

    public int Gpus => Times(Request.Units, Count);

    public static int GpusOf(IEnumerable<PodSet> sets) => (int)Math.Min(sets.Sum(set => (long)set.Gpus), int.MaxValue);

    /// <summary>The product of two counts, bounded: fields of others hold whatever was written into them.</summary>
    public static int Times(int one, int other) => (int)Math.Clamp((long)one * other, 0, int.MaxValue);
}
