using Bursar.Core.Budgets;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The cost figures of one workload in this window, which every rule uses.</summary>
/// <param name="Likely">The cost to complete within the window, by the likely value of the estimate.</param>
/// <param name="High">The cost to complete within the window, by the high value.</param>
/// <param name="Settled">The cost to complete within the window, by the likely value of a settled estimate, otherwise by the low value.</param>
/// <param name="Planned">The cost that the forecast test counts: <see cref="Settled"/>, or by the low value if <c>suspendWhen</c> is
/// Certain.</param>
/// <param name="AfterWindow">The likely cost after the end of the window.</param>
/// <param name="StopCost">The cost of stopping it: reaction time, the wait for a checkpoint if it can answer, and termination grace, at its
/// rate.</param>
/// <param name="ImmediateStopCost">The stop cost without the wait for a checkpoint.</param>
/// <param name="DurationKnown">Whether its duration is known.</param>
public sealed record WorkloadCost(
    Amount Likely,
    Amount High,
    Amount Settled,
    Amount Planned,
    Amount AfterWindow,
    Amount StopCost,
    Amount ImmediateStopCost,
    bool DurationKnown
)
{
    /// <summary>A workload with a longer termination grace counts as unstoppable.</summary>
    public static readonly TimeSpan LongestGrace = TimeSpan.FromMinutes(15);

    /// <summary>A job without a bound pod for this long loses its reservation to others.</summary>
    public static readonly TimeSpan ReleasesAfter = TimeSpan.FromMinutes(10);

    /// <summary>A workload of unknown duration resumes only if the budget covers it for this long.</summary>
    public static readonly TimeSpan MinimumRun = TimeSpan.FromHours(1);

    /// <summary>
    /// The amount that it needs to resume: the high estimate plus headroom and its stop cost. Inference and unknown durations count for one
    /// hour, with RunToWindowEnd for the rest of the window.
    /// </summary>
    public Amount Needed { get; private init; }

    /// <summary>The amount that it needs to resume <see cref="ResumeRule.NamedFor"/> from now, for a limit that is named now.</summary>
    public Amount NeededLater { get; private init; }

    /// <summary>The amount that it needs to resume in a new window without other workloads.</summary>
    public Amount NeededInEmptyWindow { get; private init; }

    /// <summary>Computes all figures once per decision, because the rules compare each suspended workload with all others.</summary>
    public static WorkloadCost From(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        CostsOf(workload, budget) with
        {
            Needed = ToResume(workload, budget, Horizon(budget)),
            NeededLater = ToResume(workload, budget, ResumeRule.HorizonAfterNamed(budget)),
            NeededInEmptyWindow = ToResume(workload, budget, budget.Window.Length),
        };

    private static Amount ToResume(WorkloadSnapshot workload, BudgetSnapshot budget, TimeSpan horizon)
    {
        var rate = workload.Rate ?? HourlyCost.Zero;
        var estimate = AfterResume(workload);
        // The forecast test must not suspend the workload again at once, so it needs as much as that test reserves.
        var length =
            workload.Class != WorkloadClass.Training ? MinimumRun
            : estimate.IsKnown ? estimate.High
            : budget.Terms.UnknownDuration == UnknownDuration.RunToWindowEnd && !estimate.Stale ? horizon
            : MinimumRun;
        var runCost = rate.For(Min(length, horizon));
        return runCost + runCost.Percent(budget.Terms.HeadroomPercent) + rate.For(StopTime(workload, budget));
    }

    internal static Estimate AfterResume(WorkloadSnapshot workload) =>
        workload.State == WorkloadState.SuspendedByBudget ? workload.Estimate : workload.EstimateAfterResume ?? workload.Estimate;

    private static WorkloadCost CostsOf(WorkloadSnapshot workload, BudgetSnapshot budget)
    {
        var horizon = Horizon(budget);
        var stopRate = StopRate(workload);
        // Only a running workload waits for a checkpoint.
        var running = workload.State is WorkloadState.Running or WorkloadState.Pending;
        var immediate = stopRate.For(ImmediateStopTime(workload, budget));
        var stopCost = running ? stopRate.For(StopTime(workload, budget)) : immediate;
        if (
            workload.Rate is not { } rate
            || workload.State == WorkloadState.SuspendedByOther
            || workload.Class == WorkloadClass.Interactive
        )
            return WithoutEstimate(Amount.Zero, stopCost, immediate);
        if (workload.Class == WorkloadClass.Inference)
            // Inference that another budget scaled to zero costs nothing until that budget resumes it. With <c>whenExhausted: Zero</c> it
            // is suspended at the limit, so nothing is reserved for it. Minimum replicas are always reserved.
            return WithoutEstimate(
                workload.State == WorkloadState.SuspendedByBudget || workload.IsSuspendedByOtherBudget || IsSuspendable(workload, budget)
                    ? Amount.Zero
                    : (AffordableRate.IsElastic(workload) ? workload.MinReplicasRate!.Value : rate).For(horizon),
                stopCost,
                immediate
            );

        if (workload.Estimate is { IsKnown: true } estimate)
        {
            var likely = rate.For(Min(estimate.Likely, horizon));
            // An early guess may be too low, but stopping the job costs at least this much.
            var low = Amount.Max(rate.For(Min(estimate.Low, horizon)), Amount.Min(likely, StopCostAt(rate, workload, budget)));
            var high = rate.For(Min(estimate.High, horizon));
            // The expected cost of a sample of pieces is shown from the first piece on, but decisions use only its low end.
            var settled = estimate.Settled || estimate.IsSample ? likely : low;
            var afterWindow = workload.State == WorkloadState.SuspendedByBudget ? Amount.Zero : rate.For(estimate.Likely) - likely;
            return new(
                likely,
                high,
                settled,
                budget.Terms.SuspendWhen == SuspendWhen.Certain || estimate.IsSample ? low : settled,
                afterWindow,
                stopCost,
                immediate,
                true
            );
        }
        var reserved =
            ReservesWindow(workload, budget) ? rate.For(horizon)
            : workload.State == WorkloadState.SuspendedByBudget ? rate.For(Min(MinimumRun, horizon))
            : StopCostAt(rate, workload, budget);
        return WithoutEstimate(reserved, stopCost, immediate);
    }

    /// <summary>
    /// Returns how far a forecast looks ahead: to the end of the window, or one length of a rolling window. Zero before a window begins and
    /// after it ends.
    /// </summary>
    public static TimeSpan Horizon(BudgetSnapshot budget) =>
        budget.Terms.Window.Period == WindowPeriod.Rolling ? budget.Window.Length
        : budget.Window.Contains(budget.Now) ? budget.Window.End - budget.Now
        : TimeSpan.Zero;

    /// <summary>Whether the rest of the window is reserved for a job of unknown duration.</summary>
    public static bool ReservesWindow(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        workload is { Class: WorkloadClass.Training, Estimate: { IsKnown: false, Stale: false } }
        && budget.Terms.UnknownDuration == UnknownDuration.RunToWindowEnd;

    /// <summary>Whether this budget may suspend the workload at all.</summary>
    public static bool IsSuspendable(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        CanBeStopped(workload)
        && workload.Class switch
        {
            WorkloadClass.Training => true,
            // An interactive workload that Bursar can suspend is treated as inference, because its annotation alone must not exempt it from
            // the budget.
            _ => budget.Terms.WhenExhausted == WhenExhausted.Zero,
        };

    /// <summary>Whether the budget may suspend the workload while its GPUs are idle. Interactive workloads are included.</summary>
    public static bool IsSuspendableWhenIdle(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        CanBeStopped(workload)
        && budget.Terms.Idle?.Action == IdleAction.Suspend
        && (workload.Class != WorkloadClass.Inference || budget.Terms.WhenExhausted == WhenExhausted.Zero);

    private static bool CanBeStopped(WorkloadSnapshot workload) =>
        !workload.Exempt && workload.NotSuspendable is null && workload.TerminationGrace <= LongestGrace;

    /// <summary>Returns the time to stop it, including the remaining wait for its checkpoint.</summary>
    public static TimeSpan StopTime(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        ImmediateStopTime(workload, budget) + CheckpointRule.RemainingWait(workload, budget);

    public static TimeSpan ImmediateStopTime(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        budget.ReactionTime + Min(workload.TerminationGrace, LongestGrace);

    /// <summary>
    /// Returns the rate at which a stop is billed: the rate of its pods, so that the limit test uses no estimate. For a running workload it
    /// is at least the rate of the spec, because further pods may be bound at any moment.
    /// </summary>
    private static HourlyCost StopRate(WorkloadSnapshot workload) =>
        workload.State == WorkloadState.Running && workload.Rate is { } rate && rate > workload.BurnRate ? rate : workload.BurnRate;

    /// <summary>Returns the stop cost once all its pods are bound.</summary>
    public static Amount StopCostOnceRunning(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        StopCostAt(workload.Rate is { } rate && rate > workload.BurnRate ? rate : workload.BurnRate, workload, budget);

    private static Amount StopCostAt(HourlyCost rate, WorkloadSnapshot workload, BudgetSnapshot budget) =>
        rate.For(StopTime(workload, budget));

    private static WorkloadCost WithoutEstimate(Amount amount, Amount stopCost, Amount immediate) =>
        new(amount, amount, amount, amount, Amount.Zero, stopCost, immediate, false);

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;
}

/// <summary>A workload with its cost figures.</summary>
public sealed record CostedWorkload(WorkloadSnapshot Snapshot, WorkloadCost Cost, bool Suspendable, string DisplayName)
{
    /// <summary>Returns all workloads of a budget in a fixed order.</summary>
    public static CostedWorkload[] From(BudgetSnapshot budget) =>
        [
            .. budget
                .Workloads.OrderBy(workload => workload.Key.Namespace, StringComparer.Ordinal)
                .ThenBy(workload => workload.Key.Kind, StringComparer.Ordinal)
                .ThenBy(workload => workload.Key.Name, StringComparer.Ordinal)
                .ThenBy(workload => workload.Key.Uid, StringComparer.Ordinal)
                .Select(workload => new CostedWorkload(
                    workload,
                    WorkloadCost.From(workload, budget),
                    WorkloadCost.IsSuspendable(workload, budget),
                    workload.Key.DisplayName(budget.Namespace)
                )),
        ];

    public string Uid => Snapshot.Key.Uid;

    /// <summary>A training job that has or may get GPUs.</summary>
    public bool IsActiveJob => Snapshot is { Class: WorkloadClass.Training, State: WorkloadState.Running or WorkloadState.Pending };
}
