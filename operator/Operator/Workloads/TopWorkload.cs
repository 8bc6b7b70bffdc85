using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Kube.Objects;

namespace Bursar.Operator.Workloads;

/// <summary>
/// The workload that a pod belongs to: the top of its chain of controllers as far as Bursar follows it, with the labels
/// that selectors are matched against (the pod template's of the top workload; of a bare pod its own).
/// </summary>
public sealed record TopWorkload(WorkloadKey Key, IReadOnlyDictionary<string, string> Labels, WorkClass Class)
{
    /// <summary>Null while an owner that must exist is not in the cache yet: the caller asks again.</summary>
    public static TopWorkload? Of(V1Pod pod, ClusterStores stores)
    {
        var ns = pod.Metadata.Namespace ?? "";
        if (pod.Metadata.ControllerReference() is not { } owner)
            return new(new(ns, "Pod", pod.Metadata.Name, pod.Metadata.Uid), pod.Metadata.Labels, ClassOf("Pod", pod.Metadata, null));

        if (owner is { Kind: "Job", ApiVersion: "batch/v1" })
        {
            return stores.Jobs.Store.Get(ns, owner.Name) is { } job && job.Metadata.Uid == owner.Uid
                ? Of(job)
                // The Job may be gone while its pod still ends: the pod carries its template's labels.
                : new(new(ns, "Job", owner.Name, owner.Uid), pod.Metadata.Labels, ClassOf("Job", pod.Metadata, null));
        }
        if (owner.Kind == "ReplicaSet")
        {
            if (stores.ReplicaSets.Store.Get(ns, owner.Name) is not { } set || set.Metadata.Uid != owner.Uid) return null;
            if (set.Metadata.ControllerReference() is { Kind: "Deployment" } parent)
                return stores.Deployments.Store.Get(ns, parent.Name) is { } deployment && deployment.Metadata.Uid == parent.Uid
                    ? Of(deployment)
                    : new(new(ns, "Deployment", parent.Name, parent.Uid), pod.Metadata.Labels, ClassOf("Deployment", pod.Metadata, null));
        }
        return new(new(ns, owner.Kind, owner.Name, owner.Uid), pod.Metadata.Labels, ClassOf(owner.Kind, pod.Metadata, null));
    }

    public static TopWorkload Of(V1Job job) =>
        new(new(job.Metadata.Namespace ?? "", "Job", job.Metadata.Name, job.Metadata.Uid), job.Spec.Template.Metadata.Labels, ClassOf("Job", job.Metadata, job.Spec.Template));

    public static TopWorkload Of(V1Deployment deployment) =>
        new(new(deployment.Metadata.Namespace ?? "", "Deployment", deployment.Metadata.Name, deployment.Metadata.Uid),
            deployment.Spec.Template.Metadata.Labels, ClassOf("Deployment", deployment.Metadata, deployment.Spec.Template));

    /// <summary>By the owner's word, else by kind: batch kinds train, serving kinds infer, the rest is interactive.</summary>
    public static WorkClass ClassOf(string kind, V1ObjectMeta metadata, V1PodTemplateSpec? template) =>
        BursarAnnotations.Read(metadata, template, BursarAnnotations.Class) switch
        {
            "training" => WorkClass.Training,
            "inference" => WorkClass.Inference,
            "interactive" => WorkClass.Interactive,
            _ => kind switch
            {
                "Job" or "JobSet" or "TrainJob" or "PyTorchJob" or "TFJob" or "XGBoostJob" or "PaddleJob" or "JAXJob" or "MPIJob" or "RayJob" or "CronJob" => WorkClass.Training,
                "Deployment" or "ReplicaSet" or "StatefulSet" or "DaemonSet" or "LeaderWorkerSet" or "InferenceService" => WorkClass.Inference,
                _ => WorkClass.Interactive,
            },
        };
}
