using Bursar.Kube.Objects;
using Bursar.Operator.Workloads;

namespace Bursar.Operator.Kinds;

/// <summary>Pods of a workload that are made from one template.</summary>
/// <param name="Count">How many of them run at once when all of them do.</param>
/// <param name="Template">What they are made from.</param>
/// <param name="PerReplica">Of kinds that scale: how many of them each replica has.</param>
public sealed record PodSet(int Count, V1PodTemplateSpec Template, int PerReplica = 1)
{
    public GpuRequest Request { get; } = GpuRequest.OfTemplate(Template);

    public int Gpus => Request.Units * Count;
}
