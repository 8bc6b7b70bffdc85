using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The workload that a pod belongs to: the top of its chain of controllers as far as Bursar follows it, with the labels
/// that selectors are matched against (the pod templates' of the top workload; of a bare pod its own).
/// </summary>
internal sealed record PodWorkload(WorkloadKey Key, IReadOnlyDictionary<string, string> Labels, WorkloadClass Class)
{
    /// <summary>Null while an owner that must exist is not in the cache yet: the caller asks again.</summary>
    public static PodWorkload? Of(V1Pod pod, ClusterStores stores)
    {
        var ns = pod.Metadata.Namespace ?? "";
        if (pod.Metadata.ControllerReference() is not { } first)
            return new(new(ns, "Pod", pod.Metadata.Name, pod.Metadata.Uid), pod.Metadata.Labels, ClassOf("Pod", pod.Metadata, null));
        if (Climb(pod, first, stores) is not { } top)
            return null;
        if (stores.Of(top)?.Get(ns, top.Name, top.Uid) is { } work)
            return Of(work);
        // It may be gone while its pod still ends: the pod carries its template's labels.
        var kind = WorkloadKinds.NameOf(top);
        return new(new(ns, kind, top.Name, top.Uid), pod.Metadata.Labels, ClassOf(kind, pod.Metadata, null));
    }

    /// <summary>Which workload a pod belongs to, where that is all that is asked.</summary>
    public static string? UidOf(V1Pod pod, ClusterStores stores) =>
        pod.Metadata.ControllerReference() is { } first ? Climb(pod, first, stores)?.Uid : pod.Metadata.Uid;

    public static PodWorkload Of(WorkloadObject work) =>
        new(
            new(work.Namespace, work.Kind.Name, work.Metadata.Name, work.Metadata.Uid),
            work.Labels,
            ClassOf(work.Kind.Name, work.Metadata, work.Template)
        );

    /// <summary>By the owner's word, else by kind: batch kinds train, serving kinds infer, the rest is interactive.</summary>
    public static WorkloadClass ClassOf(string kind, V1ObjectMeta metadata, V1PodTemplateSpec? template) =>
        BursarAnnotations.Read(metadata, IsClassReadFromTemplate(kind) ? template : null, BursarAnnotations.Class) switch
        {
            "training" => WorkloadClass.Training,
            "inference" => WorkloadClass.Inference,
            "interactive" => WorkloadClass.Interactive,
            _ => WorkloadKinds.Of(kind)?.Class
                ?? kind switch
                {
                    // Kinds that are seen and not stopped.
                    "ReplicaSet" or "DaemonSet" => WorkloadClass.Inference,
                    _ => WorkloadClass.Interactive,
                },
        };

    /// <summary>
    /// Returns false for custom kinds that train. There an annotation that says otherwise takes the workload out of suspension, and the
    /// guard can check it on the object but not in the pod templates of every custom kind.
    /// </summary>
    internal static bool IsClassReadFromTemplate(string kind) => kind == "Job" || WorkloadKinds.Of(kind)?.Class != WorkloadClass.Training;

    /// <summary>
    /// Whether the way up goes on with this controller: it is of the table, or it is a pod, which only a LeaderWorkerSet has as an owner.
    /// </summary>
    public static bool IsFollowed(V1OwnerReference? controller) =>
        WorkloadKinds.Of(controller) is not null || controller is { Kind: "Pod", ApiVersion: "v1" };

    /// <summary>From controller to controller, as far as the next one is of the table or leads to one that is.</summary>
    private static V1OwnerReference? Climb(V1Pod pod, V1OwnerReference owner, ClusterStores stores)
    {
        var ns = pod.Metadata.Namespace ?? "";
        // No chain that a controller makes is that long.
        for (var step = 0; step < 8; step++)
        {
            if (stores.Of(owner) is { } cache)
            {
                if (cache.MetadataOf(ns, owner.Name) is not { } metadata || metadata.Uid != owner.Uid)
                    return WaitsFor(pod, cache) ? null : owner;
                if (metadata.ControllerReference() is not { } above || !IsFollowed(above))
                    return ServedBy(metadata, ns, stores) ?? owner;
                owner = above;
            }
            else if (LinkOf(owner, ns, stores) is var (isLink, link) && isLink)
            {
                // One that ends has seen what it belonged to go: nobody waits for what will not come.
                if (link is null)
                    return Ends(pod) ? owner : null;
                if (link.ControllerReference() is not { } above || !IsFollowed(above))
                    return owner;
                owner = above;
            }
            else
            {
                return owner;
            }
        }
        return owner;
    }

    /// <summary>Whether another object of the table is this one's top.</summary>
    public static bool BelongsToAnother(WorkloadObject work, ClusterStores stores) =>
        work.IsPart || ServedBy(work.Metadata, work.Namespace, stores) is not null;

    /// <summary>
    /// Under Knative the owners of a Deployment lead to a Revision and on; its label names the InferenceService that it serves for.
    /// </summary>
    private static V1OwnerReference? ServedBy(V1ObjectMeta deployment, string ns, ClusterStores stores) =>
        deployment.ControllerReference() is { Kind: "Revision" }
        && deployment.Labels.TryGetValue(InferenceServiceKind.ServiceLabel, out var name)
        && stores.Of("InferenceService")?.MetadataOf(ns, name) is { } service
            ? new()
            {
                ApiVersion = V1Beta1InferenceService.EntityKind.ApiVersion,
                Kind = "InferenceService",
                Name = name,
                Uid = service.Uid,
                Controller = true,
            }
            : null;

    /// <summary>Objects between pods and a kind of the table, which are nobody's workload where they stand alone.</summary>
    private static (bool IsLink, V1ObjectMeta? Link) LinkOf(V1OwnerReference owner, string ns, ClusterStores stores)
    {
        var link = owner switch
        {
            { Kind: "ReplicaSet" } => stores.ReplicaSets.Store.Get(ns, owner.Name)?.Metadata,
            // The leader of a LeaderWorkerSet's group owns its workers.
            { Kind: "Pod", ApiVersion: "v1" } => stores.Pods.Store.Get(ns, owner.Name)?.Metadata,
            { Kind: "RayCluster" } when stores.RayClusters.IsServed => stores.RayClusters.Store.Get(ns, owner.Name)?.Metadata,
            _ => V1ObjectMeta.Empty,
        };
        return (link != V1ObjectMeta.Empty, link?.Uid == owner.Uid ? link : null);
    }

    private static bool Ends(V1Pod pod) => pod.Metadata.DeletionTimestamp is not null || PodTimes.IsOver(pod);

    /// <summary>
    /// An owner that is not in the cache is gone or has not come yet. Where the pod's labels say that more stands above it, a pod
    /// that lives waits for it: the ledger keeps the first answer.
    /// </summary>
    private static bool WaitsFor(V1Pod pod, KindCache cache) =>
        cache is { IsServed: true, HasSynced: true }
        && !Ends(pod)
        && WorkloadKinds.All.Any(kind => kind != cache.Kind && kind.PodLabel is { } label && pod.Metadata.Labels.ContainsKey(label));
}
