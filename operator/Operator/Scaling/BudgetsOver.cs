using Bursar.Api;
using Bursar.Core.Text;
using Bursar.Kube.Informers;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Scaling;

/// <summary>Which budgets of a namespace pay for a target, by its pods' labels. For one thread, the scaler loop's.</summary>
internal sealed class BudgetsOver(ClusterStores stores)
{
    private readonly Dictionary<string, (long Generation, LabelSelector? Selector, LabelSelector? Exempt)> _read = new(StringComparer.Ordinal);

    /// <summary>How many budgets' selectors are kept.</summary>
    public int Kept => _read.Count;

    /// <summary>Those that select it and do not exempt it; and why the one that is named is not among them, null where it is or none is named.</summary>
    public (IReadOnlyList<V1Alpha1GpuBudget> Budgets, string? Problem) Of(string ns, IReadOnlyDictionary<string, string>? labels, string? named, string target)
    {
        var found = new List<V1Alpha1GpuBudget>();
        string? problem = named is null ? null : $"budget {named} does not exist in namespace {ns}";
        foreach (var budget in stores.Budgets.Store.ByIndex(Indexes.Namespace, ns))
        {
            var (selector, exempt) = Read(budget);
            var isNamed = budget.Metadata.Name == named;
            if (selector is null)
            {
                if (isNamed) problem = $"the spec of budget {named} cannot be read";
                continue;
            }
            // Of a target without pods or template nobody can say whose it is: the budget that it names, or all.
            var selects = labels is null ? named is null || isNamed : selector.Matches(labels);
            if (selects && !(labels is not null && exempt?.Matches(labels) == true)) found.Add(budget);
            if (isNamed) problem = selects ? null : $"budget {named} does not select the pods of {target}";
        }
        // Deleted budgets leave their entries behind.
        if (_read.Count > stores.Budgets.Store.Count)
            foreach (var uid in _read.Keys.Where(uid => stores.Budgets.Store.GetByUid(uid) is null).ToArray()) _read.Remove(uid);
        return (found, problem);
    }

    private (LabelSelector? Selector, LabelSelector? Exempt) Read(V1Alpha1GpuBudget budget)
    {
        if (_read.TryGetValue(budget.Metadata.Uid, out var known) && known.Generation == budget.SpecGeneration) return (known.Selector, known.Exempt);
        // A selector that cannot be read is no selector; one that exempts all the same would free what it should not.
        var read = GpuBudgetReader.Read(budget, out var terms, out var selector, out var exempt);
        _read[budget.Metadata.Uid] = (budget.SpecGeneration, read.Count == 0 && terms is not null ? selector : null, exempt);
        return (_read[budget.Metadata.Uid].Selector, exempt);
    }
}
