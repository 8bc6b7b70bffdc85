using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The jobs of Kubeflow's training operator (kubeflow.org/v1), from its source (pkg/controller.v1/common/job.go): while
/// spec.runPolicy.suspend is true, reconciling deletes every pod and its Service, whatever cleanPodPolicy says, and returns before
/// it looks at how pods ended. A pod that exits 0 then is no success and a non-zero exit is no failure and no retry, as long as it is
/// gone before the job is resumed: one that still ends at that moment is looked at like any other. A resume makes all pods anew.
/// </summary>
internal class KubeflowJobKind<T>(string manager = KubeflowJobKind<T>.TrainingOperator)
    : WorkloadKind<T>(WorkloadClass.Training, "/spec/runPolicy/suspend")
    where T : KubeflowJob, IKubernetesEntity<T>
{
    private const string TrainingOperator = "kubeflow.org/training-operator";

    public override string PodLabel => "training.kubeflow.org/job-name";

    public override string WhatIsLost =>
        "All its pods and their logs are deleted, whatever cleanPodPolicy says; a resume makes them anew, and the work goes on from its own checkpoints.";

    public sealed override WorkloadObject Read(T job)
    {
        var policy = job.Spec.RunPolicy;
        return new()
        {
            Kind = this,
            Metadata = job.Metadata,
            Field = Json(policy?.Suspend),
            MissingPart = policy is null ? "/spec/runPolicy" : null,
            IsFinished = job.Status.Conditions.Any(condition => condition is { Type: "Succeeded" or "Failed", Status: "True" }),
            SucceededAt = Since(job.Status.Conditions, "Succeeded") is { } since ? job.Status.CompletionTime ?? since : null,
            EndedAt = (Since(job.Status.Conditions, "Succeeded") ?? Since(job.Status.Conditions, "Failed")) is { } over
                ? job.Status.CompletionTime ?? over
                : null,
            SuspendedAt = Since(job.Status.Conditions, "Suspended"),
            WhyNot = policy?.ManagedBy is { Length: > 0 } other && other != manager ? $"spec.runPolicy.managedBy is {other}" : null,
            // By name: the order of a map is nobody's promise.
            PodSets =
            [
                .. job
                    .Spec.Replicas.OrderBy(pair => pair.Key, StringComparer.Ordinal)
                    .Select(pair => new PodSet(ReplicasOf(pair.Key, pair.Value, job.Spec.ElasticPolicy), pair.Value.Template)),
            ],
            ActiveDeadlineSeconds = policy?.ActiveDeadlineSeconds,
            StartTime = job.Status.StartTime,
        };
    }

    /// <summary>
    /// With metrics in its elasticPolicy the training operator lets a HorizontalPodAutoscaler scale the workers
    /// (pkg/controller.v1/pytorch/hpa.go).
    /// </summary>
    private static int ReplicasOf(string type, KubeflowReplicaSpec spec, KubeflowElasticPolicy? elastic) =>
        elastic is { Metrics.Count: > 0, MaxReplicas: { } most } && type == "Worker"
            ? Math.Max(spec.Replicas ?? 1, most)
            : spec.Replicas ?? 1;
}

/// <summary>
/// MPIJob (kubeflow.org/v2beta1), from the MPI operator's source (pkg/controller/mpi_job_controller.go): suspending deletes the
/// worker pods, whatever cleanPodPolicy says, and suspends the launcher, a batch/v1 Job; the MPIJob ends as the launcher does, so a
/// launcher that exits 0 while it is suspended is no success and a non-zero exit uses up no backoffLimit. How a worker exits is only
/// counted.
/// </summary>
internal sealed class MpiJobKind() : KubeflowJobKind<V2Beta1MPIJob>("kubeflow.org/mpi-operator")
{
    public override string WhatIsLost =>
        "Its workers are deleted and its launcher is stopped; a resume makes both anew, and the work goes on from its own checkpoints.";
}
