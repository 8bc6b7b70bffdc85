using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Scaling;

/// <summary>Finds the budgets that pay for a target, by its pods' labels, and the replicas that they can afford.</summary>
internal sealed class TargetBudgets(ClusterStores stores, DecisionStore decisions)
{
    /// <summary>Returns the budgets that select the target and do not exempt it, and the problem of the named budget, or null.</summary>
    public (IReadOnlyList<BudgetObject> Budgets, string? Problem) For(
        string ns,
        IReadOnlyDictionary<string, string>? labels,
        string? named,
        string target
    )
    {
        var found = new List<BudgetObject>();
        string? problem = named is null ? null : $"budget {named} does not exist in namespace {ns}";
        foreach (var budget in stores.Coverage.WithLimitsIn(ns))
        {
            // A scaler names a GpuBudget of its namespace.
            var isNamed = budget is V1Alpha1GpuBudget && budget.Metadata.Name == named;
            // Ignore an invalid spec, because a budget that selects or exempts the wrong pods would be worse.
            if (GpuBudgetReader.Read(budget, out var terms, out var selector, out var exempt).Count > 0)
            {
                if (isNamed)
                    problem = $"the spec of budget {named} cannot be read";
                continue;
            }
            // A target without pods and template has no labels. Use the named budget, or all budgets.
            var selects = labels is null ? named is null || isNamed : selector.Matches(labels);
            // A limit on some GPUs counts the replicas on them and caps none.
            if (terms!.Counted.IsPartial)
                continue;
            if (selects && !(labels is not null && exempt?.Matches(labels) == true))
                found.Add(budget);
            if (isNamed)
                problem = selects ? null : $"budget {named} does not select the pods of {target}";
        }
        return (found, problem);
    }

    /// <summary>Adds all caps: each scaler's own, and its share of each budget, once all requests are known.</summary>
    public void Cap(IReadOnlyList<Evaluated> targets)
    {
        var requests = new Dictionary<ObjectKey, (AffordableRate Rate, List<CapRequest> Requests)>();
        foreach (var evaluated in targets)
        {
            if (ReplicaCaps.OfCostCap(evaluated.Snapshot) is { } own)
                evaluated.Caps.Add(own);
            foreach (var budget in evaluated.Payers)
            {
                var (key, name) = (ObjectKey.From(budget), NameOf(budget));
                var decision = decisions.Get(budget);
                if (decision is null)
                    evaluated.Caps.Add(ReplicaCaps.Keep(name, evaluated.Snapshot, $"budget {name} has not been evaluated yet"));
                else if (!decision.IsEnforcing || decision.AffordableRate is null && decision.At < decision.WindowStart)
                    continue;
                else if (decision.AffordableRate is not { } rate)
                    evaluated.Caps.Add(ReplicaCaps.Keep(name, evaluated.Snapshot, $"the window of budget {name} is over"));
                else if (UnitOf(budget) is not UsageUnit.Cost)
                {
                    // The prices of replicas are costs. The limit counts the present replicas until the window ends.
                    if (rate.Free <= Amount.Zero)
                        evaluated.Caps.Add(
                            ReplicaCaps.Keep(
                                name,
                                evaluated.Snapshot,
                                $"budget {name} has no {decision.Currency} left, so no replica is added"
                            )
                        );
                }
                else if (evaluated.RequestsShare)
                {
                    if (!requests.TryGetValue(key, out var ofBudget))
                        requests.Add(key, ofBudget = (rate, []));
                    ofBudget.Requests.Add(new(evaluated.Key, evaluated.Snapshot, Bounded(evaluated.Demand, evaluated.Caps)));
                }
            }
        }
        foreach (var (key, ofBudget) in requests)
        {
            var shares = ReplicaCaps.OfBudget(
                key.Namespace.Length > 0 ? key.Name : NameOfCluster(key.Name),
                ofBudget.Rate,
                ofBudget.Requests
            );
            foreach (var evaluated in targets)
                if (shares.TryGetValue(evaluated.Key, out var cap))
                    evaluated.Caps.Add(cap);
        }
    }

    private static UsageUnit UnitOf(BudgetObject budget) =>
        GpuBudgetReader.Read(budget, out var terms, out _, out _).Count == 0 ? terms!.Counted.Unit : UsageUnit.Cost;

    private static string NameOf(BudgetObject budget) =>
        budget is V1Alpha1ClusterGpuBudget ? NameOfCluster(budget.Metadata.Name) : budget.Metadata.Name;

    /// <summary>Distinguishes a ClusterGpuBudget from a GpuBudget of the same name.</summary>
    private static string NameOfCluster(string name) => $"{name} (cluster)";

    /// <summary>Limits a request to the scaler's own cap, so that the rest remains for others.</summary>
    private static ScalerDemand Bounded(ScalerDemand demand, List<ReplicaCap> caps) =>
        caps.Count == 0 ? demand : demand with { Wanted = Math.Min(demand.Wanted, caps.Min(cap => cap.Replicas)) };
}
