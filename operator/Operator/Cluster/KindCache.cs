using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>The cached objects of one supported kind.</summary>
internal abstract class KindCache(WorkloadKind kind)
{
    public WorkloadKind Kind { get; } = kind;

    public abstract bool IsServed { get; }

    public bool HasSynced => Followed.HasSynced;

    public abstract WorkloadObject? Get(string ns, string name);

    /// <summary>Returns only the metadata, which is enough to follow owners.</summary>
    public abstract V1ObjectMeta? MetadataOf(string ns, string name);

    public abstract IEnumerable<WorkloadObject> In(string ns);

    public abstract IEnumerable<WorkloadObject> All();

    public abstract IEnumerable<V1ObjectMeta> OwnedBy(string uid);

    /// <summary>Adds handlers for objects that were added or changed, and for deleted ones.</summary>
    public abstract void Watch(Action<WorkloadObject> seen, Action<WorkloadObject> gone);

    public abstract IInformer Followed { get; }

    /// <summary>Returns the object of a record; null if it is gone or another object has its name.</summary>
    public WorkloadObject? Get(string ns, string name, string uid) => Get(ns, name) is { } work && work.Metadata.Uid == uid ? work : null;
}

internal sealed class KindCache<T>(WorkloadKind<T> kind, KubeClient client, ClusterStores stores) : KindCache(kind)
    where T : class, IKubernetesEntity<T>
{
    public Informer<T> Informer { get; } = new(client, new() { Optional = kind.IsOptional });

    public override bool IsServed => Informer.IsServed;

    public override IInformer Followed => Informer;

    public override WorkloadObject? Get(string ns, string name) => Informer.Store.Get(ns, name) is { } obj ? Read(obj) : null;

    public override V1ObjectMeta? MetadataOf(string ns, string name) => Informer.Store.Get(ns, name)?.Metadata;

    public override IEnumerable<WorkloadObject> In(string ns) => Informer.Store.ByIndex(Indexes.Namespace, ns).Select(Read);

    public override IEnumerable<WorkloadObject> All() => Informer.Store.List().Select(Read);

    public override IEnumerable<V1ObjectMeta> OwnedBy(string uid) =>
        Informer.Store.ByIndex(Indexes.OwnerUid, uid).Select(obj => obj.Metadata);

    public override void Watch(Action<WorkloadObject> seen, Action<WorkloadObject> gone) =>
        Informer.AddHandler(
            new()
            {
                Added = obj => seen(Read(obj)),
                Updated = (_, obj) => seen(Read(obj)),
                Deleted = obj => gone(Read(obj)),
            }
        );

    private WorkloadObject Read(T obj) => stores.Gpus.Complete(kind.Complete(kind.ReadKnown(obj), stores));
}
