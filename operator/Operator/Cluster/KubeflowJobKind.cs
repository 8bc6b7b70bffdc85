using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The jobs of Kubeflow's training operator (kubeflow.org/v1). According to its source (pkg/controller.v1/common/job.go), while
/// spec.runPolicy.suspend is true it deletes every pod and its Service, whatever cleanPodPolicy says, and does not evaluate how pods ended.
/// So a pod that exits during a suspension is neither a success nor a failure nor a retry, provided that it is gone before the resume. A
/// pod that is still ending then is evaluated normally. A resume creates all pods again.
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
            // Order by name, because a map has no stable order.
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
    /// Returns the replica count. With metrics in its elasticPolicy, a HorizontalPodAutoscaler scales the workers
    /// (pkg/controller.v1/pytorch/hpa.go), so their maximum counts.
    /// </summary>
    private static int ReplicasOf(string type, KubeflowReplicaSpec spec, KubeflowElasticPolicy? elastic) =>
        elastic is { Metrics.Count: > 0, MaxReplicas: { } most } && type == "Worker"
            ? Math.Max(spec.Replicas ?? 1, most)
            : spec.Replicas ?? 1;
}

/// <summary>
/// MPIJob (kubeflow.org/v2beta1). According to the MPI operator's source (pkg/controller/mpi_job_controller.go), suspending deletes the
/// worker pods, whatever cleanPodPolicy says, and suspends the launcher, a batch/v1 Job. The MPIJob ends when the launcher does. So a
/// launcher that exits during a suspension is no success and does not count toward backoffLimit. Exits of workers are only counted.
/// </summary>
internal sealed class MpiJobKind() : KubeflowJobKind<V2Beta1MPIJob>("kubeflow.org/mpi-operator")
{
    public override string WhatIsLost =>
        "Its workers are deleted and its launcher is stopped; a resume makes both anew, and the work goes on from its own checkpoints.";
}
