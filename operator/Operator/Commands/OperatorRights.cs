using Bursar.Api;
using Bursar.Kubernetes.Attributes;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Commands;

/// <summary>
/// Everything the operator may do on the API server, on one page; <c>bursar generate</c> makes the chart's ClusterRole and
/// Roles of it. A controller that needs a right of its own may also carry the attribute itself. RightsTests runs the operator
/// with exactly these and fails on a right that is missing as on one that nothing uses.
/// </summary>
// Its own kinds. The default book is written when there is none; budgets are never written, only their status.
[EntityRbac(typeof(V1Alpha1GpuBudget), Verbs = RbacVerb.List | RbacVerb.Watch)]
[EntityRbac(typeof(V1Alpha1GpuPriceBook), Verbs = RbacVerb.List | RbacVerb.Watch | RbacVerb.Create)]
[EntityRbac(typeof(V1Alpha1InferenceScaler), Verbs = RbacVerb.List | RbacVerb.Watch)]
[GenericRbac(
    Groups = [ApiGroup.Name],
    Resources = ["gpubudgets/status", "gpupricebooks/status", "inferencescalers/status"],
    Verbs = RbacVerb.Patch
)]
// What uses GPUs, and on what: metering and the chain of owners.
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
// GPUs that DRA drivers give out: which there are, who claims them. Any of them may be absent from the cluster.
[EntityRbac(
    typeof(V1ResourceClaim),
    typeof(V1ResourceClaimTemplate),
    typeof(V1ResourceSlice),
    typeof(V1DeviceClass),
    Verbs = RbacVerb.List | RbacVerb.Watch
)]
// Who else manages the work: it is stopped through them, or reported. All but the first may be absent from the cluster.
[EntityRbac(
    typeof(V1HorizontalPodAutoscaler),
    typeof(V1ScaledObject),
    typeof(V1Workload),
    typeof(V1Beta1InferenceService),
    Verbs = RbacVerb.List | RbacVerb.Watch
)]
// The kinds of work beside those, and the RayCluster between a RayJob and its pods. Any of them may be absent from the cluster.
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
    Verbs = RbacVerb.List | RbacVerb.Watch
)]
// What scales beside those.
[EntityRbac(typeof(V1Alpha1Rollout), typeof(V1Alpha1DynamoScalingAdapter), Verbs = RbacVerb.List | RbacVerb.Watch)]
// Suspending, resuming and scaling, kind by kind as the chart's operator.kinds names them; replicas only through the scale subresource.
// With a Job the CronJob that makes it: it is suspended while its run waits.
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
// The same through managers, one by one as the chart's operator.managers names them: Kueue's and KEDA's objects, and Kueue's question whether
// a job may start.
[EntityRbac(typeof(V1Workload), Option = "Kueue", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1ScaledObject), Option = "KEDA", Verbs = RbacVerb.Get | RbacVerb.Patch)]
// An HPA's upper bound, where a scaler caps through it.
[EntityRbac(typeof(V1HorizontalPodAutoscaler), Option = "HorizontalPodAutoscaler", Verbs = RbacVerb.Get | RbacVerb.Patch)]
[EntityRbac(typeof(V1AdmissionCheck), Option = "AdmissionCheck", Verbs = RbacVerb.List | RbacVerb.Watch)]
[GenericRbac(
    Groups = ["kueue.x-k8s.io"],
    Resources = ["admissionchecks/status", "workloads/status"],
    Option = "AdmissionCheck",
    Verbs = RbacVerb.Patch
)]
// Events: one that an earlier life of the operator has written already is read, and continued as a series.
[EntityRbac(typeof(V1Event), Verbs = RbacVerb.Get | RbacVerb.Create | RbacVerb.Patch)]
// The webhook that the chart makes: which roots its certificate comes from.
[GenericRbac(
    Groups = ["admissionregistration.k8s.io"],
    Resources = ["mutatingwebhookconfigurations"],
    Names = ["bursar"],
    Verbs = RbacVerb.Get | RbacVerb.Patch
)]
// A node's last proof of life.
[NamespaceRbac("kube-node-lease", typeof(V1Lease), Verbs = RbacVerb.Get)]
// In its own namespace: the ledger, the leader's lease, the switch (written by `bursar release` before an uninstall), the
// certificates' authority.
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
