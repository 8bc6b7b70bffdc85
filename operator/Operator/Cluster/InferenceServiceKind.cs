using System.Text.Json.Nodes;
using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// KServe's InferenceService, stopped by the annotation serving.kserve.io/stop. What its pods ask for stands in the Deployments that KServe makes of it
/// and, while there are none, in its predictor. How a pod ends means nothing to it.
/// </summary>
public sealed class InferenceServiceKind() : WorkKind<V1Beta1InferenceService>(WorkClass.Inference, PatchOperation.Pointer("metadata", "annotations", StopAnnotation))
{
    public const string StopAnnotation = "serving.kserve.io/stop";

    /// <summary>On every pod that serves for it, also under Knative, whose chain of owners leads elsewhere.</summary>
    public const string ServiceLabel = "serving.kserve.io/inferenceservice";

    public override bool Serves => true;

    public override string Stopped => "\"true\"";

    public override string PodLabel => ServiceLabel;

    public override Work Read(V1Beta1InferenceService service)
    {
        var predictor = service.Spec.Predictor;
        return new()
        {
            Kind = this,
            Metadata = service.Metadata,
            Switch = service.Metadata.Annotations.TryGetValue(StopAnnotation, out var stop) ? JsonValue.Create(stop).ToJsonString() : "null",
            PodSets =
            [
                new(Math.Max(1, predictor.MinReplicas ?? 1), new()
                {
                    Metadata = new() { Labels = service.Metadata.Labels },
                    Spec = new()
                    {
                        Containers = [.. (predictor.Model is { } model ? [model] : Array.Empty<V1Beta1ServedContainer>()).Concat(predictor.Containers).Select(one => new V1Container { Name = "served", Resources = one.Resources })],
                        ResourceClaims = predictor.ResourceClaims,
                        NodeSelector = predictor.NodeSelector,
                        TerminationGracePeriodSeconds = predictor.TerminationGracePeriodSeconds,
                    },
                }),
            ],
            OwnLabels = LabelsOf(service),
        };
    }

    public override Work Complete(Work work, ClusterStores stores)
    {
        if (work.IsStopped) return work;
        var deployments = stores.Of("Deployment")!;
        var sets = new List<PodSet>();
        foreach (var part in deployments.OwnedBy(work.Metadata.Uid))
            if (deployments.Get(work.Namespace, part.Name, part.Uid) is { } deployment) sets.AddRange(deployment.PodSets);
        return sets.Count == 0 ? work : WithPods(work, sets, "spec.predictor");
    }

    /// <summary>KServe gives the service's labels and the predictor's to its pods.</summary>
    private static Dictionary<string, string> LabelsOf(V1Beta1InferenceService service)
    {
        var all = new Dictionary<string, string>(StringComparer.Ordinal) { [ServiceLabel] = service.Metadata.Name };
        foreach (var (key, value) in service.Spec.Predictor.Labels.Concat(service.Metadata.Labels)) all.TryAdd(key, value);
        return all;
    }
}
