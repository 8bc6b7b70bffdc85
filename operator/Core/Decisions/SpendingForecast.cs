using Bursar.Core.Budgets;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The forecast of a budget's spending at the end of its window. Unlike the projection (<see cref="Outlook"/>) it includes workloads that
/// have not started yet. It warns and never suspends.
/// </summary>
internal static class SpendingForecast
{
    /// <summary>An entry of the memory's announcements.</summary>
    private const string Announced = "forecast-over";

    /// <summary>Returns null for a rolling window, which has no end, and for a window that is not open.</summary>
    public static WindowForecast? From(BudgetSnapshot budget, BudgetTotals totals, IReadOnlyList<CostedWorkload> workloads, Outlook outlook)
    {
        var horizon = WorkloadCost.Horizon(budget);
        if (budget.Terms.Window.Period == WindowPeriod.Rolling || horizon <= TimeSpan.Zero)
            return null;
        return budget.Spending is { } model
            ? WindowForecast.From(
                model,
                budget.Now,
                budget.Window.End,
                totals.Limit,
                totals.Spent,
                workloads.Select(workload => KnownCostOf(workload, budget, horizon))
            )
            : new()
            {
                Method = SpendingMethod.KnownOnly,
                Likely = outlook.Unlimited,
                LikelyExhaustedAt = outlook.LimitReachedAt,
            };
    }

    /// <summary>Whether the spending is forecast to exceed the limit, and does not yet.</summary>
    public static bool IsOver(BudgetSnapshot budget, BudgetTotals totals, WindowForecast? forecast) =>
        forecast is { Method: not SpendingMethod.KnownOnly }
        && budget.ForecastDoubt is null
        && totals.Spent < totals.Limit
        && forecast.Likely > totals.Limit;

    /// <summary>Announces once per window that the forecast exceeds the limit.</summary>
    public static void Announce(Plan plan)
    {
        var (budget, totals, forecast) = (plan.Budget, plan.Totals, plan.Prospect.Forecast);
        if (!IsOver(budget, totals, forecast) || plan.Memory.Announced.Contains(Announced))
            return;
        plan.Memory = plan.Memory with { Announced = [.. plan.Memory.Announced.Append(Announced).Order(StringComparer.Ordinal)] };
        plan.Announce(
            new(
                Reasons.ForecastOverBudget,
                $"{budget.Window.Key}/{Announced}",
                Messages.ForecastOverBudget(budget, totals, forecast!),
                Warning: true
            )
        );
    }

    /// <summary>
    /// Returns what a workload is known to cost: a job of known duration to its likely end, inference and interactive workloads to the end of
    /// the window. The usual spending includes jobs of unknown duration.
    /// </summary>
    private static KnownCost KnownCostOf(CostedWorkload workload, BudgetSnapshot budget, TimeSpan horizon)
    {
        if (workload is { IsActiveJob: true, Cost.DurationKnown: false })
            return default;
        if (
            workload.Snapshot is { State: WorkloadState.Running, Class: WorkloadClass.Inference, MinReplicasRate: { } minimum }
            && AffordableRate.IsElastic(workload.Snapshot)
        )
            return new(minimum, minimum.For(horizon));
        var claim = Outlook.ClaimOf(workload, budget, horizon);
        return new(claim.Rate, claim.Amount);
    }
}
