using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Finds the values of the label in <c>spec.perLabel</c>: of workloads that exist or are suspended, and of pods that were billed in the
/// window. Each has a limit of its own, except for an empty value.
/// </summary>
internal sealed class LabelLimits(ClusterStores stores, GpuLedger ledger, OperatorState state, DecisionStore decisions, TimeProvider time)
{
    /// <summary>The most values of one budget that have a limit. Every pass evaluates each of them.</summary>
    public const int MostValues = 1000;

    /// <summary>Updates the limits of a budget. Returns the number of values that have none, because there are too many.</summary>
    public int Update(ReadBudget budget)
    {
        var entity = budget.Object;
        var before = stores.Coverage.LimitsOf(entity);
        var values = ValuesOf(budget);
        var without = Math.Max(0, values.Count - MostValues);
        if (!stores.Coverage.SetLabelValues(entity, [.. values.Take(MostValues).Order(StringComparer.Ordinal)]))
            return without;
        var now = stores.Coverage.LimitsOf(entity).Select(limit => limit.Metadata.Uid).ToHashSet(StringComparer.Ordinal);
        foreach (var gone in before.Where(limit => !now.Contains(limit.Metadata.Uid)))
            decisions.Forget(gone);
        return without;
    }

    /// <summary>Returns the values, those of workloads that exist first.</summary>
    private IReadOnlyList<string> ValuesOf(ReadBudget budget)
    {
        if (GpuBudgetReader.LimitedLabelOf(budget.Object) is not { } key)
            return [];
        var current = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var cache in stores.Kinds)
        foreach (var ns in budget.Namespaces)
        foreach (var work in cache.In(ns))
            if (
                work is { HasGpus: true, IsFinished: false }
                && work.Labels.TryGetValue(key, out var value)
                && value.Length > 0
                && budget.Selector.Matches(work.Labels)
            )
                current.Add(value);
        var prefix = $"{budget.Uid}{BudgetObject.LimitSeparator}{key}=";
        foreach (var (_, _, uid) in state.RememberedBudgets())
            if (uid.StartsWith(prefix, StringComparison.Ordinal) && state.SuspensionsBy(uid).Count > 0)
                current.Add(uid[prefix.Length..]);
        var window = Window.At(budget.Terms.Window, time.GetUtcNow());
        var past = budget
            .Namespaces.SelectMany(ns => ledger.LabelValues(ns, budget.Selector, key, window.Start, window.End))
            .Except(current, StringComparer.Ordinal)
            .Where(value => value.Length > 0)
            .Order(StringComparer.Ordinal);
        return [.. current, .. past];
    }
}
