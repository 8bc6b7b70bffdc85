using System.Collections.Concurrent;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Money;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Admission;

/// <summary>The sums that a warning shows.</summary>
/// <param name="Spent">Spent in the window.</param>
/// <param name="Limit">The window's limit.</param>
/// <param name="Currency">Of both.</param>
/// <param name="UsedUp">The state of the budget is Exhausted or Overspent, or more is spent than the limit.</param>
public sealed record BudgetFigures(Amount Spent, Amount Limit, string Currency, bool UsedUp = false);

/// <summary>
/// What the webhook may say of budgets and prices without asking anybody: on the leading replica the last decision's sums, on the
/// other the status that the leader wrote, and no price.
/// </summary>
public sealed class BudgetBoard
{
    private readonly ConcurrentDictionary<string, BudgetFigures> _decided = new(StringComparer.Ordinal);
    private volatile Func<Work, HourlyCost?>? _price;

    /// <summary>This replica leads: it knows what work that is new costs per hour.</summary>
    public void Lead(Func<Work, HourlyCost?> price) => _price = price;

    public void Note(V1Alpha1GpuBudget budget, BudgetDecision decision) =>
        _decided[budget.Metadata.Uid] = new(
            decision.Spent,
            decision.Limit,
            decision.Currency,
            IsUsedUp(decision.State, decision.Spent, decision.Limit)
        );

    public void Forget(V1Alpha1GpuBudget budget) => _decided.TryRemove(budget.Metadata.Uid, out _);

    /// <summary>Null while nothing is known of the budget.</summary>
    public BudgetFigures? FiguresOf(V1Alpha1GpuBudget budget) =>
        _decided.TryGetValue(budget.Metadata.Uid, out var figures) ? figures
        : Amount.TryParse(budget.Status?.Spent, out var spent) && Amount.TryParse(budget.Status?.Limit, out var limit)
            ? new(spent, limit, budget.Status?.Currency ?? "", IsUsedUp(budget.Status?.State, spent, limit))
        : null;

    private static bool IsUsedUp(string? state, Amount spent, Amount limit) =>
        state is Reasons.Exhausted or Reasons.Overspent || spent >= limit;

    public HourlyCost? PriceOf(Work work) => _price?.Invoke(work);
}
