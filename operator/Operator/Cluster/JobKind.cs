using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// batch/v1 Job, tried on kube-controller-manager 1.36. The controller removes its finalizer from the pods before it deletes them. So
/// during a suspension a pod that exits 0 is no completion, and a non-zero exit does not count toward backoffLimit. A non-zero exit that
/// matches a FailJob rule of the podFailurePolicy fails the Job for good, so such a Job cannot be suspended. Neither can a Job without
/// completions of which a pod has succeeded, because the controller completes it as soon as none of its pods is active.
/// </summary>
internal sealed class JobKind() : WorkloadKind<V1Job>(WorkloadClass.Training, SuspendField)
{
    private const string Controller = "kubernetes.io/job-controller";

    public override bool IsOptional => false;

    public override WorkloadObject Read(V1Job job) =>
        new()
        {
            Kind = this,
            Metadata = job.Metadata,
            Field = Json(job.Spec.Suspend),
            IsFinished = job.Status.Condition("Complete") is { Status: "True" } || job.Status.Condition("Failed") is { Status: "True" },
            SucceededAt = job.Status.Condition("Complete") is { Status: "True" } ? job.Status.CompletionTime : null,
            EndedAt = Since(job.Status.Conditions, "Complete") is { } since
                ? job.Status.CompletionTime ?? since
                : Since(job.Status.Conditions, "Failed"),
            SuspendedAt = Since(job.Status.Conditions, "Suspended"),
            WhyNot =
                job.Spec.ManagedBy is { Length: > 0 } manager && manager != Controller ? $"spec.managedBy is {manager}"
                : FailsOnStop(job.Spec)
                    ? "its podFailurePolicy has a FailJob rule that a stopped pod could match, which would fail the Job for good"
                : CompletesOnStop(job)
                    ? "it has no completions and one of its pods has succeeded, so Kubernetes would complete it as soon as the others are stopped"
                : null,
            PodSets = [new(AtOnce(job.Spec, job.Status), job.Spec.Template)],
            Pieces = PieceSet.From(job) is { } pieces ? [pieces] : [],
            ActiveDeadlineSeconds = job.Spec.ActiveDeadlineSeconds,
            StartTime = job.Status.StartTime,
        };

    /// <summary>Adds the annotations of its CronJob, since Kubernetes copies only those of the jobTemplate to the runs.</summary>
    public override WorkloadObject Complete(WorkloadObject work, ClusterStores stores) =>
        work.Metadata.ControllerReference() is { IsCronJob: true } owner
        && stores.CronJobs.Store.Get(work.Namespace, owner.Name) is { } cronJob
        && cronJob.Metadata.Uid == owner.Uid
            ? work with
            {
                Inherited = [.. InheritedAnnotations.From($"its CronJob {owner.Name}", cronJob.Metadata.Annotations)],
            }
            : work;

    /// <summary>
    /// Returns how many of a Job's pods can still run at the same time. A work-queue Job gets no new pods once one has succeeded, and a Job
    /// that is ending gets none.
    /// </summary>
    internal static int AtOnce(V1JobSpec spec, V1JobStatus status) =>
        status.Condition("FailureTarget") is { Status: "True" } || status.Condition("SuccessCriteriaMet") is { Status: "True" }
            ? 0
            : Math.Max(
                0,
                Math.Min(
                    spec.Parallelism ?? 1,
                    spec.Completions is { } completions ? completions - PieceSet.EndedOf(status)
                        : status.Succeeded > 0 ? status.Active ?? 0
                        : int.MaxValue
                )
            );

    /// <summary>
    /// Whether stopping the Job would complete it. A work-queue Job with a success ends when its other pods end, for whatever reason.
    /// </summary>
    internal static bool CompletesOnStop(V1Job job) =>
        job.Spec is { Completions: null, Parallelism: not null } && job.Spec.Suspend != true && job.Status.Succeeded > 0;

    /// <summary>
    /// Whether stopping the Job may fail it for good. A FailJob rule can match the exit code of a stopped pod (137, 143, or any code by
    /// NotIn). The exit code on SIGTERM is unknown, so any FailJob rule on exit codes counts.
    /// </summary>
    internal static bool FailsOnStop(V1JobSpec spec)
    {
        if (
            spec.PodFailurePolicy is not { ValueKind: JsonValueKind.Object } value
            || !value.TryGetProperty("rules", out var rules)
            || rules.ValueKind != JsonValueKind.Array
        )
            return false;
        foreach (var rule in rules.EnumerateArray())
            if (
                rule.ValueKind == JsonValueKind.Object
                && rule.TryGetProperty("action", out var action)
                && action.ValueKind == JsonValueKind.String
                && action.GetString() == "FailJob"
                && rule.TryGetProperty("onExitCodes", out _)
            )
                return true;
        return false;
    }
}
