using Bursar.Kube.Objects;
using Bursar.Operator.Workloads;

namespace Bursar.Operator.Kinds;

/// <summary>Pods of a workload that are made from one template.</summary>
/// <param name="Count">How many of them run at once when all of them do.</param>
public sealed record PodSet(int Count, V1PodTemplateSpec Template)
{
    public GpuRequest Request { get; } = GpuRequest.OfTemplate(Template);

    public int Gpus => Request.Units * Count;
}
