using Bursar.Api;
using Bursar.Kubernetes.Informers;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Scaling;

/// <summary>Which budgets of a namespace pay for a target, by its pods' labels.</summary>
internal sealed class BudgetsOver(ClusterStores stores)
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
}
