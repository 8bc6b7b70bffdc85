using System.Runtime.CompilerServices;
using Bursar.Api;
using Bursar.Core.Prices;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>All list-watch caches of the operator. It reads nothing else of the cluster continuously.</summary>
internal sealed class ClusterStores
{
    private readonly Dictionary<string, KindCache> _kinds;
    private readonly IReadOnlyList<string> _ownNamespaces;

    /// <summary>By object, because the cache replaces the object when the budget changes.</summary>
    private readonly ConditionalWeakTable<BudgetObject, CoveredNamespaces> _covered = [];
    private volatile BudgetsByNamespace? _byNamespace;

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
        Namespaces = new(client);
        _ownNamespaces = [ownNamespace, agentNamespace ?? ownNamespace];
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

    /// <summary>Read for their labels, which ClusterGpuBudgets select.</summary>
    public Informer<V1Namespace> Namespaces { get; }

    public Informer<V1Alpha1InferenceScaler> Scalers { get; }

    public Informer<V1Alpha1GpuPriceBook> PriceBooks { get; }

    /// <summary>The ConfigMap of observe-only mode. Bursar reads no other ConfigMap.</summary>
    public Informer<V1ConfigMap> Control { get; }

    public IEnumerable<BudgetObject> AllBudgets => Budgets.Store.List().Concat<BudgetObject>(ClusterBudgets.Store.List());

    public BudgetObject? BudgetByUid(string uid) => Budgets.Store.GetByUid(uid) ?? (BudgetObject?)ClusterBudgets.Store.GetByUid(uid);

    /// <summary>Returns the budgets of a namespace: its own GpuBudgets and the ClusterGpuBudgets that cover it.</summary>
    public IEnumerable<BudgetObject> BudgetsIn(string ns)
    {
        foreach (var budget in Budgets.Store.ByIndex(Indexes.Namespace, ns))
            yield return budget;
        foreach (var budget in ClusterBudgetsOver(ns))
            yield return budget;
    }

    /// <summary>Returns the ClusterGpuBudgets that cover a namespace.</summary>
    public IEnumerable<V1Alpha1ClusterGpuBudget> ClusterBudgetsOver(string ns)
    {
        var index = CoverageIndex();
        return index.Budgets[ns].Concat(index.Refused.Where(budget => Covers(budget, ns)));
    }

    /// <summary>Returns the namespaces of a budget that exist, in order.</summary>
    public IReadOnlyList<string> NamespacesOf(BudgetObject budget) =>
        budget.Metadata.Namespace is { Length: > 0 } own ? [own] : CoveredBy(budget).Existing;

    /// <summary>Whether a ClusterGpuBudget covers all these namespaces.</summary>
    public bool CoversAll(BudgetObject budget, IEnumerable<string> namespaces)
    {
        var covered = CoveredBy(budget);
        return namespaces.All(covered.Contains);
    }

    /// <summary>Returns the namespaces and all those that share a ClusterGpuBudget with one of them.</summary>
    public IReadOnlyCollection<string> WithSharedBudgets(IReadOnlyCollection<string> namespaces)
    {
        var budgets = ClusterBudgets.Store.List().ToList();
        if (budgets.Count == 0)
            return namespaces;
        var all = namespaces.ToHashSet(StringComparer.Ordinal);
        for (var grew = true; grew; )
        {
            var sharing = budgets.FindAll(budget => all.Any(ns => Covers(budget, ns)));
            foreach (var budget in sharing)
                all.UnionWith(NamespacesOf(budget));
            grew = budgets.RemoveAll(sharing.Contains) > 0;
        }
        return all;
    }

    private bool Covers(BudgetObject budget, string ns) => CoveredBy(budget).Contains(ns);

    /// <summary>Returns the ClusterGpuBudgets by namespace, computed once for each state of both caches.</summary>
    private BudgetsByNamespace CoverageIndex()
    {
        // Read before the objects, so that a change in between leads to another computation.
        var version = (ClusterBudgets.Store.Version, Namespaces.Store.Version);
        if (_byNamespace is { } known && known.Version == version)
            return known;
        var budgets = ClusterBudgets.Store.List();
        return _byNamespace = new(
            version,
            budgets
                .Where(budget => budget.Refusal is null)
                .SelectMany(budget => CoveredBy(budget).All.Select(ns => (Namespace: ns, Budget: budget)))
                .ToLookup(one => one.Namespace, one => one.Budget, StringComparer.Ordinal),
            [.. budgets.Where(budget => budget.Refusal is not null)]
        );
    }

    /// <summary>
    /// Returns the namespaces of a ClusterGpuBudget. Computed once for each state of the budget and of the namespaces, because every
    /// evaluation of every budget reads those of all others.
    /// </summary>
    private CoveredNamespaces CoveredBy(BudgetObject budget)
    {
        // Read before the namespaces, so that a change in between leads to another computation.
        var version = Namespaces.Store.Version;
        var coverage = GpuBudgetReader.CoverageOf(budget);
        if (_covered.TryGetValue(budget, out var known) && known.IsOf(coverage, version))
            return known;
        var covered = new CoveredNamespaces(
            coverage,
            version,
            coverage is null
                ? []
                :
                [
                    .. Namespaces
                        .Store.List()
                        .Where(ns => coverage.Covers(ns.Metadata.Name, ns.Metadata.Labels, _ownNamespaces.Contains(ns.Metadata.Name)))
                        .Select(ns => ns.Metadata.Name)
                        .Order(StringComparer.Ordinal),
                ]
        );
        _covered.AddOrUpdate(budget, covered);
        return covered;
    }

    /// <summary>Returns the cache of a supported kind by its name; null for other kinds.</summary>
    public KindCache? CacheOf(string kind) => _kinds.GetValueOrDefault(kind);

    /// <summary>Returns the cache of an owner's kind; null if the kind is not supported.</summary>
    public KindCache? CacheOf(V1OwnerReference? owner) => WorkloadKinds.Find(owner) is { } kind ? _kinds[kind.Name] : null;

    public IStore<T> StoreOf<T>()
        where T : class, IKubernetesEntity<T> =>
        ((KindCache<T>)_kinds[WorkloadKinds.Find(T.EntityKind.ApiVersion, T.EntityKind.Kind)!.Name]).Informer.Store;

    public IReadOnlyList<IInformer> All { get; }

    public Task RunAsync(CancellationToken cancellationToken) => Task.WhenAll(All.Select(cache => cache.RunAsync(cancellationToken)));

    /// <summary>Waits until every cache has once matched the server's state. No decision may be made before.</summary>
    public Task HasSyncedAsync(CancellationToken cancellationToken) =>
        Task.WhenAll(All.Select(cache => cache.HasSyncedAsync(cancellationToken)));

    public bool HasSynced => All.All(cache => cache.HasSynced);
}

/// <summary>The namespaces of a ClusterGpuBudget at one state of the cluster's namespaces.</summary>
/// <param name="coverage">The coverage that the spec declares; null if the spec has none.</param>
/// <param name="version">The version of the namespaces' cache.</param>
/// <param name="existing">Those that exist, in order.</param>
internal sealed class CoveredNamespaces(NamespaceCoverage? coverage, long version, IReadOnlyList<string> existing)
{
    private readonly HashSet<string> _all = [.. existing, .. coverage?.Names ?? (IEnumerable<string>)[]];

    public IReadOnlyList<string> Existing => existing;

    /// <summary>Those that exist and those that the spec names.</summary>
    public IReadOnlySet<string> All => _all;

    /// <summary>Whether a namespace is covered. It need not exist if the spec names it.</summary>
    public bool Contains(string ns) => _all.Contains(ns);

    public bool IsOf(NamespaceCoverage? other, long otherVersion) => ReferenceEquals(coverage, other) && version == otherVersion;
}

/// <summary>The ClusterGpuBudgets by namespace.</summary>
/// <param name="Version">The versions of the caches of budgets and namespaces.</param>
/// <param name="Budgets">The budgets with a valid spec.</param>
/// <param name="Refused">The other budgets. An earlier spec of theirs may be put in force without a change of the object.</param>
internal sealed record BudgetsByNamespace(
    (long Budgets, long Namespaces) Version,
    ILookup<string, V1Alpha1ClusterGpuBudget> Budgets,
    IReadOnlyList<V1Alpha1ClusterGpuBudget> Refused
);
