using Bursar.Core.Budgets;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>What one workload asks of the budget in this window: the figures every rule works with.</summary>
/// <param name="Low">Cost to finish within the window at the low end of the estimate.</param>
/// <param name="Mid">The same at the likely end.</param>
/// <param name="High">The same at the high end.</param>
/// <param name="Tested">The end that the forecast test may act upon.</param>
/// <param name="Beyond">The likely cost behind the window's end.</param>
/// <param name="StopCost">What stopping it still costs: reaction and termination grace at its burn rate.</param>
/// <param name="KnownLength">Whether anything tells how long it runs.</param>
public sealed record Charge(Amount Low, Amount Mid, Amount High, Amount Tested, Amount Beyond, Amount StopCost, bool KnownLength)
{
    /// <summary>A longer termination grace makes work unstoppable rather than its stop expensive.</summary>
    public static readonly TimeSpan LongestGrace = TimeSpan.FromMinutes(15);

    /// <summary>A job without a bound pod for this long lends its reservation to others.</summary>
    public static readonly TimeSpan LendsAfter = TimeSpan.FromMinutes(10);

    /// <summary>Work of unknown length comes back only when there is money for this long.</summary>
    public static readonly TimeSpan LeastRun = TimeSpan.FromHours(1);

    private static readonly Charge Nothing = new(Amount.Zero, Amount.Zero, Amount.Zero, Amount.Zero, Amount.Zero, Amount.Zero, true);

    public static Charge Of(WorkloadSnapshot work, BudgetSnapshot budget)
    {
        if (work.Rate is not { } rate || work.State == WorkloadState.Suspended) return Nothing;
        var horizon = Horizon(budget.Window, budget.Now);
        var stopTime = StopTime(work, budget);
        var stopCost = StopCostOf(work, rate, stopTime);

        if (work.Class == WorkClass.Inference)
        {
            // With Zero it is parked when the money ends, so it has no claim on it; a floor stays come what may.
            var floor = StaysComeWhatMay(work, budget) && work.State != WorkloadState.Parked ? rate.For(horizon) : Amount.Zero;
            return new(floor, floor, floor, floor, Amount.Zero, stopCost, false);
        }
        if (work.Class == WorkClass.Interactive) return Nothing with { StopCost = stopCost, KnownLength = false };

        if (work.Estimate.IsKnown)
        {
            var low = rate.For(Min(work.Estimate.Low, horizon));
            var mid = rate.For(Min(work.Estimate.Mid, horizon));
            var high = rate.For(Min(work.Estimate.High, horizon));
            var tested = budget.Terms.SuspendWhen == SuspendWhen.Certain || !work.Estimate.Settled ? low : mid;
            var beyond = work.State == WorkloadState.Parked ? Amount.Zero : rate.For(work.Estimate.Mid) - mid;
            return new(low, mid, high, tested, beyond, stopCost, true);
        }
        var unknown = work.State == WorkloadState.Parked ? rate.For(Min(LeastRun, horizon))
            : budget.Terms.UnknownDuration == UnknownDuration.RunToWindowEnd ? rate.For(horizon)
            : stopCost;
        return new(unknown, unknown, unknown, unknown, Amount.Zero, stopCost, false);
    }

    /// <summary>How long a forecast looks ahead: to the window's end; a rolling window has no edge, so its own length.</summary>
    public static TimeSpan Horizon(Window window, DateTimeOffset now) =>
        window.End > now ? window.End - now : window.End - window.Start;

    public static bool StaysComeWhatMay(WorkloadSnapshot work, BudgetSnapshot budget) =>
        !IsParkable(work, budget);

    /// <summary>Whether this budget may park the workload at all.</summary>
    public static bool IsParkable(WorkloadSnapshot work, BudgetSnapshot budget) =>
        !work.Exempt && work.NotParkable is null && work.Class switch
        {
            WorkClass.Training => work.TerminationGrace <= LongestGrace,
            WorkClass.Inference => budget.Terms.WhenExhausted == WhenExhausted.Zero && work.TerminationGrace <= LongestGrace,
            _ => false,
        };

    public static TimeSpan StopTime(WorkloadSnapshot work, BudgetSnapshot budget) =>
        budget.ReactionTime + Min(work.TerminationGrace, LongestGrace);

    /// <summary>Uses what its pods really burn where they run, so that the limit test leans on no estimate.</summary>
    private static Amount StopCostOf(WorkloadSnapshot work, Rate rate, TimeSpan stopTime) =>
        work.State == WorkloadState.Pending ? rate.For(stopTime) : Max(work.BurnRate, work.State == WorkloadState.Running ? rate : Rate.Zero).For(stopTime);

    private static Rate Max(Rate left, Rate right) => left > right ? left : right;

    private static TimeSpan Min(TimeSpan left, TimeSpan right) => left < right ? left : right;
}

/// <summary>A workload with its charge.</summary>
public sealed record ChargedWork(WorkloadSnapshot Work, Charge Charge, bool Parkable);
