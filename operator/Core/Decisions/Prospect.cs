using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The course of a budget after the verdicts. Announcements, conditions and the decision use the same figures.</summary>
internal sealed record Prospect
{
    /// <summary>The course of spending before this decision is carried out.</summary>
    public required Outlook Now { get; init; }

    /// <summary>The same after it: a workload that it suspends, or announces with a time, is no risk any more.</summary>
    public required Outlook After { get; init; }

    /// <summary>Jobs that may take longer than the budget covers; null: none.</summary>
    public required GrowthRisk? Growth { get; init; }

    /// <summary>Running work that the next window does not cover; null: none, or that window is far away.</summary>
    public required NextWindowRisk? NextWindow { get; init; }

    /// <summary>Whether the budget is used up.</summary>
    public required bool Exhausted { get; init; }

    /// <summary>Since when it is; null where it is not.</summary>
    public required DateTimeOffset? ExhaustedAt { get; init; }

    /// <summary>Spending beyond the limit while work runs; zero otherwise.</summary>
    public required Amount Overspent { get; init; }

    /// <summary>The work that keeps costing money after this decision.</summary>
    public required IReadOnlyList<CostedWorkload> RunsOn { get; init; }

    public static Prospect Of(Plan plan)
    {
        var (budget, balance, memory) = (plan.Budget, plan.Totals, plan.Memory);
        var notified = memory.SuspensionsAnnounced;
        bool Leaves(CostedWorkload item) =>
            plan.IsSuspending(item)
            || notified.ContainsKey(item.Work.Key.Uid) && !BudgetMemoryUpdate.IsSettling(item.Work, memory, budget.Now);
        var now = Outlook.Of(budget, balance, plan.Work, plan.IsEnforcing && plan.IsOpen);
        var exhausted = plan.IsOpen && Exhaustion.Is(budget, balance);
        CostedWorkload[] runsOn =
        [
            .. plan.Work.Where(item =>
                item.Work is { State: WorkloadState.Running or WorkloadState.Pending }
                && item.Work.BurnRate > HourlyCost.Zero
                && !(plan.IsEnforcing && plan.IsSuspending(item))
            ),
        ];
        return new()
        {
            Now = now,
            After =
                plan.IsEnforcing && (plan.SuspendsAny || notified.Count > 0)
                    ? Outlook.Of(budget, balance, plan.Work, plan.IsOpen, Leaves)
                    : now,
            // A suspension that is announced with its time needs no vaguer Event beside it.
            Growth = plan.IsOpen && plan.Warnings.Count == 0 ? GrowthRisk.Of(plan) : null,
            NextWindow = NextWindowRisk.Of(plan),
            Exhausted = exhausted,
            ExhaustedAt = exhausted ? memory.ExhaustedAt ?? Exhaustion.Began(budget, balance) : null,
            Overspent = plan.IsOpen ? Exhaustion.Overspent(budget, balance, runsOn) : Amount.Zero,
            RunsOn = runsOn,
        };
    }
}
