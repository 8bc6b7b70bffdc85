using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.State;

namespace Bursar.Operator.Budgets;

/// <summary>Budgets as messages name them: <c>budget nlp</c> and <c>cluster budget research</c>.</summary>
internal static class BudgetNames
{
    public static string Display(BudgetObject budget) =>
        BudgetSnapshot.DisplayNameOf(budget.Metadata.Name, budget is V1Alpha1ClusterGpuBudget);

    public static string Display(SuspensionRecord record) => BudgetSnapshot.DisplayNameOf(record.Budget, record.IsClusterBudget);

    /// <summary>Joins names with commas and "and"; null if there are none.</summary>
    public static string? Join(IEnumerable<string> names)
    {
        string[] all = [.. names.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        return all.Length switch
        {
            0 => null,
            1 => all[0],
            _ => $"{string.Join(", ", all[..^1])} and {all[^1]}",
        };
    }
}
