using Bursar.Core.Budgets;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Decides what happens to the workloads of one budget. Pure: the same snapshot gives the same decision (<see cref="DecisionRules"/>).
/// </summary>
public static class BudgetDecider
{
    public static BudgetDecision Decide(BudgetSnapshot budget)
    {
        var plan = Plan.Begin(budget);
        foreach (var rule in plan.IsOpen ? DecisionRules.OpenWindow : DecisionRules.ClosedWindow)
            rule(plan);
        plan.Memory = BudgetMemoryUpdate.End(plan);
        var prospect = plan.Prospect = Prospect.From(plan);
        plan.Memory = plan.Memory with { ExhaustedAt = prospect.ExhaustedAt };
        foreach (var rule in DecisionRules.Announcements)
            rule(plan);

        var totals = plan.Totals;
        return new()
        {
            At = budget.Now,
            WindowKey = budget.Window.Key,
            WindowStart = budget.Window.Start,
            WindowEnd = budget.Window.End,
            Currency = budget.Currency,
            Limit = totals.Limit,
            RolledOver = budget.RolledOver,
            Granted = budget.Granted,
            Grants = budget.Grants,
            Loans = budget.Loans,
            Committed = budget is { Terms: { BorrowingLimit: null, LendingLimit: null }, Loans: null }
                ? Amount.Zero
                : LoanDecider.CommittedAfter(plan),
            Spent = budget.Spent,
            Reserved = totals.Reserved,
            Projected = prospect.Now.Projected,
            Forecast = prospect.Forecast,
            BurnRate = budget.BurnRate,
            ExhaustedAt = prospect.ExhaustedAt ?? prospect.Now.LimitReachedAt,
            Overspent = prospect.Overspent,
            AffordableRate = plan.IsOpen ? AffordableRate.From(budget, totals, plan.Workloads) : null,
            IsEnforcing = plan.IsEnforcing,
            OverspendBound = totals.OverspendBound,
            CarriedOver = totals.CarriedOver,
            OutsideSelector = budget.OutsideSelector,
            Unstoppable = totals.Unstoppable,
            Workloads = plan.Verdicts(),
            Actions = plan.IsEnforcing ? plan.Actions : [],
            StaleRecords = plan.IsEnforcing ? plan.StaleRecords() : [],
            Ended = budget.Ended,
            Parents = budget.Parents,
            Children = budget.Children,
            Observed = plan.Observed,
            Announcements = [.. budget.GrantNews, .. plan.Announcements],
            Conditions = ConditionRules.Evaluate(plan),
            Memory = plan.Memory,
        };
    }

    public static Amount LimitOf(BudgetSnapshot budget) =>
        Amount.Max(
            Amount.Zero,
            LimitOf(budget.Terms, budget.Window.Key) + budget.RolledOver + budget.Granted + LoanBook.Net(budget.Loans, budget.Uid)
        );

    /// <summary>Returns the limit without loans.</summary>
    internal static Amount OwnLimitOf(BudgetSnapshot budget) => LimitOf(budget with { Loans = null });

    /// <summary>Returns the limit of a window, including its top-ups, without grants, loans and what it carried over.</summary>
    public static Amount LimitOf(BudgetTerms terms, string windowKey) =>
        terms.TopUps.Where(t => t.Window == windowKey).Aggregate(terms.Limit, (sum, topUp) => sum + topUp.Amount);
}
