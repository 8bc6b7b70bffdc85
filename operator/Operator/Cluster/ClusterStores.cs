using Bursar.Api;
using Bursar.Core.Prices;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>All list-watch caches of the operator. It reads nothing else of the cluster continuously.</summary>
internal sealed class ClusterStores
{
    private const string RequestIndex = "budget";

    private readonly Dictionary<string, KindCache> _kinds;

    /// <param name="ownNamespace">Bursar's own namespace.</param>
    /// <param name="stoppable">Names of the workload kinds that this operator may suspend; null for all.</param>
    /// <param name="managers">Names of the managers whose objects it may write; null for all.</param>
    /// <param name="agentNamespace">The agents' namespace; null if it is Bursar's own.</param>
    /// <param name="gpus">Resources and devices that are GPUs; null for the built-in table.</param>
    public ClusterStores(
        KubeClient client,
        string ownNamespace,
        IReadOnlyCollection<string>? stoppable = null,
        IReadOnlyCollection<string>? managers = null,
        GpuResources? gpus = null,
        string? agentNamespace = null
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
        ClusterBudgets = new(client, new() { Optional = true }, transform: budget =>
        {
            budget.Status?.Slim();
            SpecRefusal.Check(budget, ClusterBudgets!.Store.Get(null, budget.Metadata.Name));
        });
        Requests = new(client, new() { Optional = true });
        Requests.AddIndex(RequestIndex, RequestKeys);
        Namespaces = new(client);
        Coverage = new(Budgets, ClusterBudgets, Namespaces, [ownNamespace, agentNamespace ?? ownNamespace]);
        PriceBooks = new(client);
        Scalers = new(client, new() { Optional = true }, transform: scaler => scaler.Status?.Slim());
        Control = new(client, new() { Namespace = ownNamespace, FieldSelector = "metadata.name=bursar-control" });
        if (managers?.Contains(AdmissionAnswer.OptionName) != false)
            AdmissionChecks = new(client, new() { Optional = true });
        Stoppable = stoppable;
        Managers = managers;
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
            ClusterBudgets,
            Requests,
            Namespaces,
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

    /// <summary>The cluster's GPUs, with the caches of dynamic resource allocation.</summary>
    public ClusterGpus Gpus { get; }

    /// <summary>The caches of the supported workload kinds, in the order of <see cref="WorkloadKinds.All"/>.</summary>
    public IReadOnlyList<KindCache> Kinds { get; }

    public IReadOnlyCollection<string>? Stoppable { get; }

    public IReadOnlyCollection<string>? Managers { get; }

    /// <summary>The cache of Jobs, of which most other kinds consist.</summary>
    public Informer<V1Job> Jobs { get; }

    public Informer<V1ReplicaSet> ReplicaSets { get; }

    /// <summary>Owners between the pods of a RayJob and the RayJob.</summary>
    public Informer<V1RayCluster> RayClusters { get; }

    /// <summary>Read for their annotations, which apply to their runs.</summary>
    public Informer<V1CronJob> CronJobs { get; }

    public Informer<V1PriorityClass> PriorityClasses { get; }

    public Informer<V1HorizontalPodAutoscaler> HorizontalPodAutoscalers { get; }

    public Informer<V1ScaledObject> ScaledObjects { get; }

    /// <summary>Argo Rollouts, which scalers may scale.</summary>
    public Informer<V1Alpha1Rollout> Rollouts { get; }

    /// <summary>Scaling adapters of Dynamo, which scalers may scale.</summary>
    public Informer<V1Alpha1DynamoScalingAdapter> DynamoAdapters { get; }

    public Informer<V1Workload> KueueWorkloads { get; }

    /// <summary>Workloads of a Kueue that is too old to serve the version above.</summary>
    public Informer<V1Beta1Workload> OldKueueWorkloads { get; }

    /// <summary>Null if this operator answers no AdmissionChecks.</summary>
    public Informer<V1AdmissionCheck>? AdmissionChecks { get; }

    public Informer<V1Alpha1GpuBudget> Budgets { get; }

    public Informer<V1Alpha1ClusterGpuBudget> ClusterBudgets { get; }

    public Informer<V1Alpha1GpuBudgetRequest> Requests { get; }

    /// <summary>Read for their labels, which ClusterGpuBudgets select.</summary>
    public Informer<V1Namespace> Namespaces { get; }

    public Informer<V1Alpha1InferenceScaler> Scalers { get; }

    public Informer<V1Alpha1GpuPriceBook> PriceBooks { get; }

    /// <summary>The ConfigMap of observe-only mode. Bursar reads no other ConfigMap.</summary>
    public Informer<V1ConfigMap> Control { get; }

    /// <summary>The budgets, and the namespaces that they cover.</summary>
    public BudgetCoverage Coverage { get; }

    /// <summary>Returns the cache of a supported kind by its name; null for other kinds.</summary>
    public KindCache? CacheOf(string kind) => _kinds.GetValueOrDefault(kind);

    /// <summary>Returns the cache of an owner's kind; null if the kind is not supported.</summary>
    public KindCache? CacheOf(V1OwnerReference? owner) => WorkloadKinds.Find(owner) is { } kind ? _kinds[kind.Name] : null;

    public IStore<T> StoreOf<T>()
        where T : class, IKubernetesEntity<T> =>
        ((KindCache<T>)_kinds[WorkloadKinds.Find(T.EntityKind.ApiVersion, T.EntityKind.Kind)!.Name]).Informer.Store;

    public IReadOnlyList<IInformer> All { get; }

    /// <summary>Returns the requests that name a budget, in any namespace.</summary>
    public IEnumerable<V1Alpha1GpuBudgetRequest> RequestsFor(BudgetObject budget) =>
        Requests.Store.ByIndex(RequestIndex, $"{budget.Metadata.Namespace}/{budget.Metadata.Name}");

    private static IEnumerable<string> RequestKeys(V1Alpha1GpuBudgetRequest request)
    {
        if (request.Spec?.Budget is { } budget)
            yield return $"{request.Metadata.Namespace}/{budget}";
        if (request.Spec?.ClusterBudget is { } cluster)
            yield return $"/{cluster}";
    }

    public Task RunAsync(CancellationToken cancellationToken) => Task.WhenAll(All.Select(cache => cache.RunAsync(cancellationToken)));

    /// <summary>Waits until every cache has once matched the server's state. No decision may be made before.</summary>
    public Task HasSyncedAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(All.Select(cache => cache.HasSyncedAsync(cancellationToken)));

    public bool HasSynced => All.All(cache => cache.HasSynced);
}
