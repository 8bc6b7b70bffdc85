using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// RayJob (ray.io/v1). According to KubeRay's source (ray-operator/controllers/ray/rayjob_controller.go), suspending deletes its RayCluster
/// and its submitter without stopping the Ray job first, and ignores how their pods end. So no exit code ends the RayJob or counts toward
/// its backoffLimit. A resume creates a new cluster, and the job starts from the beginning or from an external checkpoint. Only a RayJob
/// that is new, Initializing or Running reads the field. One without shutdownAfterJobFinishes, or on an existing cluster, becomes invalid.
/// </summary>
internal sealed class RayJobKind() : WorkloadKind<V1RayJob>(WorkloadClass.Training, SuspendField)
{
    private const string Controller = "ray.io/kuberay-operator";

    /// <summary>A higher maxReplicas is a default and no real bound.</summary>
    private const int MostReplicas = 100_000;

    public override string PodLabel => "ray.io/originated-from-cr-name";

    public override string WhatIsLost =>
        "KubeRay deletes its RayCluster: a resume makes a new one, and the work starts again from the beginning or from its own checkpoints outside the cluster.";

    public override WorkloadObject Read(V1RayJob job) =>
        new()
        {
            Kind = this,
            Metadata = job.Metadata,
            Field = Json(job.Spec.Suspend),
            IsFinished = job.Status.JobDeploymentStatus is "Complete" or "Failed",
            SucceededAt = job.Status is { JobDeploymentStatus: "Complete", JobStatus: "SUCCEEDED" } ? job.Status.EndTime : null,
            // Without shutdownAfterJobFinishes the cluster and its pods remain.
            EndedAt =
                job.Spec.ShutdownAfterJobFinishes == true && job.Status.JobDeploymentStatus is ("Complete" or "Failed")
                    ? job.Status.EndTime?.AddSeconds(job.Spec.TtlSecondsAfterFinished ?? 0)
                    : null,
            WhyNot = WhyNotOf(job),
            PodSets = SetsOf(job.Spec.RayClusterSpec),
            ActiveDeadlineSeconds = job.Spec.ActiveDeadlineSeconds,
            StartTime = job.Status.StartTime,
        };

    private static string? WhyNotOf(V1RayJob job) =>
        job.Spec.ManagedBy is { Length: > 0 } manager && manager != Controller ? $"spec.managedBy is {manager}"
        : job.Spec.ClusterSelector.Count > 0 ? "it runs on a RayCluster of others (clusterSelector), which KubeRay does not suspend with it"
        : job.Spec.ShutdownAfterJobFinishes != true ? "KubeRay refuses to suspend a RayJob without shutdownAfterJobFinishes: true"
        : job.Spec.Suspend != true
        && job.Status.JobDeploymentStatus is not ("" or "Initializing" or "Running" or "Suspending" or "Suspended")
            ? $"KubeRay suspends a RayJob only from Initializing or Running; it is {job.Status.JobDeploymentStatus}"
        : null;

    private static PodSet[] SetsOf(V1RayClusterSpec cluster) =>
        [
            new(1, cluster.HeadGroupSpec.Template),
            .. cluster
                .WorkerGroupSpecs.Where(group => group.Suspend != true)
                .Select(group => new PodSet(
                    PodSet.Times(ReplicasOf(group, cluster.EnableInTreeAutoscaling == true), group.NumOfHosts ?? 1),
                    group.Template
                )),
        ];

    /// <summary>
    /// Returns the replicas of a group. KubeRay keeps them within the bounds, and Ray's autoscaler may reach the upper bound. KubeRay sets
    /// 2147483647 if the user set none.
    /// </summary>
    private static int ReplicasOf(V1RayWorkerGroup group, bool autoscaled)
    {
        int? most = group.MaxReplicas is >= 0 and < MostReplicas ? group.MaxReplicas : null;
        var replicas = Math.Max(Math.Min(group.Replicas ?? 0, most ?? int.MaxValue), group.MinReplicas ?? 0);
        return autoscaled ? Math.Max(replicas, most ?? 0) : replicas;
    }
}
