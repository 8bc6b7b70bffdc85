using Bursar.Core.Budgets;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Brings parked work back when there is money for it: only after a cause that came since it was parked (the limit
/// rose, work that ended freed money, a new window), by priority, then the longest parked; work that does not fit is
/// passed over; one at a time, so that each reservation is seen before the next is made.
/// </summary>
/// <remarks>
/// No flapping by construction: a resume spends its cause, for the next parking records the window, the limit and the
/// count of freed money of its own moment, and only a later change of one of them is a new cause. The headroom between
/// what a resume asks for and what a forecast allows is the hysteresis.
/// </remarks>
public static class ResumeRule
{
    public static void Apply(Plan plan, IReadOnlyList<ChargedWork> work, ref BudgetMemory memory)
    {
        var budget = plan.Budget;
        var balance = plan.Balance;
        var parked = work.Where(w => w.Work is { State: WorkloadState.Parked, Parked: not null } && w.Work.Class != WorkClass.Interactive)
            .OrderByDescending(w => w.Work.Priority).ThenByDescending(w => w.Work.PriorityWithin)
            .ThenBy(w => w.Work.Parked!.Since).ThenBy(w => w.Work.CreatedAt)
            .ThenBy(w => w.Work.Key.Name, StringComparer.Ordinal).ThenBy(w => w.Work.Key.Uid, StringComparer.Ordinal);
        var pause = ForecastRule.PauseReason(budget, balance);
        var resuming = false;
        foreach (var item in parked)
        {
            if (item.Work.Exempt)
            {
                // Made exempt while it was parked: it is no longer this budget's to hold.
                plan.Resume(item, Reasons.Released, "Resumed: the budget now exempts it.");
                continue;
            }
            var needed = Needed(item, budget);
            var cause = Cause(item.Work, budget, balance, memory);
            if (item.Charge.High > balance.Limit) plan.Keep(item, Reasons.NeverFits, Sentences.NeverFits(item, budget, balance));
            else if (budget.Terms.Resume == ResumePolicy.Manual && !item.Work.ResumeApproved) plan.Keep(item, Reasons.WaitsForApproval, Sentences.WaitsForApproval(item, budget));
            else if (pause is not null) plan.Keep(item, Reasons.ForecastPaused, pause);
            else if (resuming || plan.Actions.Any(a => a.Kind == ActionKind.Park)
                || cause is null || balance.Spent + balance.Floor + Held(work, budget) + needed > balance.Limit || LimitRule.IsReached(balance))
                plan.Keep(item, Reasons.WaitsForMoney, Sentences.Waits(item, budget, balance, needed, Held(work, budget)));
            else
            {
                resuming = true;
                plan.Resume(item, cause, Sentences.Resumed(item, budget, balance, needed, cause));
                memory = memory with { Admitted = memory.Admitted.Append(KeyValuePair.Create(item.Work.Key.Uid, new Admission(item.Charge.Mid, item.Work.Spent, budget.Now))).ToSorted() };
            }
        }
    }

    /// <summary>The high estimate plus headroom; for work of unknown length, an hour of it.</summary>
    public static Amount Needed(ChargedWork item, BudgetSnapshot budget)
    {
        var asked = item.Work.Class == WorkClass.Inference
            ? (item.Work.Rate ?? Rate.Zero).For(Charge.LeastRun < Charge.Horizon(budget.Window, budget.Now) ? Charge.LeastRun : Charge.Horizon(budget.Window, budget.Now))
            : item.Charge.High;
        return asked + asked.Percent(budget.Terms.HeadroomPercent) + item.Charge.StopCost;
    }

    /// <summary>What came since the work was parked that may bring it back; null when nothing did.</summary>
    private static string? Cause(WorkloadSnapshot work, BudgetSnapshot budget, Balance balance, BudgetMemory memory)
    {
        var parked = work.Parked!;
        return work.ResumeApproved ? Reasons.Approved
            : parked.WindowKey != budget.Window.Key ? Reasons.NewWindow
            : balance.Limit > parked.Limit ? Reasons.BudgetRaised
            : memory.Freed > parked.Freed ? Reasons.MoneyFreed
            : budget.Terms.Window.Period == WindowPeriod.Rolling ? Reasons.MoneyRolledOff
            // Held only because nothing told its length: being told is a cause of its own.
            : parked.Reason == Reasons.UnknownDuration && work.Estimate.IsKnown ? Reasons.Fits
            : null;
    }

    /// <summary>What running work still holds, at the likely end whatever the test end is: a resume must not lean on hope.</summary>
    private static Amount Held(IEnumerable<ChargedWork> work, BudgetSnapshot budget) =>
        work.Where(w => w.Work.Class == WorkClass.Training && w.Work.State is (WorkloadState.Running or WorkloadState.Pending) && !Balance.Lends(w.Work, budget))
            .Aggregate(Amount.Zero, (sum, w) => sum + w.Charge.Mid);
}
