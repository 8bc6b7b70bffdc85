using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Brings parked work back when there is money for it: only after a cause that came since it was parked (the limit
/// rose, work that ended freed money, a new window), by priority, then the oldest; work that does not fit is passed
/// over; one at a time, so that each reservation is seen before the next is made.
/// </summary>
/// <remarks>
/// <para>No flapping, by construction. The rule: between two parkings of one job by forecast stands an event in the world that came
/// after the first: the limit or a top-up rose, a new window began, other work ended, older spending of at least the headroom left
/// a rolling window, its length became known, its owner approved, or somebody else resumed it.</para>
/// <para>For a parked job leaves that state by a resume alone (or by someone else's hand), a resume asks for such an event, and it
/// spends it: the next parking records the window, the limit, the count of freed money, the sum spent and the approval of its own
/// moment, and only a later change of one of them is a new cause. Estimates are no cause, however they leap. The headroom between what
/// a resume asks for and what a forecast allows makes it rare besides that a cause is spent in vain.</para>
/// </remarks>
public static class ResumeRule
{
    public static void Apply(Plan plan, IReadOnlyList<ChargedWork> work, ref BudgetMemory memory)
    {
        var budget = plan.Budget;
        var balance = plan.Balance;
        var free = !LimitRule.IsReached(balance) && !balance.FloorExceedsLimit && plan.Requests.Count == 0 && !plan.Actions.Any(a => a.Kind == ActionKind.Park);
        foreach (var item in InOrder(work))
        {
            if (IsNoLongerHeld(item.Work, budget))
            {
                plan.Resume(item, Reasons.Released, Sentences.Released(item));
                continue;
            }
            var cause = Cause(item.Work, budget, balance, memory);
            if (item.Work.Rate is null) plan.Keep(item, Reasons.Unpriced, Sentences.Kept(item, Reasons.Unpriced, budget));
            else if (NeverFits(item, budget, balance)) plan.Keep(item, Reasons.NeverFits, Sentences.NeverFits(item, budget, balance, NeededInEmptyWindow(item, budget), LimitToResume(item, plan, work)));
            else if (cause != Reasons.Approved && budget.Terms.Resume == ResumePolicy.Manual) plan.Keep(item, Reasons.WaitsForApproval, Sentences.WaitsForApproval(budget));
            else if (cause != Reasons.Approved && HoldRule.IsHeld(item, budget)) plan.Keep(item, Reasons.UnknownDuration, Sentences.HeldUnknown(item, budget));
            else if (budget.ForecastDoubt is not null) plan.Keep(item, Reasons.ForecastPaused, Sentences.Paused(budget));
            else if (free && cause is not null && LimitToResume(item, plan, work) <= balance.Limit)
            {
                free = false;
                plan.Resume(item, cause, Sentences.Resumed(item, budget, balance, Needed(item, budget), cause));
                memory = Admissions.Resumed(item, item.Charge.Mid, budget, memory);
            }
            else plan.Keep(item, Reasons.WaitsForMoney, Sentences.Waits(item, plan, Needed(item, budget), LimitToResume(item, plan, work), cause is not null));
        }
    }

    /// <summary>Parked work in the order in which it is looked at, with suspended work whose pods run on.</summary>
    public static IEnumerable<ChargedWork> InOrder(IEnumerable<ChargedWork> work) =>
        work.Where(w => w.Work is { Parked: not null } and ({ State: WorkloadState.Parked } or { NotFollowed: true }))
            .OrderByDescending(w => w.Work.Priority).ThenByDescending(w => w.Work.PriorityWithin)
            .ThenBy(w => w.Work.CreatedAt).ThenBy(w => w.Work.Parked!.Since)
            .ThenBy(w => w.Work.Key.Name, StringComparer.Ordinal).ThenBy(w => w.Work.Key.Uid, StringComparer.Ordinal);

    /// <summary>
    /// The limit at which the work would come back as things stand: all that is spent, being stopped and reserved (at the
    /// likely end, whatever the forecast tests: a resume must not lean on hope), and what it needs itself.
    /// </summary>
    public static Amount LimitToResume(ChargedWork item, Plan plan, IEnumerable<ChargedWork> work)
    {
        var others = work.Where(w => w.IsActiveJob && w.Work.Key.Uid != item.Work.Key.Uid && !plan.IsParking(w) && !Balance.Lends(w.Work, plan.Budget))
            .Select(w => new Claim(w.Work.Rate ?? Rate.Zero, w.Charge.Mid));
        var own = new Claim(item.Work.Rate ?? Rate.Zero, Needed(item, plan.Budget));
        return Projection.Of(plan.Budget, [.. plan.Balance.FloorClaims, .. others, own, new(Rate.Zero, plan.Balance.Ending)]);
    }

    /// <summary>The high estimate plus headroom and its stop; for work of unknown length and for inference, an hour of it.</summary>
    public static Amount Needed(ChargedWork item, BudgetSnapshot budget) => Needed(item, budget, Charge.Horizon(budget));

    /// <summary>More than the limit even in a window that is new and all its own.</summary>
    public static bool NeverFits(ChargedWork item, BudgetSnapshot budget, Balance balance) => NeededInEmptyWindow(item, budget) > balance.Limit;

    private static Amount NeededInEmptyWindow(ChargedWork item, BudgetSnapshot budget) => Needed(item, budget, budget.Window.Length);

    private static Amount Needed(ChargedWork item, BudgetSnapshot budget, TimeSpan horizon)
    {
        var rate = item.Work.Rate ?? Rate.Zero;
        var estimate = item.Work.State == WorkloadState.Parked ? item.Work.Estimate : item.Work.EstimateAfterResume ?? item.Work.Estimate;
        var length = item.Work.Class == WorkClass.Training && estimate.IsKnown ? estimate.High : Charge.LeastRun;
        var asked = rate.For(length < horizon ? length : horizon);
        return asked + asked.Percent(budget.Terms.HeadroomPercent) + rate.For(Charge.StopTime(item.Work, budget));
    }

    /// <summary>Made exempt while it was parked, or inference whose budget keeps floors now.</summary>
    private static bool IsNoLongerHeld(WorkloadSnapshot work, BudgetSnapshot budget) =>
        work.Exempt || work.Class != WorkClass.Training && budget.Terms.WhenExhausted == WhenExhausted.Floor;

    /// <summary>What came since the work was parked that may bring it back; null when nothing did.</summary>
    public static string? Cause(WorkloadSnapshot work, BudgetSnapshot budget, Balance balance, BudgetMemory memory)
    {
        var parked = work.Parked!;
        return work.ResumeApproved && !parked.Approved ? Reasons.Approved
            : parked.WindowKey != budget.Window.Key ? Reasons.NewWindow
            : balance.Limit > parked.Limit ? Reasons.BudgetRaised
            : memory.Freed > parked.Freed ? Reasons.MoneyFreed
            : HasRolledOff(parked, budget, balance) ? Reasons.MoneyRolledOff
            // Nobody knows what it waited for: it comes back as soon as it fits.
            : parked.Reason == Reasons.RecordRestored ? Reasons.RecordRestored
            : parked.Reason == Reasons.UnknownDuration && work.Estimate.IsKnown ? Reasons.LengthKnown
            : null;
    }

    /// <summary>
    /// Spending leaves a rolling window all the time: each cent of it as a cause would let a job go and come as its estimate
    /// breathes. It takes as much as the headroom, or all there was.
    /// </summary>
    private static bool HasRolledOff(ParkedSnapshot parked, BudgetSnapshot budget, Balance balance) =>
        budget.Terms.Window.Period == WindowPeriod.Rolling
        && (parked.Spent is not { } then || then > budget.Spent && (budget.Spent <= Amount.Zero || then - budget.Spent >= balance.Limit.Percent(Math.Max(1, budget.Terms.HeadroomPercent))));
}
