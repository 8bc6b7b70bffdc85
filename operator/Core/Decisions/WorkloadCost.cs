using Bursar.Core.Budgets;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>What one workload asks of the budget in this window: the figures every rule works with.</summary>
/// <param name="Likely">Cost to finish within the window at the likely end of the estimate.</param>
/// <param name="High">The same at the high end.</param>
/// <param name="Settled">The same at the likely end once the estimate is settled, before that at the low end.</param>
/// <param name="Planned">The end that the forecast test acts upon: <c>suspendWhen</c> may say low instead.</param>
/// <param name="AfterWindow">The likely cost behind the window's end.</param>
/// <param name="StopCost">What stopping it still costs: reaction, the wait for a checkpoint where it can answer, and termination grace, at
/// its burn rate.</param>
/// <param name="SharpStopCost">The same without waiting for a checkpoint.</param>
/// <param name="KnownLength">Whether anything tells how long it runs.</param>
public sealed record WorkloadCost(
    Amount Likely,
    Amount High,
    Amount Settled,
    Amount Planned,
    Amount AfterWindow,
    Amount StopCost,
    Amount SharpStopCost,
    bool KnownLength
)
{
    /// <summary>A longer termination grace makes work unstoppable rather than its stop expensive.</summary>
    public static readonly TimeSpan LongestGrace = TimeSpan.FromMinutes(15);

    /// <summary>A job without a bound pod for this long lends its reservation to others.</summary>
    public static readonly TimeSpan ReleasesAfter = TimeSpan.FromMinutes(10);

    /// <summary>Work of unknown duration comes back only when there is money for this long.</summary>
    public static readonly TimeSpan LeastRun = TimeSpan.FromHours(1);

    /// <summary>
    /// The amount it needs to resume: the high estimate plus headroom and its stop cost; one hour's cost for unknown duration and inference.
    /// </summary>
    public Amount Needed { get; private init; }

    /// <summary>The amount it needs to resume <see cref="ResumeRule.NamedFor"/> from now, for a limit that is named now.</summary>
    public Amount NeededLater { get; private init; }

    /// <summary>The amount it needs to resume in a new window without other workloads.</summary>
    public Amount NeededInEmptyWindow { get; private init; }

    /// <summary>Computes all figures once a decision, since the rules compare each suspended workload with all others.</summary>
    public static WorkloadCost Of(WorkloadSnapshot work, BudgetSnapshot budget) =>
        Claims(work, budget) with
        {
            Needed = ToResume(work, budget, Horizon(budget)),
            NeededLater = ToResume(work, budget, ResumeRule.Later(budget)),
            NeededInEmptyWindow = ToResume(work, budget, budget.Window.Length),
        };

    private static Amount ToResume(WorkloadSnapshot work, BudgetSnapshot budget, TimeSpan horizon)
    {
        var rate = work.Rate ?? HourlyCost.Zero;
        var estimate = AfterResume(work);
        // The forecast test must not suspend it again at once: what it holds to the end of the window needs as much.
        var length =
            work.Class != WorkloadClass.Training ? LeastRun
            : estimate.IsKnown ? estimate.High
            : budget.Terms.UnknownDuration == UnknownDuration.RunToWindowEnd && !estimate.Stale ? horizon
            : LeastRun;
        var asked = rate.For(Min(length, horizon));
        return asked + asked.Percent(budget.Terms.HeadroomPercent) + rate.For(StopTime(work, budget));
    }

    internal static Estimate AfterResume(WorkloadSnapshot work) =>
        work.State == WorkloadState.SuspendedByBudget ? work.Estimate : work.EstimateAfterResume ?? work.Estimate;

    private static WorkloadCost Claims(WorkloadSnapshot work, BudgetSnapshot budget)
    {
        var horizon = Horizon(budget);
        var burns = Burns(work);
        // What is suspended or suspended already waits for nothing.
        var running = work.State is WorkloadState.Running or WorkloadState.Pending;
        var sharp = burns.For(SharpStopTime(work, budget));
        var stopCost = running ? burns.For(StopTime(work, budget)) : sharp;
        if (work.Rate is not { } rate || work.State == WorkloadState.SuspendedByOther || work.Class == WorkloadClass.Interactive)
            return Flat(Amount.Zero, stopCost, sharp);
        if (work.Class == WorkloadClass.Inference)
            // What another budget scaled to zero costs nothing until that one gives it back. With Zero it is suspended when the money ends, so
            // it has no claim on it; a floor stays come what may.
            return Flat(
                work.State == WorkloadState.SuspendedByBudget || work.IsSuspendedByOtherBudget || IsSuspendable(work, budget)
                    ? Amount.Zero
                    : (AffordableRate.IsElastic(work) ? work.MinReplicasRate!.Value : rate).For(horizon),
                stopCost,
                sharp
            );

        if (work.Estimate is { IsKnown: true } estimate)
        {
            var mid = rate.For(Min(estimate.Likely, horizon));
            // Whatever an early guess says, the stop of work that is not done soon costs that much.
            var low = Amount.Max(rate.For(Min(estimate.Low, horizon)), Amount.Min(mid, StopCostAt(rate, work, budget)));
            var high = rate.For(Min(estimate.High, horizon));
            // The expected cost of a sample of pieces is shown from the first one on, but only its low end is acted upon.
            var trusted = estimate.Settled || estimate.IsSample ? mid : low;
            var beyond = work.State == WorkloadState.SuspendedByBudget ? Amount.Zero : rate.For(estimate.Likely) - mid;
            return new(
                mid,
                high,
                trusted,
                budget.Terms.SuspendWhen == SuspendWhen.Certain || estimate.IsSample ? low : trusted,
                beyond,
                stopCost,
                sharp,
                true
            );
        }
        var reserved =
            ReservesWindow(work, budget) ? rate.For(horizon)
            : work.State == WorkloadState.SuspendedByBudget ? rate.For(Min(LeastRun, horizon))
            : StopCostAt(rate, work, budget);
        return Flat(reserved, stopCost, sharp);
    }

    /// <summary>
    /// How long a forecast looks ahead: to the window's end; a rolling window has no edge, so its own length. A window
    /// that has not begun or is over holds nothing.
    /// </summary>
    public static TimeSpan Horizon(BudgetSnapshot budget) =>
        budget.Terms.Window.Period == WindowPeriod.Rolling ? budget.Window.Length
        : budget.Window.Contains(budget.Now) ? budget.Window.End - budget.Now
        : TimeSpan.Zero;

    /// <summary>Whether the rest of the window is reserved for a job of unknown duration.</summary>
    public static bool ReservesWindow(WorkloadSnapshot work, BudgetSnapshot budget) =>
        work is { Class: WorkloadClass.Training, Estimate: { IsKnown: false, Stale: false } }
        && budget.Terms.UnknownDuration == UnknownDuration.RunToWindowEnd;

    /// <summary>Whether this budget may suspend the workload at all.</summary>
    public static bool IsSuspendable(WorkloadSnapshot work, BudgetSnapshot budget) =>
        !work.Exempt
        && work.NotSuspendable is null
        && work.TerminationGrace <= LongestGrace
        && work.Class switch
        {
            WorkloadClass.Training => true,
            // What is interactive and has a switch is taken for what serves: its owner's word alone is no way around the budget.
            _ => budget.Terms.WhenExhausted == WhenExhausted.Zero,
        };

    /// <summary>With what is left of the wait for its checkpoint, where it can answer.</summary>
    public static TimeSpan StopTime(WorkloadSnapshot work, BudgetSnapshot budget) =>
        SharpStopTime(work, budget) + CheckpointRule.WaitOf(work, budget);

    public static TimeSpan SharpStopTime(WorkloadSnapshot work, BudgetSnapshot budget) =>
        budget.ReactionTime + Min(work.TerminationGrace, LongestGrace);

    /// <summary>
    /// At what its pods burn, so that the limit test leans on no estimate; at least the rate of the spec while it runs,
    /// since its other pods may be bound at any moment. Work that holds no GPU costs nothing to stop.
    /// </summary>
    private static HourlyCost Burns(WorkloadSnapshot work) =>
        work.State == WorkloadState.Running && work.Rate is { } rate && rate > work.BurnRate ? rate : work.BurnRate;

    /// <summary>What stopping it will cost when all its pods are bound.</summary>
    public static Amount StopCostOnceRunning(WorkloadSnapshot work, BudgetSnapshot budget) =>
        StopCostAt(work.Rate is { } rate && rate > work.BurnRate ? rate : work.BurnRate, work, budget);

    private static Amount StopCostAt(HourlyCost rate, WorkloadSnapshot work, BudgetSnapshot budget) => rate.For(StopTime(work, budget));

    private static WorkloadCost Flat(Amount amount, Amount stopCost, Amount sharp) =>
        new(amount, amount, amount, amount, Amount.Zero, stopCost, sharp, false);

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;
}

/// <summary>A workload with its charge.</summary>
public sealed record CostedWorkload(WorkloadSnapshot Work, WorkloadCost Cost, bool Suspendable)
{
    /// <summary>All work of a budget, in an order that does not hang on who told of it first.</summary>
    public static CostedWorkload[] Of(BudgetSnapshot budget) =>
        [
            .. budget
                .Workloads.OrderBy(w => w.Key.Namespace, StringComparer.Ordinal)
                .ThenBy(w => w.Key.Kind, StringComparer.Ordinal)
                .ThenBy(w => w.Key.Name, StringComparer.Ordinal)
                .ThenBy(w => w.Key.Uid, StringComparer.Ordinal)
                .Select(w => new CostedWorkload(w, WorkloadCost.Of(w, budget), WorkloadCost.IsSuspendable(w, budget))),
        ];

    /// <summary>A training job that holds or may take GPUs.</summary>
    public bool IsActiveJob => Work is { Class: WorkloadClass.Training, State: WorkloadState.Running or WorkloadState.Pending };
}
