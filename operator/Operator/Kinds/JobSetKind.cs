using Bursar.Core.Ledger;
using Bursar.Kube.Objects;

namespace Bursar.Operator.Kinds;

/// <summary>
/// JobSet (jobset.x-k8s.io/v1alpha2), from its source (pkg/controllers/jobset_controller.go): spec.suspend is given on to its Jobs,
/// one by one, and it ends only as they do. So a pod's exit means what it means to a Job that is being suspended: 0 is no
/// completion, another code uses up nothing, and a podFailurePolicy rule FailJob fails the Job, and by failurePolicy the JobSet.
/// A resume lets the same Jobs go on; maxRestarts is not touched. Tried beside its own controller (RealJobSetTests).
/// </summary>
public sealed class JobSetKind() : WorkKind<V1Alpha2JobSet>(WorkClass.Training, SuspendField)
{
    private const string Controller = "jobset.sigs.k8s.io/jobset-controller";

    public override string PodLabel => "jobset.sigs.k8s.io/jobset-name";

    public override Work Read(V1Alpha2JobSet set) => new()
    {
        Kind = this,
        Metadata = set.Metadata,
        Switch = Json(set.Spec.Suspend),
        IsFinished = set.Status.TerminalState is { Length: > 0 } || set.Status.Conditions.Any(condition => condition is { Type: "Completed" or "Failed", Status: "True" }),
        SucceededAt = Since(set.Status.Conditions, "Completed"),
        EndedAt = Since(set.Status.Conditions, "Completed") ?? Since(set.Status.Conditions, "Failed"),
        SuspendedAt = Since(set.Status.Conditions, "Suspended"),
        WhyNot = set.Spec.ManagedBy is { Length: > 0 } manager && manager != Controller ? $"spec.managedBy is {manager}"
            : set.Spec.ReplicatedJobs.FirstOrDefault(job => JobKind.FailsOnStop(job.Template.Spec)) is { } job
                ? $"the podFailurePolicy of its {job.Name} has a FailJob rule that a stopped pod could match, which would fail the Job for good"
            : null,
        PodSets = [.. set.Spec.ReplicatedJobs.Select(job => new PodSet(PodSet.Times(job.Replicas ?? 1, JobKind.AtOnce(job.Template.Spec, 0)), job.Template.Spec.Template))],
    };
}
