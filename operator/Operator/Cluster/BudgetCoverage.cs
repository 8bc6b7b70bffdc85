using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Bursar.Api;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Cluster;

/// <summary>The budgets of both kinds, and the namespaces that they cover. Thread-safe.</summary>
/// <param name="gpuBudgets">The cache of GpuBudgets.</param>
/// <param name="clusterBudgets">The cache of ClusterGpuBudgets.</param>
/// <param name="namespaces">The cache of namespaces.</param>
/// <param name="own">Bursar's own namespaces, which no selector matches.</param>
internal sealed class BudgetCoverage(
    Informer<V1Alpha1GpuBudget> gpuBudgets,
    Informer<V1Alpha1ClusterGpuBudget> clusterBudgets,
    Informer<V1Namespace> namespaces,
    IReadOnlyList<string> own
)
{
    /// <summary>Stores the covered namespaces per object, because the cache replaces the object when the budget changes.</summary>
    private readonly ConditionalWeakTable<BudgetObject, CoveredNamespaces> _covered = [];
    private volatile BudgetsByNamespace? _byNamespace;

    private static readonly IReadOnlyList<string> NoValues = [];

    /// <summary>The limits inside each budget, computed once for each state of the object and of its label values.</summary>
    private readonly ConditionalWeakTable<BudgetObject, KnownLimits> _limits = [];

    /// <summary>The values of the label in <c>spec.perLabel</c> that have a limit, by UID of the budget.</summary>
    private readonly ConcurrentDictionary<string, IReadOnlyList<string>> _labelValues = new(StringComparer.Ordinal);

    /// <summary>Returns the budgets, without the limits inside them.</summary>
    public IEnumerable<BudgetObject> All => gpuBudgets.Store.List().Concat<BudgetObject>(clusterBudgets.Store.List());

    /// <summary>Returns the budget with a UID, or the limit inside one; null if it does not exist.</summary>
    public BudgetObject? Find(string uid)
    {
        var wholeUid = BudgetObject.WithoutLimit(uid);
        var whole = gpuBudgets.Store.GetByUid(wholeUid) ?? (BudgetObject?)clusterBudgets.Store.GetByUid(wholeUid);
        return whole is null || wholeUid == uid ? whole : LimitsOf(whole).FirstOrDefault(limit => limit.Metadata.Uid == uid);
    }

    /// <summary>Returns the budgets of a namespace: its own GpuBudgets and the ClusterGpuBudgets that cover it.</summary>
    public IEnumerable<BudgetObject> In(string ns) => gpuBudgets.Store.ByIndex(Indexes.Namespace, ns).Concat<BudgetObject>(Over(ns));

    /// <summary>Returns the budgets of a namespace and the limits inside them, which a workload must fit as well.</summary>
    public IEnumerable<BudgetObject> WithLimitsIn(string ns) => In(ns).SelectMany(budget => LimitsOf(budget).Prepend(budget));

    /// <summary>Returns the limits inside a budget. Empty if its spec is invalid.</summary>
    public IReadOnlyList<BudgetObject> LimitsOf(BudgetObject budget)
    {
        var values = _labelValues.GetValueOrDefault(budget.Metadata.Uid, NoValues);
        if (_limits.TryGetValue(budget, out var known) && known.IsOf(budget.BudgetSpec, values))
            return known.All;
        var limits = new KnownLimits(budget.BudgetSpec, values, GpuBudgetReader.LimitsOf(budget, values));
        _limits.AddOrUpdate(budget, limits);
        return limits.All;
    }

    /// <summary>Sets the values of a budget's limited label. Returns whether they changed.</summary>
    public bool SetLabelValues(BudgetObject budget, IReadOnlyList<string> values)
    {
        if (_labelValues.GetValueOrDefault(budget.Metadata.Uid, NoValues).SequenceEqual(values, StringComparer.Ordinal))
            return false;
        _labelValues[budget.Metadata.Uid] = values;
        return true;
    }

    /// <summary>Removes the label values of a deleted budget.</summary>
    public void Forget(BudgetObject budget) => _labelValues.TryRemove(budget.Metadata.Uid, out _);

    /// <summary>Returns the ClusterGpuBudgets that cover a namespace.</summary>
    public IEnumerable<V1Alpha1ClusterGpuBudget> Over(string ns)
    {
        var index = ByNamespace();
        return index.Budgets[ns].Concat(index.Refused.Where(budget => Covers(budget, ns)));
    }

    /// <summary>Returns the namespaces of a budget that exist, in order.</summary>
    public IReadOnlyList<string> NamespacesOf(BudgetObject budget) =>
        budget.Metadata.Namespace is { Length: > 0 } ns ? [ns] : CoveredBy(budget.Whole).Existing;

    /// <summary>Whether a ClusterGpuBudget covers all these namespaces.</summary>
    public bool CoversAll(BudgetObject budget, IEnumerable<string> names) => names.All(CoveredBy(budget).Contains);

    /// <summary>Returns the given namespaces and all those that share a ClusterGpuBudget with one of them.</summary>
    public IReadOnlyCollection<string> WithShared(IReadOnlyCollection<string> names)
    {
        var left = clusterBudgets.Store.List().ToList();
        if (left.Count == 0)
            return names;
        var all = names.ToHashSet(StringComparer.Ordinal);
        for (var grew = true; grew; )
        {
            var sharing = left.FindAll(budget => all.Any(ns => Covers(budget, ns)));
            foreach (var budget in sharing)
                all.UnionWith(NamespacesOf(budget));
            grew = left.RemoveAll(sharing.Contains) > 0;
        }
        return all;
    }

    private bool Covers(BudgetObject budget, string ns) => CoveredBy(budget).Contains(ns);

    /// <summary>Returns the ClusterGpuBudgets by namespace, computed once for each state of both caches.</summary>
    private BudgetsByNamespace ByNamespace()
    {
        // Read before the objects, so that a change in between leads to another computation.
        var version = (clusterBudgets.Store.Version, namespaces.Store.Version);
        if (_byNamespace is { } known && known.Version == version)
            return known;
        var budgets = clusterBudgets.Store.List();
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
        var version = namespaces.Store.Version;
        var coverage = GpuBudgetReader.CoverageOf(budget);
        if (_covered.TryGetValue(budget, out var known) && known.IsOf(coverage, version))
            return known;
        var existing = namespaces
            .Store.List()
            .Where(ns => coverage?.Covers(ns.Metadata.Name, ns.Metadata.Labels, own.Contains(ns.Metadata.Name)) == true)
            .Select(ns => ns.Metadata.Name)
            .Order(StringComparer.Ordinal);
        var covered = new CoveredNamespaces(coverage, version, [.. existing]);
        _covered.AddOrUpdate(budget, covered);
        return covered;
    }

    private sealed class KnownLimits(GpuBudgetSpec? spec, IReadOnlyList<string> values, IReadOnlyList<BudgetObject> all)
    {
        public IReadOnlyList<BudgetObject> All => all;

        public bool IsOf(GpuBudgetSpec? other, IReadOnlyList<string> otherValues) =>
            ReferenceEquals(spec, other) && ReferenceEquals(values, otherValues);
    }

    /// <summary>The namespaces of a ClusterGpuBudget at one state of the cluster's namespaces.</summary>
    /// <param name="coverage">The coverage that the spec declares; null if the spec has none.</param>
    /// <param name="version">The version of the namespaces' cache.</param>
    /// <param name="existing">Those that exist, in order.</param>
    private sealed class CoveredNamespaces(NamespaceCoverage? coverage, long version, IReadOnlyList<string> existing)
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
    private sealed record BudgetsByNamespace(
        (long Budgets, long Namespaces) Version,
        ILookup<string, V1Alpha1ClusterGpuBudget> Budgets,
        IReadOnlyList<V1Alpha1ClusterGpuBudget> Refused
    );
}
