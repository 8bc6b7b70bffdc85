using System.Text.Json.Nodes;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// KServe's InferenceService, stopped by the annotation serving.kserve.io/stop. The requests of its pods are in the Deployments that KServe
/// creates or, while there are none, in its predictor. KServe ignores how a pod ends.
/// </summary>
internal sealed class InferenceServiceKind()
    : WorkloadKind<V1Beta1InferenceService>(WorkloadClass.Inference, PatchOperation.Pointer("metadata", "annotations", StopAnnotation)),
        IScalableKind
{
    public const string StopAnnotation = "serving.kserve.io/stop";

    /// <summary>Label of every pod of the service. Under Knative the owners of a pod do not lead to the service.</summary>
    public const string ServiceLabel = "serving.kserve.io/inferenceservice";

    private const string ComponentLabel = "component";
    private const string Predictor = "predictor";

    public override bool Serves => true;

    public override string Stopped => "\"true\"";

    public override string PodLabel => ServiceLabel;

    public override WorkloadObject Read(V1Beta1InferenceService service)
    {
        var predictor = service.Spec.Predictor;
        return new()
        {
            Kind = this,
            Metadata = service.Metadata,
            Field = service.Metadata.Annotations.TryGetValue(StopAnnotation, out var stop) ? JsonValue.Create(stop).ToJsonString() : "null",
            PodSets =
            [
                new(
                    Math.Max(1, predictor.MinReplicas ?? 1),
                    new()
                    {
                        Metadata = new() { Labels = service.Metadata.Labels },
                        Spec = new()
                        {
                            Containers =
                            [
                                .. (predictor.Model is { } model ? [model] : Array.Empty<V1Beta1ServedContainer>())
                                    .Concat(predictor.Containers)
                                    .Select(one => new V1Container { Name = "served", Resources = one.Resources }),
                            ],
                            ResourceClaims = predictor.ResourceClaims,
                            NodeSelector = predictor.NodeSelector,
                            TerminationGracePeriodSeconds = predictor.TerminationGracePeriodSeconds,
                        },
                    }
                ),
            ],
            OwnLabels = LabelsOf(service),
        };
    }

    public override WorkloadObject Complete(WorkloadObject work, ClusterStores stores)
    {
        if (work.IsStopped)
            return work;
        var deployments = stores.CacheOf("Deployment")!;
        var sets = new List<PodSet>();
        foreach (var part in deployments.OwnedBy(work.Metadata.Uid))
            if (deployments.Get(work.Namespace, part.Name, part.Uid) is { } deployment)
                sets.AddRange(deployment.PodSets);
        return sets.Count == 0 ? work : WithPods(work, sets, "spec.predictor");
    }

    /// <summary>Returns the labels that KServe copies to the pods: the service's and the predictor's.</summary>
    private static Dictionary<string, string> LabelsOf(V1Beta1InferenceService service)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal) { [ServiceLabel] = service.Metadata.Name };
        foreach (var (key, value) in service.Spec.Predictor.Labels.Concat(service.Metadata.Labels))
            all.TryAdd(key, value);
        return all;
    }

    /// <remarks>
    /// It has no scale subresource. The bounds of its predictor and the annotation that stops it scale it. If the bounds differ, KServe's own
    /// autoscaler decides, and the replicas of its Deployments are used.
    /// </remarks>
    public ScaleTarget? Find(string ns, string name, ClusterStores stores)
    {
        if (stores.StoreOf<V1Beta1InferenceService>().Get(ns, name) is not { } service)
            return null;
        var work = stores.CacheOf(Name)!.Get(ns, name)!;
        var deployments = Deployments(service, stores);
        var pods = TargetReplica.Each(
            stores.Pods.Store.ByIndex(ScaleIndexes.Service, ScaleIndexes.Key(ns, name)).Where(pod => IsPredictor(pod.Metadata))
        );
        return ScaleTarget.From(Entity, service.Metadata, ReplicasOf(service, work.IsStopped, deployments, pods)) with
        {
            StatusReplicas = deployments.Count > 0 ? deployments.Sum(deployment => deployment.Status.Replicas) : pods.Count,
            IsRollingOut =
                service.Status.ObservedGeneration is > 0 and var seen && seen < service.Metadata.Generation
                || deployments.Any(DeploymentKind.IsRolling),
            Work = work,
            PodSets = work.PodSets,
            ReplicaPods = pods,
            Served = new(Text(service.Spec.Predictor.MinReplicas), Text(service.Spec.Predictor.MaxReplicas), work.Field),
        };
    }

    private static int ReplicasOf(
        V1Beta1InferenceService service,
        bool isStopped,
        IReadOnlyList<V1Deployment> deployments,
        IReadOnlyList<TargetReplica> pods
    )
    {
        var (min, max) = (service.Spec.Predictor.MinReplicas, service.Spec.Predictor.MaxReplicas);
        if (isStopped)
            return 0;
        if (min is > 0 && min == max)
            return min.Value;
        if (deployments.Count > 0)
            return deployments.Sum(deployment => deployment.Spec.Replicas ?? 1);
        // Under Knative the Deployments belong to a revision, so count the pods.
        var living = pods.Count(replica => replica.Pods[0].Metadata.DeletionTimestamp is null);
        return living > 0 ? living : Math.Max(1, min ?? 1);
    }

    /// <summary>Returns the Deployments of the predictor. A transformer or an explainer has its own bounds.</summary>
    private static List<V1Deployment> Deployments(V1Beta1InferenceService service, ClusterStores stores) =>
        [
            .. stores
                .StoreOf<V1Deployment>()
                .ByIndex(Indexes.OwnerUid, service.Metadata.Uid)
                .Where(deployment => IsPredictor(deployment.Metadata)),
        ];

    private static bool IsPredictor(V1ObjectMeta metadata) =>
        !metadata.Labels.TryGetValue(ComponentLabel, out var component) || component == Predictor;

    private static string Text(int? value) => value?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? WorkloadObject.Absent;
}
