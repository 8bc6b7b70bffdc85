using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>
/// The workload of a pod: the last controller in its chain of owners that Bursar follows. The labels that selectors match are those of the
/// top workload's pod templates, or those of a bare pod.
/// </summary>
internal sealed record PodWorkload(WorkloadKey Key, IReadOnlyDictionary<string, string> Labels, WorkloadClass Class)
{
    /// <summary>Returns null while an owner that must exist is not cached yet. Try again later.</summary>
    public static PodWorkload? From(V1Pod pod, ClusterStores stores)
    {
        var ns = pod.Metadata.Namespace ?? "";
        if (pod.Metadata.ControllerReference() is not { } first)
            return new(new(ns, "Pod", pod.Metadata.Name, pod.Metadata.Uid), pod.Metadata.Labels, ClassOf("Pod", pod.Metadata, null));
        if (Climb(pod, first, stores) is not { } top)
            return null;
        if (stores.CacheOf(top)?.Get(ns, top.Name, top.Uid) is { } work)
            return From(work);
        // The owner may be gone while its pod is ending. The pod has its template's labels.
        var kind = WorkloadKinds.NameOf(top);
        return new(new(ns, kind, top.Name, top.Uid), CreatorLabel.With(pod.Metadata.Labels, null), ClassOf(kind, pod.Metadata, null));
    }

    /// <summary>Returns only the UID of a pod's workload.</summary>
    public static string? UidOf(V1Pod pod, ClusterStores stores) =>
        pod.Metadata.ControllerReference() is { } first ? Climb(pod, first, stores)?.Uid : pod.Metadata.Uid;

    public static PodWorkload From(WorkloadObject work) =>
        new(
            new(work.Namespace, work.Kind.Name, work.Metadata.Name, work.Metadata.Uid),
            work.Labels,
            ClassOf(work.Kind.Name, work.Metadata, work.Template)
        );

    /// <summary>
    /// Returns the class from the annotation, otherwise from the kind: batch is training, serving is inference, everything else is
    /// interactive.
    /// </summary>
    public static WorkloadClass ClassOf(string kind, V1ObjectMeta metadata, V1PodTemplateSpec? template) =>
        BursarAnnotations.Read(metadata, IsClassReadFromTemplate(kind) ? template : null, BursarAnnotations.Class) switch
        {
            "training" => WorkloadClass.Training,
            "inference" => WorkloadClass.Inference,
            "interactive" => WorkloadClass.Interactive,
            _ => WorkloadKinds.Find(kind)?.Class
                ?? kind switch
                {
                    // Kinds that are observed but not suspended.
                    "ReplicaSet" or "DaemonSet" => WorkloadClass.Inference,
                    _ => WorkloadClass.Interactive,
                },
        };

    /// <summary>
    /// Returns false for custom kinds that are training by default. An annotation with another class exempts a workload from suspension,
    /// and the admission policy checks it on the object but not in the pod templates of custom kinds.
    /// </summary>
    internal static bool IsClassReadFromTemplate(string kind) => kind == "Job" || WorkloadKinds.Find(kind)?.Class != WorkloadClass.Training;

    /// <summary>Whether Bursar follows this owner: it is a supported kind, or a pod, which is an owner only in a LeaderWorkerSet.</summary>
    public static bool IsFollowed(V1OwnerReference? controller) =>
        WorkloadKinds.Find(controller) is not null || controller is { Kind: "Pod", ApiVersion: "v1" };

    /// <summary>Follows the controllers upward while the next one is a supported kind or a link to one.</summary>
    private static V1OwnerReference? Climb(V1Pod pod, V1OwnerReference owner, ClusterStores stores)
    {
        var ns = pod.Metadata.Namespace ?? "";
        // No controller creates a longer chain.
        for (var step = 0; step < 8; step++)
        {
            if (stores.CacheOf(owner) is { } cache)
            {
                if (cache.MetadataOf(ns, owner.Name) is not { } metadata || metadata.Uid != owner.Uid)
                    return WaitsFor(pod, cache) ? null : owner;
                if (metadata.ControllerReference() is not { } above || !IsFollowed(above))
                    return ServedBy(metadata, ns, stores) ?? owner;
                owner = above;
            }
            else if (LinkOf(owner, ns, stores) is var (isLink, link) && isLink)
            {
                // Do not wait for the owner of a pod that is ending.
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

    /// <summary>Whether the workload belongs to another supported object.</summary>
    public static bool BelongsToAnother(WorkloadObject work, ClusterStores stores) =>
        work.IsPart || ServedBy(work.Metadata, work.Namespace, stores) is not null;

    /// <summary>
    /// Returns the InferenceService of a Deployment under Knative, where the owners lead to a Revision. A label names the service.
    /// </summary>
    private static V1OwnerReference? ServedBy(V1ObjectMeta deployment, string ns, ClusterStores stores) =>
        deployment.ControllerReference() is { Kind: "Revision" }
        && deployment.Labels.TryGetValue(InferenceServiceKind.ServiceLabel, out var name)
        && stores.CacheOf("InferenceService")?.MetadataOf(ns, name) is { } service
            ? new()
            {
                ApiVersion = V1Beta1InferenceService.EntityKind.ApiVersion,
                Kind = "InferenceService",
                Name = name,
                Uid = service.Uid,
                Controller = true,
            }
            : null;

    /// <summary>Returns an object between pods and a supported kind. Without an owner it is no workload.</summary>
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
    /// Whether to wait for an owner that is not cached, because it may not have arrived yet. A live pod waits if its labels show that a
    /// higher owner exists, because the ledger keeps the first result.
    /// </summary>
    private static bool WaitsFor(V1Pod pod, KindCache cache) =>
        cache is { IsServed: true, HasSynced: true }
        && !Ends(pod)
        && WorkloadKinds.All.Any(kind => kind != cache.Kind && kind.PodLabel is { } label && pod.Metadata.Labels.ContainsKey(label));
}
