using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>Notes what each window of a budget came to, once it is over: the facts that it was summed from do not stay for ever.</summary>
internal sealed class WindowKeeper(GpuLedger ledger, OperatorState state, int keptDays)
{
    /// <summary>An operator that was away for longer than so many windows leaves the oldest out.</summary>
    private const int MostAtOnce = 400;

    public void Note(ReadBudget budget, BudgetDecision decision)
    {
        // A rolling window never ends.
        if (budget.Terms.Window.Period == WindowPeriod.Rolling)
            return;
        var closed = new List<ClosedWindow>();
        var window = state.OpenWindow(budget.Uid);
        while (window is not null && window.End <= decision.At && closed.Count < MostAtOnce)
        {
            closed.Add(
                new(
                    window.Key,
                    window.Start,
                    window.End,
                    window.Limit,
                    ledger.Spent(budget.Namespace, budget.Selector, window.Start, window.End, decision.At)
                )
            );
            var next = Window.At(budget.Terms.Window, window.End);
            window = next.Start >= window.End ? new(next.Key, next.Start, next.End, BudgetDecider.LimitOf(budget.Terms, next.Key)) : null;
        }
        state.NoteWindow(
            budget.Namespace,
            budget.Name,
            budget.Uid,
            new(decision.WindowKey, decision.WindowStart, decision.WindowEnd, decision.Limit),
            closed,
            decision.At.AddDays(-keptDays)
        );
    }
}
