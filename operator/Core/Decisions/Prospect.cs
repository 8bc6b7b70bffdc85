using Bursar.Core.Forecast;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The course of a budget after the verdicts. Announcements, conditions and the decision use the same figures.</summary>
internal sealed record Prospect
{
    /// <summary>The course before this decision is carried out.</summary>
    public required Outlook Now { get; init; }

    /// <summary>The course after it. Workloads that it suspends, or announces with a time, are no longer a risk.</summary>
    public required Outlook After { get; init; }

    /// <summary>Jobs that may take longer than the budget covers. Null: there are none.</summary>
    public required GrowthRisk? Growth { get; init; }

    /// <summary>Running workloads that the next window does not cover. Null: there are none, or that window is far away.</summary>
    public required NextWindowRisk? NextWindow { get; init; }

    /// <summary>The spending at the end of the window with workloads to come. Null: the window is rolling or not open.</summary>
    public required WindowForecast? Forecast { get; init; }

    public required bool Exhausted { get; init; }

    /// <summary>When the budget was used up. Null: it is not.</summary>
    public required DateTimeOffset? ExhaustedAt { get; init; }

    /// <summary>Spending beyond the limit while workloads run, otherwise zero.</summary>
    public required Amount Overspent { get; init; }

    /// <summary>The workloads that still cost something after this decision.</summary>
    public required IReadOnlyList<CostedWorkload> RunsOn { get; init; }

    public static Prospect From(Plan plan)
    {
        var (budget, totals, memory) = (plan.Budget, plan.Totals, plan.Memory);
        var announced = memory.SuspensionsAnnounced;
        bool IsLeaving(CostedWorkload workload) => plan.IsSuspending(workload) || announced.ContainsKey(workload.Uid);
        var now = Outlook.From(budget, totals, plan.Workloads, plan.IsEnforcing && plan.IsOpen);
        var exhausted = plan.IsOpen && Exhaustion.IsExhausted(budget, totals);
        CostedWorkload[] runsOn =
        [
            .. plan.Workloads.Where(workload =>
                workload.Snapshot is { State: WorkloadState.Running or WorkloadState.Pending }
                && workload.Snapshot.BurnRate > HourlyCost.Zero
                && !(plan.IsEnforcing && plan.IsSuspending(workload))
            ),
        ];
        return new()
        {
            Now = now,
            After =
                plan.IsEnforcing && (plan.SuspendsAny || announced.Count > 0)
                    ? Outlook.From(budget, totals, plan.Workloads, plan.IsOpen, IsLeaving)
                    : now,
            // An announced suspension with a time makes a vaguer Event superfluous.
            Growth = plan.IsOpen && !plan.WarnsOfSuspensions ? GrowthRisk.From(plan) : null,
            NextWindow = NextWindowRisk.From(plan),
            Forecast = SpendingForecast.From(budget, totals, plan.Workloads, now),
            Exhausted = exhausted,
            ExhaustedAt = exhausted ? memory.ExhaustedAt ?? Exhaustion.Began(budget, totals) : null,
            Overspent = plan.IsOpen ? Exhaustion.Overspent(budget, totals, runsOn) : Amount.Zero,
            RunsOn = runsOn,
        };
    }
}
