using Bursar.Api;
using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Commands;

/// <summary>
/// All permissions of the operator on the API server. <c>bursar generate</c> creates the chart's ClusterRole and Roles from them. Other
/// controllers may have the attribute too. RightsTests runs the operator with exactly these permissions and fails on a missing or an unused
/// one.
/// </summary>
// Bursar's own kinds. The default price book is created if there is none. Of budgets and requests only the status is written.
[EntityRbac(
    typeof(V1Alpha1GpuBudget),
    typeof(V1Alpha1ClusterGpuBudget),
    typeof(V1Alpha1GpuBudgetRequest),
    typeof(V1Namespace),
    Verbs = RbacVerb.List | RbacVerb.Watch
)]
[EntityRbac(typeof(V1Alpha1GpuPriceBook), Verbs = RbacVerb.List | RbacVerb.Watch | RbacVerb.Create)]
[EntityRbac(typeof(V1Alpha1InferenceScaler), Verbs = RbacVerb.List | RbacVerb.Watch)]
[GenericRbac(
    Groups = [ApiGroup.Name],
    Resources = [
        "gpubudgets/status",
        "clustergpubudgets/status",
        "gpubudgetrequests/status",
        "gpupricebooks/status",
        "inferencescalers/status",
    ],
    Verbs = RbacVerb.Patch
)]
// Users of GPUs and their nodes, for metering and chains of owners.
[EntityRbac(
    typeof(V1Pod),
    typeof(V1Node),
    typeof(V1PriorityClass),
    typeof(V1ReplicaSet),
    typeof(V1Deployment),
    typeof(V1StatefulSet),
    typeof(V1Job),
    typeof(V1CronJob),
    Verbs = RbacVerb.List | RbacVerb.Watch
)]
// GPUs of DRA drivers and their claims. The cluster may not serve these kinds.
[EntityRbac(
    typeof(V1ResourceClaim),
    typeof(V1ResourceClaimTemplate),
    typeof(V1ResourceSlice),
    typeof(V1DeviceClass),
    Verbs = RbacVerb.List | RbacVerb.Watch
)]
// Managers of workloads. The cluster may not serve these kinds, except the first.
[EntityRbac(
    typeof(V1HorizontalPodAutoscaler),
    typeof(V1ScaledObject),
    typeof(V1Workload),
    typeof(V1Beta1InferenceService),
    Verbs = RbacVerb.List | RbacVerb.Watch
)]
// Other workload kinds, and the RayCluster between a RayJob and its pods. The cluster may not serve these kinds.
[EntityRbac(
    typeof(V1Alpha2JobSet),
    typeof(V1Alpha1TrainJob),
    typeof(V1PyTorchJob),
    typeof(V1TFJob),
    typeof(V1XGBoostJob),
    typeof(V1PaddleJob),
    typeof(V1JAXJob),
    typeof(V2Beta1MPIJob),
    typeof(V1RayJob),
    typeof(V1RayCluster),
    typeof(V1LeaderWorkerSet),
    typeof(V1Notebook),
    Verbs = RbacVerb.List | RbacVerb.Watch
)]
// Other scaled kinds.
[EntityRbac(typeof(V1Alpha1Rollout), typeof(V1Alpha1DynamoScalingAdapter), Verbs = RbacVerb.List | RbacVerb.Watch)]
// Suspending, resuming and scaling, by the kinds in the chart's operator.kinds. Replicas are written only through the scale subresource.
// Job includes the owning CronJob, which is suspended while its run waits.
[EntityRbac(typeof(V1Job), typeof(V1CronJob), Option = "Job", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1Alpha2JobSet), Option = "JobSet", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1Alpha1TrainJob), Option = "TrainJob", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1PyTorchJob), Option = "PyTorchJob", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1TFJob), Option = "TFJob", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1XGBoostJob), Option = "XGBoostJob", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1PaddleJob), Option = "PaddleJob", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1JAXJob), Option = "JAXJob", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V2Beta1MPIJob), Option = "MPIJob", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1RayJob), Option = "RayJob", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[GenericRbac(Groups = ["apps"], Resources = ["deployments/scale"], Option = "Deployment", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[GenericRbac(Groups = ["apps"], Resources = ["statefulsets/scale"], Option = "StatefulSet", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[GenericRbac(
    Groups = ["leaderworkerset.x-k8s.io"],
    Resources = ["leaderworkersets/scale"],
    Option = "LeaderWorkerSet",
    Verbs = RbacVerb.Get | RbacVerb.Patch
)]
[GenericRbac(Groups = ["argoproj.io"], Resources = ["rollouts/scale"], Option = "Rollout", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[GenericRbac(
    Groups = ["nvidia.com"],
    Resources = ["dynamographdeploymentscalingadapters/scale"],
    Option = "DynamoGraphDeploymentScalingAdapter",
    Verbs = RbacVerb.Get | RbacVerb.Patch
)]
[EntityRbac(typeof(V1Beta1InferenceService), Option = "InferenceService", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1Notebook), Option = "Notebook", Verbs = RbacVerb.Get | RbacVerb.Patch)]
// Suspension through managers, by the chart's operator.managers: objects of Kueue and KEDA, and Kueue's AdmissionCheck.
[EntityRbac(typeof(V1Workload), Option = "Kueue", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1ScaledObject), Option = "KEDA", Verbs = RbacVerb.Get | RbacVerb.Patch)]
// The upper bound of an HPA that a scaler caps.
[EntityRbac(typeof(V1HorizontalPodAutoscaler), Option = "HorizontalPodAutoscaler", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1AdmissionCheck), Option = "AdmissionCheck", Verbs = RbacVerb.List | RbacVerb.Watch)]
[GenericRbac(
    Groups = ["kueue.x-k8s.io"],
    Resources = ["admissionchecks/status", "workloads/status"],
    Option = "AdmissionCheck",
    Verbs = RbacVerb.Patch
)]
// Events. One that an earlier process wrote is read and continued as a series.
[EntityRbac(typeof(V1Event), Verbs = RbacVerb.Get | RbacVerb.Create | RbacVerb.Patch)]
// The certificate authorities in the chart's webhook configuration.
[GenericRbac(
    Groups = ["admissionregistration.k8s.io"],
    Resources = ["mutatingwebhookconfigurations"],
    Names = ["bursar"],
    Verbs = RbacVerb.Get | RbacVerb.Patch
)]
// A node's last heartbeat.
[NamespaceRbac("kube-node-lease", typeof(V1Lease), Verbs = RbacVerb.Get)]
// In Bursar's own namespace: the ledger, the leader's lease, the ConfigMap of observe-only mode (written by `bursar release` before an
// uninstall), and the certificate authority.
[NamespaceRbac(
    NamespaceRbacAttribute.Own,
    typeof(V1Alpha1GpuLedger),
    Verbs = RbacVerb.Get | RbacVerb.List | RbacVerb.Create | RbacVerb.Patch | RbacVerb.Delete
)]
[NamespaceRbac(NamespaceRbacAttribute.Own, typeof(V1Lease), typeof(V1ConfigMap), typeof(V1Secret), Verbs = RbacVerb.Create)]
[NamespaceRbac(NamespaceRbacAttribute.Own, typeof(V1Lease), Names = ["bursar"], Verbs = RbacVerb.Get | RbacVerb.Patch)]
[NamespaceRbac(
    NamespaceRbacAttribute.Own,
    typeof(V1ConfigMap),
    Names = ["bursar-control"],
    Verbs = RbacVerb.List | RbacVerb.Watch | RbacVerb.Patch
)]
[NamespaceRbac(NamespaceRbacAttribute.Own, typeof(V1Secret), Names = ["bursar-ca"], Verbs = RbacVerb.Get | RbacVerb.Patch)]
// In the agents' namespace: their certificate.
[NamespaceRbac(NamespaceRbacAttribute.Agents, typeof(V1Secret), Verbs = RbacVerb.Create)]
[NamespaceRbac(NamespaceRbacAttribute.Agents, typeof(V1Secret), Names = ["bursar-agent-tls"], Verbs = RbacVerb.Get | RbacVerb.Patch)]
internal static class OperatorRights;
