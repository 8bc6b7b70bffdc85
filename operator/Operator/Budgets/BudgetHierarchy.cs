using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Finds the budgets above and below a budget by the namespaces that they cover. No object declares a hierarchy, and no decision depends on
/// it: a workload runs while it fits every budget that selects it. The status shows it.
/// </summary>
internal sealed class BudgetHierarchy(ClusterStores stores)
{
    /// <summary>Number of budgets below that the status and the sum of limits contain.</summary>
    public const int MostChildren = 200;

    /// <summary>Returns the names of the ClusterGpuBudgets that cover all namespaces of a budget and more than a ClusterGpuBudget does.</summary>
    public IReadOnlyList<string> ParentsOf(ReadBudget budget) =>
        stores.Coverage.NamespacesOf(budget.Object) is not { Count: > 0 } existing
            ? []
            :
            [
                .. stores
                    .Coverage.Over(existing[0])
                    .Where(other => IsAbove(other, budget, existing))
                    .Select(other => other.Metadata.Name)
                    .Order(StringComparer.Ordinal),
            ];

    /// <summary>Returns the budgets directly below a ClusterGpuBudget: not those below another one of them.</summary>
    public IReadOnlyList<ChildBudget> ChildrenOf(ReadBudget budget, Window window, DateTimeOffset now)
    {
        if (!budget.IsCluster)
            return [];
        var covered = stores.Coverage.NamespacesOf(budget.Object).ToHashSet(StringComparer.Ordinal);
        var below = stores
            .ClusterBudgets.Store.List()
            .Where(other => other.Metadata.Uid != budget.Uid)
            .Select(other => (Budget: (BudgetObject)other, Namespaces: stores.Coverage.NamespacesOf(other)))
            .Where(other => other.Namespaces.Count > 0 && other.Namespaces.Count < covered.Count)
            .Where(other => other.Namespaces.All(covered.Contains))
            .ToList();
        below.AddRange(
            covered.SelectMany(ns =>
                stores.Budgets.Store.ByIndex(Kubernetes.Informers.Indexes.Namespace, ns).Select(other => ((BudgetObject)other, Only(ns)))
            )
        );
        return
        [
            .. below
                .Where(child => !below.Any(other => IsBetween(other, child)))
                .Select(child => Child(child.Budget, budget.Terms.Counted.Unit, window, now))
                .OfType<ChildBudget>()
                .OrderBy(child => child.Name, StringComparer.Ordinal)
                .Take(MostChildren),
        ];
    }

    private bool IsAbove(V1Alpha1ClusterGpuBudget other, ReadBudget budget, IReadOnlyList<string> existing)
    {
        var count = stores.Coverage.NamespacesOf(other).Count;
        return count >= existing.Count && (!budget.IsCluster || count > existing.Count) && stores.Coverage.CoversAll(other, existing);
    }

    /// <summary>Whether another budget below the parent is above the child.</summary>
    private bool IsBetween(
        (BudgetObject Budget, IReadOnlyList<string> Namespaces) other,
        (BudgetObject Budget, IReadOnlyList<string> Namespaces) child
    ) =>
        other.Budget is V1Alpha1ClusterGpuBudget
        && (other.Namespaces.Count > child.Namespaces.Count || child.Budget is V1Alpha1GpuBudget)
        && stores.Coverage.CoversAll(other.Budget, child.Namespaces);

    private static ChildBudget? Child(BudgetObject budget, UsageUnit parentsUnit, Window parents, DateTimeOffset now)
    {
        // A budget with an invalid spec enforces nothing.
        if (GpuBudgetReader.Read(budget, out var terms, out _, out _).Count > 0 || terms is null)
            return null;
        var window = Window.At(terms.Window, now);
        return new(
            budget.Metadata.Namespace is { Length: > 0 } ns ? $"{ns}/{budget.Metadata.Name}" : budget.Metadata.Name,
            BudgetDecider.LimitOf(terms, window.Key),
            window.Key == parents.Key && window.Start == parents.Start && window.End == parents.End && terms.Counted.Unit == parentsUnit
        );
    }

    private static IReadOnlyList<string> Only(string ns) => [ns];
}
