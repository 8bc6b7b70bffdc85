using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// TrainJob (trainer.kubeflow.org/v1alpha1). According to Kubeflow Trainer's source (pkg/runtime/framework/plugins/jobset/builder.go),
/// spec.suspend is copied to its JobSet, which exists during the suspension too. So an exit code means the same as for a JobSet. The
/// requests of its pods are in its runtime. They are read from the JobSet, or from spec.trainer until that exists.
/// </summary>
internal sealed class TrainJobKind() : WorkloadKind<V1Alpha1TrainJob>(WorkloadClass.Training, SuspendField)
{
    private const string Controller = "trainer.kubeflow.org/trainjob-controller";

    public override string PodLabel => "trainer.kubeflow.org/trainjob-ancestor-step";

    public override WorkloadObject Read(V1Alpha1TrainJob job) =>
        new()
        {
            Kind = this,
            Metadata = job.Metadata,
            Field = Json(job.Spec.Suspend),
            IsFinished = job.Status.Conditions.Any(condition => condition is { Type: "Complete" or "Failed", Status: "True" }),
            SucceededAt = Since(job.Status.Conditions, "Complete"),
            EndedAt = Since(job.Status.Conditions, "Complete") ?? Since(job.Status.Conditions, "Failed"),
            SuspendedAt = Since(job.Status.Conditions, "Suspended"),
            Reported = ReportedBy(job.Status.TrainerStatus),
            WhyNot = job.Spec.ManagedBy is { Length: > 0 } manager && manager != Controller ? $"spec.managedBy is {manager}" : null,
            PodSets = job.Spec.Trainer is { } trainer
                ?
                [
                    new(
                        trainer.NumNodes ?? 1,
                        new() { Spec = new() { Containers = [new() { Name = "node", Resources = trainer.ResourcesPerNode }] } }
                    ),
                ]
                : [],
            OwnLabels = LabelsOf(job),
            Inherited = [.. InheritedAnnotations.From("its spec.annotations", job.Spec.Annotations)],
            ActiveDeadlineSeconds = job.Spec.ActiveDeadlineSeconds,
            // Its status has no start time. The deadline counts from the creation, and again from each resume.
            StartTime = job.Status.Conditions.FirstOrDefault(condition =>
                condition is { Type: "Suspended", Status: "False" }
            )?.LastTransitionTime
                ?? job.Metadata.CreationTimestamp,
        };

    public override WorkloadObject Complete(WorkloadObject work, ClusterStores stores)
    {
        var sets = stores.CacheOf("JobSet")!;
        foreach (var part in sets.OwnedBy(work.Metadata.Uid))
            if (sets.Get(work.Namespace, part.Name, part.Uid) is { } set)
            {
                var known = WithPods(work, set.PodSets, "spec.trainer");
                // A stopped pod that fails the JobSet fails the TrainJob too.
                return known with
                {
                    Pieces = set.Pieces,
                    // The runtime may have annotations too.
                    Inherited =
                    [
                        .. work.Inherited,
                        .. InheritedAnnotations.From($"its JobSet {set.Metadata.Name}", set.Metadata.Annotations, work.Inherited),
                    ],
                    StartTime = known.ActiveDeadlineSeconds is null ? set.StartTime ?? known.StartTime : known.StartTime,
                    ActiveDeadlineSeconds = known.ActiveDeadlineSeconds ?? set.ActiveDeadlineSeconds,
                    WhyNot = known.WhyNot ?? set.WhyNot,
                    Unreadable = known.Unreadable ?? (set.Unreadable is { } why ? $"of its JobSet {set.Metadata.Name}, {why}" : null),
                };
            }
        return work;
    }

    private static ReportedProgress? ReportedBy(V1Alpha1TrainerStatus? status) =>
        status is { LastUpdatedTime: { } at } && (status.ProgressPercentage ?? status.EstimatedRemainingSeconds) is not null
            ? new(at, status.ProgressPercentage, status.EstimatedRemainingSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null)
            : null;

    private static IReadOnlyDictionary<string, string> LabelsOf(V1Alpha1TrainJob job)
    {
        if (job.Spec.Labels.Count == 0)
            return job.Metadata.Labels;
        var all = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in job.Metadata.Labels.Concat(job.Spec.Labels))
            all.TryAdd(key, value);
        return all;
    }
}
