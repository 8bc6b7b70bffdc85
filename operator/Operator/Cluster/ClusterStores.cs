using Bursar.Api;
using Bursar.Core.Prices;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>Every list-watch cache of the operator in one place: what it reads of a cluster, and nothing else.</summary>
internal sealed class ClusterStores
{
    private readonly Dictionary<string, KindCache> _kinds;

    /// <param name="ownNamespace">Where Bursar runs.</param>
    /// <param name="stoppable">Names of the kinds of work that this operator may stop; null for all of the table.</param>
    /// <param name="owners">Names of the managers through whose objects it may stop work; null for all of theirs.</param>
    /// <param name="gpus">Which resources and devices are GPUs; null is the built-in table.</param>
    public ClusterStores(
        KubeClient client,
        string ownNamespace,
        IReadOnlyCollection<string>? stoppable = null,
        IReadOnlyCollection<string>? owners = null,
        GpuResources? gpus = null
    )
    {
        Gpus = new(client, gpus);
        Pods = new(client);
        Nodes = new(client);
        ReplicaSets = new(client);
        PriorityClasses = new(client);
        RayClusters = new(client, new() { Optional = true });
        CronJobs = new(client);
        HorizontalPodAutoscalers = new(client, new() { Optional = true });
        ScaledObjects = new(client, new() { Optional = true });
        Rollouts = new(client, new() { Optional = true });
        DynamoAdapters = new(client, new() { Optional = true });
        ScaleIndexes.AddTo(this);
        KueueWorkloads = new(client, new() { Optional = true });
        KueueWorkloads.AddIndex(KueueAdapter.JobUidIndex, KueueAdapter.JobUids);
        OldKueueWorkloads = new(client, new() { Optional = true, Superseded = client.IsServedAsync<V1Workload> });
        OldKueueWorkloads.AddIndex(KueueAdapter.JobUidIndex, KueueAdapter.JobUids);
        Budgets = new(client, transform: budget =>
        {
            budget.Status?.Slim();
            SpecRefusal.Check(budget, Budgets!.Store.Get(budget.Metadata.Namespace, budget.Metadata.Name));
        });
        PriceBooks = new(client);
        Scalers = new(client, new() { Optional = true }, transform: scaler => scaler.Status?.Slim());
        Control = new(client, new() { Namespace = ownNamespace, FieldSelector = "metadata.name=bursar-control" });
        if (owners?.Contains(AdmissionAnswer.OptionName) != false)
            AdmissionChecks = new(client, new() { Optional = true });
        Stoppable = stoppable;
        Managers = owners;
        Kinds = [.. WorkloadKinds.All.Select(kind => kind.Open(client, this))];
        _kinds = Kinds.ToDictionary(cache => cache.Kind.Name, StringComparer.Ordinal);
        Jobs = ((KindCache<V1Job>)_kinds["Job"]).Informer;
        All =
        [
            Pods,
            Nodes,
            ReplicaSets,
            RayClusters,
            CronJobs,
            PriorityClasses,
            HorizontalPodAutoscalers,
            ScaledObjects,
            Rollouts,
            DynamoAdapters,
            KueueWorkloads,
            OldKueueWorkloads,
            Budgets,
            Scalers,
            PriceBooks,
            Control,
            .. Gpus.Caches,
            .. AdmissionChecks is { } checks ? [checks] : Array.Empty<IInformer>(),
            .. Kinds.Select(kind => kind.Followed),
        ];
    }

    public Informer<V1Pod> Pods { get; }

    public Informer<V1Node> Nodes { get; }

    /// <summary>Which of the cluster's devices are GPUs, with the kinds of dynamic resource allocation.</summary>
    public ClusterGpus Gpus { get; }

    /// <summary>The kinds of the table, in its order.</summary>
    public IReadOnlyList<KindCache> Kinds { get; }

    public IReadOnlyCollection<string>? Stoppable { get; }

    public IReadOnlyCollection<string>? Managers { get; }

    /// <summary>The cache of Jobs, which most other kinds are made of.</summary>
    public Informer<V1Job> Jobs { get; }

    public Informer<V1ReplicaSet> ReplicaSets { get; }

    /// <summary>Between the pods of a RayJob and it.</summary>
    public Informer<V1RayCluster> RayClusters { get; }

    /// <summary>For their annotations, which hold for their runs.</summary>
    public Informer<V1CronJob> CronJobs { get; }

    public Informer<V1PriorityClass> PriorityClasses { get; }

    public Informer<V1HorizontalPodAutoscaler> HorizontalPodAutoscalers { get; }

    public Informer<V1ScaledObject> ScaledObjects { get; }

    /// <summary>Argo's, which scalers may scale.</summary>
    public Informer<V1Alpha1Rollout> Rollouts { get; }

    /// <summary>Dynamo's, likewise.</summary>
    public Informer<V1Alpha1DynamoScalingAdapter> DynamoAdapters { get; }

    public Informer<V1Workload> KueueWorkloads { get; }

    /// <summary>The same objects where Kueue is too old to serve the version above.</summary>
    public Informer<V1Beta1Workload> OldKueueWorkloads { get; }

    /// <summary>Null where this operator answers none.</summary>
    public Informer<V1AdmissionCheck>? AdmissionChecks { get; }

    public Informer<V1Alpha1GpuBudget> Budgets { get; }

    public Informer<V1Alpha1InferenceScaler> Scalers { get; }

    public Informer<V1Alpha1GpuPriceBook> PriceBooks { get; }

    /// <summary>The cluster's switch alone, by name: Bursar reads no other ConfigMap.</summary>
    public Informer<V1ConfigMap> Control { get; }

    /// <summary>The cache of a kind of the table, by its name.</summary>
    public KindCache? Of(string kind) => _kinds.GetValueOrDefault(kind);

    /// <summary>The cache of an object's controller, where its kind is of the table.</summary>
    public KindCache? Of(V1OwnerReference? owner) => WorkloadKinds.Of(owner) is { } kind ? _kinds[kind.Name] : null;

    /// <summary>The typed objects of a kind of the table.</summary>
    public IStore<T> StoreOf<T>()
        where T : class, IKubernetesEntity<T> =>
        ((KindCache<T>)_kinds[WorkloadKinds.Of(T.EntityKind.ApiVersion, T.EntityKind.Kind)!.Name]).Informer.Store;

    /// <summary>Every cache, for what is done with all of them alike.</summary>
    public IReadOnlyList<IInformer> All { get; }

    /// <summary>Runs all caches until cancelled.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => Task.WhenAll(All.Select(cache => cache.RunAsync(cancellationToken)));

    /// <summary>No decision is made before every cache was once equal to the server's state.</summary>
    public Task HasSyncedAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(All.Select(cache => cache.HasSyncedAsync(cancellationToken)));

    public bool HasSynced => All.All(cache => cache.HasSynced);
}
