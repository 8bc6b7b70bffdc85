using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Billing;

/// <summary>Calculates the GPUs and the hourly cost of a workload from the caches and the ledger. It writes nothing.</summary>
internal sealed class WorkloadRates(ClusterStores stores, GpuLedger ledger, PriceList prices, NodeMeter nodes)
{
    /// <summary>
    /// Returns how many GPUs the workload can hold at the same time, at least as many as its pods hold now. A pod that is being deleted
    /// does not count, because it is replaced. If the spec requests no GPU, its billed GPUs count.
    /// </summary>
    public int GpusOf(IReadOnlyList<PodSet> sets, IReadOnlyList<V1Pod> live, WorkloadSpend? spend) =>
        !sets.Any(set => set.Request.IsAny)
            ? spend?.Gpus ?? 0
            : Math.Max(
                PodSet.GpusOf(sets),
                live.Where(pod => pod.Metadata.DeletionTimestamp is null).Sum(pod => stores.Gpus.OfPod(pod).Units)
            );

    /// <summary>
    /// Returns the hourly cost of the GPUs that the workload can hold at the same time, or their usage per hour; null if there is no price.
    /// It uses the price of its running pods, otherwise of the GPUs that it last ran on, otherwise the most expensive price that its node
    /// selector allows. So a job without a pod is never admitted at a price that it may not get. What is measured counts at its mean so
    /// far.
    /// </summary>
    public HourlyCost? RateOf(
        IReadOnlyList<PodSet> sets,
        int gpus,
        IReadOnlyList<V1Pod> live,
        WorkloadSpend? spend,
        string ns,
        string uid,
        DateTimeOffset now,
        CountedUsage counted
    )
    {
        if (spend?.MeanRate is { } mean)
            return mean * gpus;
        if (spend is { Gpus: > 0 } && spend.RatePerHour != HourlyCost.Zero)
            return new GpuHourPrice(spend.RatePerHour.NanoPerHour / spend.Gpus) * gpus;
        if (live.Select(pod => stores.Nodes.Store.Get(null, pod.Spec.NodeName!)).FirstOrDefault(node => node is not null) is { } current)
            return Sum(sets, set => prices.RateOn(current, set.Request, counted));
        if (
            spend is not null
            && ledger.Entries(ns, spend.Since, now, now).LastOrDefault(e => e.Workload.Uid == uid) is { Product.Length: > 0 } last
        )
            return prices.RateOf(last.Product, last.CapacityType, last.Share, counted) is { } known ? known * gpus : null;
        return Sum(sets, set => HighestOf(set, counted));
    }

    /// <summary>
    /// Returns the hourly cost of pods that do not exist yet, each at the most expensive price that its node selector allows. Null if a
    /// price is missing or none requests GPUs.
    /// </summary>
    public HourlyCost? HighestOf(IReadOnlyList<PodSet> sets) => Sum(sets, set => HighestOf(set, CountedUsage.Cost));

    /// <summary>
    /// A limit on some GPUs counts only pods that can run on nothing else. Otherwise it would stop jobs that other GPUs could run.
    /// </summary>
    private HourlyCost? HighestOf(PodSet set, CountedUsage counted)
    {
        HourlyCost? highest = null;
        foreach (var node in nodes.NodesFor(set.Template.Spec.NodeSelector))
        {
            if (!prices.Counts(node, counted))
                return HourlyCost.Zero;
            if (prices.RateOn(node, set.Request, counted) is { } rate && (highest is null || rate > highest.Value))
                highest = rate;
        }
        // Without a node of that kind, the number of GPUs is known although their price is not.
        return highest
            ?? (
                counted.IsPartial || counted.IsMeasured ? HourlyCost.Zero
                : set.Request.ShareOn(null).RateOf(counted.RateOf("", "", null)) is { } each ? each * set.Request.Units
                : null
            );
    }

    /// <summary>Adds up the pods that request GPUs. Null if a price is missing.</summary>
    private static HourlyCost? Sum(IReadOnlyList<PodSet> sets, Func<PodSet, HourlyCost?> ofOne)
    {
        HourlyCost? sum = null;
        foreach (var set in sets)
        {
            if (!set.Request.IsAny)
                continue;
            if (ofOne(set) is not { } one)
                return null;
            sum = (sum ?? HourlyCost.Zero) + one * set.Count;
        }
        return sum;
    }
}
