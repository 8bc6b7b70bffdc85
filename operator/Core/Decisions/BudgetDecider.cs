using Bursar.Core.Budgets;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// Decides what happens to the work of one budget. Pure: the same snapshot gives the same decision. The rules stand in
/// the order in which they are asked; one that acts on a workload leaves nothing to those below it.
/// </summary>
public static class BudgetDecider
{
    public static BudgetDecision Decide(BudgetSnapshot budget)
    {
        var limit = LimitOf(budget);
        var memory = Remembering.Begin(budget, limit);
        var work = ChargedWork.Of(budget);
        var balance = Balance.Of(budget, limit, work);
        var plan = new Plan(budget, balance, memory.Freed, memory.Raised);
        var enforcing = !budget.Observes;
        var open = WindowIsOpen(budget);
        var outlook = Outlook.Of(budget, balance, work, enforcing && open);

        SuspensionCheck.Apply(plan, work); // what was suspended and runs on all the same
        if (open)
        {
            UnfinishedRule.Apply(plan, work); // what was decided and cut off is carried out
            LimitRule.Apply(plan, work); // the limit itself: leans on no estimate
            CheckpointRule.Apply(plan, work, memory); // what was asked for a checkpoint stays chosen
            HoldRule.Apply(plan, work, memory); // work of unknown length, where the budget holds such work
            ForecastRule.Apply(plan, work, ref memory); // what would overrun; admits what fits
            ResumeRule.Apply(plan, work, ref memory); // what was parked and fits again, one at a time
        }
        else
        {
            plan.KeepAll(work, budget.Now < budget.Window.Start ? Reasons.NotStarted : Reasons.Expired);
        }

        if (enforcing)
            CheckpointRule.Mirror(plan, work);
        memory = enforcing ? Remembering.End(memory, plan) : Remembering.WithoutRequests(memory);
        memory = Remembering.Marked(memory, budget.Workloads);

        // The risk is judged after this decision: work that it suspends, or announces with its time, is no risk any more.
        var (begun, notified) = (memory, memory.SuspensionsAnnounced);
        bool Leaves(ChargedWork item) =>
            plan.IsParking(item) || notified.ContainsKey(item.Work.Key.Uid) && !Remembering.IsSettling(item.Work, begun, budget.Now);
        var after = enforcing && (plan.SuspendsAny || notified.Count > 0) ? Outlook.Of(budget, balance, work, open, Leaves) : outlook;
        // What is announced with its time needs no vaguer Event beside it.
        var growth = open && plan.Warnings.Count == 0 ? GrowthRisk.Of(budget, balance, work, plan) : null;
        var next = NextWindowRisk.Of(budget, work.Select(item => plan.After(item, enforcing)).OfType<WorkloadSnapshot>(), memory);
        var exhausted = open && Exhaustion.Is(budget, balance);
        ChargedWork[] runsOn =
        [
            .. work.Where(item =>
                item.Work is { State: WorkloadState.Running or WorkloadState.Pending }
                && item.Work.BurnRate > HourlyCost.Zero
                && !(enforcing && plan.IsParking(item))
            ),
        ];
        var overspent = open ? Exhaustion.Overspent(budget, balance, runsOn) : Amount.Zero;
        memory = Exhaustion.Remember(budget, balance, exhausted, memory);
        IReadOnlyList<BudgetAction> observed = [];
        if (!enforcing && budget.ReleasedAt is null)
            memory = Remembering.Observed(memory, plan, out observed);
        var announcements = Thresholds
            .Announce(budget, balance, outlook, ref memory)
            .Concat(PriceTrust.Announce(budget, ref memory))
            .Concat(ForecastPauses.Announce(budget, work, ref memory))
            .Concat(SuspensionCheck.Announce(budget, work, ref memory))
            .Concat(ReleaseAnnouncement.Announce(budget, ref memory))
            .Concat(plan.Warnings)
            .Concat(LimitWarnings.AnnounceNextWindow(budget, next, ref memory))
            .Concat(open ? LimitWarnings.Announce(budget, balance, after, growth, exhausted, overspent, runsOn, ref memory) : [])
            .ToArray();
        return new()
        {
            At = budget.Now,
            WindowKey = budget.Window.Key,
            WindowStart = budget.Window.Start,
            WindowEnd = budget.Window.End,
            Currency = budget.Currency,
            Limit = limit,
            Spent = budget.Spent,
            Reserved = balance.Reserved,
            Projected = outlook.Projected,
            BurnRate = budget.BurnRate,
            ExhaustedAt = exhausted ? memory.ExhaustedAt : outlook.LimitReachedAt,
            Overspent = overspent,
            Room = open ? ScalingRoom.Of(budget, balance, work) : null,
            IsEnforcing = enforcing,
            OverspendBound = balance.OverspendBound,
            CarriedOver = balance.CarriedOver,
            OutsideSelector = budget.OutsideSelector,
            Unstoppable = balance.Unstoppable,
            Workloads = plan.Verdicts(work, outlook),
            Actions = enforcing ? plan.Actions : [],
            LetGo = enforcing ? plan.LetGo(work) : [],
            Ended = budget.Ended,
            Observed = observed,
            Announcements = announcements,
            Conditions = ConditionRules.Judge(
                budget,
                balance,
                plan,
                new(outlook, after, growth, exhausted, overspent, runsOn, memory.ExhaustedAt),
                enforcing
            ),
            Memory = memory,
        };
    }

    public static Amount LimitOf(BudgetSnapshot budget) => LimitOf(budget.Terms, budget.Window.Key);

    /// <summary>The limit of a window with its top-ups.</summary>
    public static Amount LimitOf(BudgetTerms terms, string windowKey) =>
        terms.TopUps.Where(t => t.Window == windowKey).Aggregate(terms.Limit, (sum, topUp) => sum + topUp.Amount);

    private static bool WindowIsOpen(BudgetSnapshot budget) =>
        budget.Terms.Window.Period != WindowPeriod.Once || budget.Now >= budget.Window.Start && budget.Now < budget.Window.End;
}
