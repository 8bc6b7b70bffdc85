using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Kubernetes.Informers;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Checks the sources of a budget's figures: billed pods, their nodes, prices, meters, and the stored ledger. It adds the doubtful ones to
/// the snapshot and writes nothing.
/// </summary>
internal sealed class MeteringObserver(
    ClusterStores stores,
    GpuLedger ledger,
    PriceList prices,
    NodeMeter nodes,
    Func<string, MeteringSource> sourceOf,
    Func<string?> ledgerFault
)
{
    /// <summary>Adds the state of its sources to a snapshot whose list of workloads is complete.</summary>
    public BudgetSnapshot AddTo(BudgetSnapshot snapshot, IReadOnlyList<string> namespaces, Dictionary<string, WorkloadSpend> spends)
    {
        // The status of a budget shows the meters, that of its limits does not.
        var (metering, byWorkload) = snapshot.LimitName is null ? Metering(namespaces, spends) : (null, []);
        // Prices do not matter for other measures than the cost.
        var isCost = snapshot.Terms.Counted.Unit == UsageUnit.Cost;
        var doubtful = isCost ? DoubtfulNodes(snapshot, namespaces, spends) : [];
        return snapshot with
        {
            Currency = BudgetSnapshot.UnitOf(snapshot.Terms.Counted.Unit, prices.Currency),
            Workloads =
                byWorkload.Count == 0
                    ? snapshot.Workloads
                    :
                    [
                        .. snapshot.Workloads.Select(work =>
                            byWorkload.TryGetValue(work.Key.Uid, out var source) ? work with { MeteredBy = source } : work
                        ),
                    ],
            MeteringStale = Stale(spends),
            Metering = metering,
            UnpricedProducts = isCost ? Unpriced(snapshot, namespaces, spends.Values) : [],
            PricesUntrusted = isCost ? Untrusted(doubtful, snapshot.Now) : null,
            ChargedAsOnDemand =
            [
                .. doubtful
                    .Select(prices.ChargedAsOnDemand.GetValueOrDefault)
                    .OfType<string>()
                    .Distinct(StringComparer.Ordinal)
                    .Order(StringComparer.Ordinal),
            ],
            LedgerFault = ledgerFault(),
        };
    }

    /// <summary>
    /// Returns the billed pods that still run, by workload UID. A pod that is being deleted may run until its deletionTimestamp, which
    /// includes the grace period. After that it is overdue, unless its node is lost or gone.
    /// </summary>
    public Dictionary<string, RunningPods> RunningOn(DateTimeOffset now)
    {
        var result = new Dictionary<string, RunningPods>(StringComparer.Ordinal);
        foreach (var open in ledger.OpenPods())
        {
            // The ledger closes the interval of an ended pod a moment after its status says so.
            if (stores.Pods.Store.GetByUid(open.Uid) is not { Metadata: var pod } cached || PodTimes.IsOver(cached))
                continue;
            var running =
                pod.DeletionTimestamp is not { } deadline ? RunningPods.Undeleted
                : deadline < now && !nodes.IsLost(open.Node) && stores.Nodes.Store.Get(null, open.Node) is not null ? RunningPods.Overdue
                : RunningPods.None;
            if (running > result.GetValueOrDefault(open.Workload.Uid))
                result[open.Workload.Uid] = running;
        }
        return result;
    }

    /// <summary>Returns the meters of the nodes of this budget's running pods, in total and by workload.</summary>
    private (MeteringView? All, Dictionary<string, string> ByWorkload) Metering(
        IReadOnlyList<string> namespaces,
        Dictionary<string, WorkloadSpend> spends
    )
    {
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        if (spends.Values.All(spend => spend.Gpus == 0))
            return (null, texts);
        var byNode = new Dictionary<string, MeteringSource>(StringComparer.Ordinal);
        var byWorkload = new Dictionary<string, HashSet<MeteringSource>>(StringComparer.Ordinal);
        foreach (var pod in namespaces.SelectMany(ns => stores.Pods.Store.ByIndex(Indexes.Namespace, ns)))
        {
            if (pod.Spec.NodeName is not { Length: > 0 } node || pod.Status.Phase is "Succeeded" or "Failed")
                continue;
            var uid = PodWorkload.UidOf(pod, stores);
            if (uid is null || !spends.ContainsKey(uid) || !stores.Gpus.OfPod(pod).IsAny)
                continue;
            if (!byNode.TryGetValue(node, out var source))
                byNode.Add(node, source = sourceOf(node));
            if (!byWorkload.TryGetValue(uid, out var set))
                byWorkload.Add(uid, set = []);
            set.Add(source);
        }
        foreach (var (uid, set) in byWorkload)
            texts.Add(uid, MeteringView.TextOf(set));
        return (byNode.Count == 0 ? null : MeteringView.From(byNode.Select(pair => (pair.Key, pair.Value))), texts);
    }

    private string? Stale(Dictionary<string, WorkloadSpend> spends)
    {
        if (nodes.Lost.Count == 0)
            return null;
        foreach (var open in ledger.OpenPods())
            if (spends.ContainsKey(open.Workload.Uid) && nodes.IsLost(open.Node))
                return $"node {open.Node} is unreachable (no heartbeat)";
        return null;
    }

    /// <summary>
    /// Returns why prices other than those of the price book may be charged: the book itself, or a node that the budget's workloads use or
    /// may use. Null if none is in doubt.
    /// </summary>
    private string? Untrusted(string[] doubtful, DateTimeOffset now)
    {
        if (prices.Problem is { } problem)
            return problem;
        var doubts = prices.Untrusted;
        // A product without any price is reported as unpriced.
        return doubtful
            .Where(node => doubts.TryGetValue(node, out var doubt) && ledger.RateOf(doubt.Class, now) is not null)
            .Select(node => $"{doubts[node].Class}: {doubts[node].Why}")
            .Order(StringComparer.Ordinal)
            .FirstOrDefault();
    }

    /// <summary>Returns the nodes with a doubtful price that this budget's workloads use or may use.</summary>
    private string[] DoubtfulNodes(BudgetSnapshot snapshot, IReadOnlyList<string> namespaces, Dictionary<string, WorkloadSpend> spends)
    {
        var (untrusted, asOnDemand) = (prices.Untrusted, prices.ChargedAsOnDemand);
        if (untrusted.Count == 0 && asOnDemand.Count == 0)
            return [];
        var concerned = namespaces
            .SelectMany(ns => ledger.Entries(ns, snapshot.Now - TimeSpan.FromMilliseconds(1), snapshot.Now, snapshot.Now))
            .Where(entry => entry.To is null && spends.ContainsKey(entry.Workload.Uid))
            .Select(entry => entry.Node);
        foreach (
            var waiting in snapshot.Workloads.Where(w => w.BurnRate == HourlyCost.Zero && w.State is not WorkloadState.SuspendedByOther)
        )
        foreach (var set in stores.CacheOf(waiting.Key.Kind)?.Get(waiting.Key.Namespace, waiting.Key.Name)?.PodSets ?? [])
            if (set.Request.IsAny)
                concerned = concerned.Concat(nodes.NodesFor(set.Template.Spec.NodeSelector).Select(node => node.Metadata.Name));
        return [.. concerned.Where(node => untrusted.ContainsKey(node) || asOnDemand.ContainsKey(node)).Distinct(StringComparer.Ordinal)];
    }

    private string[] Unpriced(BudgetSnapshot snapshot, IReadOnlyList<string> namespaces, IEnumerable<WorkloadSpend> spends)
    {
        if (spends.All(s => s.UnpricedGpuMs == 0))
            return [];
        return
        [
            .. namespaces
                .SelectMany(ns => ledger.Entries(ns, snapshot.Now - TimeSpan.FromMinutes(1), snapshot.Now, snapshot.Now))
                .Where(e => e.Rate is null)
                .Select(e => e.Product.Length > 0 ? e.Product : "an unlabelled product")
                .Distinct(StringComparer.Ordinal)
                .Order(StringComparer.Ordinal),
        ];
    }
}
