using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Scaling;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Scaling;

/// <summary>Which budgets of a namespace pay for a target, by its pods' labels, and how many replicas they can afford.</summary>
internal sealed class TargetBudgets(ClusterStores stores, DecisionStore decisions)
{
    /// <summary>
    /// Those that select it and do not exempt it; and why the one that is named is not among them, null where it is or none is named.
    /// </summary>
    public (IReadOnlyList<V1Alpha1GpuBudget> Budgets, string? Problem) Of(
        string ns,
        IReadOnlyDictionary<string, string>? labels,
        string? named,
        string target
    )
    {
        var found = new List<V1Alpha1GpuBudget>();
        string? problem = named is null ? null : $"budget {named} does not exist in namespace {ns}";
        foreach (var budget in stores.Budgets.Store.ByIndex(Indexes.Namespace, ns))
        {
            var isNamed = budget.Metadata.Name == named;
            // A selector that cannot be read is no selector; one that exempts all the same would free what it should not.
            if (GpuBudgetReader.Read(budget, out _, out var selector, out var exempt).Count > 0)
            {
                if (isNamed)
                    problem = $"the spec of budget {named} cannot be read";
                continue;
            }
            // Of a target without pods or template nobody can say whose it is: the budget that it names, or all.
            var selects = labels is null ? named is null || isNamed : selector.Matches(labels);
            if (selects && !(labels is not null && exempt?.Matches(labels) == true))
                found.Add(budget);
            if (isNamed)
                problem = selects ? null : $"budget {named} does not select the pods of {target}";
        }
        return (found, problem);
    }

    /// <summary>Adds all caps: each scaler's own, and those of its budgets, whose room is divided once all that ask for it are known.</summary>
    public void Cap(IReadOnlyList<Evaluated> looks)
    {
        var purses = new Dictionary<ObjectKey, (AffordableRate Room, List<CapRequest> Askers)>();
        foreach (var look in looks)
        {
            if (ReplicaCaps.OfCostCap(look.Snapshot) is { } own)
                look.Caps.Add(own);
            foreach (var budget in look.Payers)
            {
                var (key, name) = (ObjectKey.Of(budget), budget.Metadata.Name);
                var decision = decisions.Of(budget);
                if (decision is null)
                    look.Caps.Add(ReplicaCaps.Keep(name, look.Snapshot, $"budget {name} has not been evaluated yet"));
                else if (!decision.IsEnforcing || decision.AffordableRate is null && decision.At < decision.WindowStart)
                    continue;
                else if (decision.AffordableRate is not { } room)
                    look.Caps.Add(ReplicaCaps.Keep(name, look.Snapshot, $"the window of budget {name} is over"));
                else if (look.RequestsShare)
                {
                    if (!purses.TryGetValue(key, out var purse))
                        purses.Add(key, purse = (room, []));
                    purse.Askers.Add(new(look.Key, look.Snapshot, Bounded(look.Demand, look.Caps)));
                }
            }
        }
        foreach (var (key, purse) in purses)
        {
            var given = ReplicaCaps.OfBudget(key.Name, purse.Room, purse.Askers);
            foreach (var look in looks)
                if (given.TryGetValue(look.Key, out var cap))
                    look.Caps.Add(cap);
        }
    }

    /// <summary>What its own cap forbids it does not ask of a budget either: others may have it.</summary>
    private static ScalerDemand Bounded(ScalerDemand demand, List<ReplicaCap> caps) =>
        caps.Count == 0 ? demand : demand with { Wanted = Math.Min(demand.Wanted, caps.Min(cap => cap.Replicas)) };
}
