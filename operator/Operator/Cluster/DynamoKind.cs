using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// Dynamo's DynamoGraphDeploymentScalingAdapter, which has a service's replica count and the selector of its pods. The objects in between
/// (a graph, components, pod cliques or Deployments) differ by version, so the pods are found by their labels.
/// </summary>
internal sealed class DynamoKind : IScalableKind
{
    public EntityKind Entity => V1Alpha1DynamoScalingAdapter.EntityKind;

    public string Name => Entity.Kind;

    public bool IsServed(ClusterStores stores) => stores.DynamoAdapters.IsServed;

    public ScaleTarget? Find(string ns, string name, ClusterStores stores) =>
        stores.DynamoAdapters.Store.Get(ns, name) is not { } adapter
            ? null
            : ScaleTarget.From(Entity, adapter.Metadata, adapter.Spec.Replicas) with
            {
                StatusReplicas = adapter.Status.Replicas,
                ReplicaPods =
                    adapter.Status.Selector is { Length: > 0 } query && V1LabelSelector.FromQuery(query) is { } selector
                        ? TargetReplica.Each(Candidates(ns, selector, stores).Where(pod => selector.Matches(pod.Metadata.Labels)))
                        : [],
            };

    /// <summary>Returns candidate pods, by one of Dynamo's own labels if the selector has one, because only those are indexed.</summary>
    private static IReadOnlyList<V1Pod> Candidates(string ns, V1LabelSelector selector, ClusterStores stores)
    {
        IReadOnlyList<V1Pod>? fewest = null;
        foreach (var one in selector.MatchExpressions)
        {
            if (one is not { Operator: "In", Values: [var value] } || !ScaleIndexes.IsDynamo(one.Key))
                continue;
            var found = stores.Pods.Store.ByIndex(ScaleIndexes.Dynamo, ScaleIndexes.LabelKey(ns, one.Key, value));
            if (fewest is null || found.Count < fewest.Count)
                fewest = found;
        }
        return fewest ?? stores.Pods.Store.ByIndex(Indexes.Namespace, ns);
    }
}
