using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// What a budget has for replicas above their floors: the rate that lasts to the window's end when everything else goes on as it is
/// foreseen. It is taken anew at every evaluation, so what is spent faster or slower moves it a little each time, and a scaler that stays
/// within it can never come to a cliff.
/// </summary>
/// <param name="PerHour">The rate that lasts.</param>
/// <param name="Free">The money that it is made of.</param>
/// <param name="Until">How long that has to last.</param>
public sealed record ScalingRoom(Rate PerHour, Amount Free, TimeSpan Until)
{
    public static ScalingRoom None { get; } = new(Rate.Zero, Amount.Zero, TimeSpan.Zero);

    public static ScalingRoom Of(BudgetSnapshot budget, Balance balance, IReadOnlyList<ChargedWork> work)
    {
        var horizon = Charge.Horizon(budget);
        // At the limit nothing is left for more, even if a few cents are.
        if (horizon <= TimeSpan.Zero || LimitRule.IsReached(balance)) return None;
        var claims = work.Select(item => Foreseen(item, budget, horizon)).ToArray();
        var stops = Stops(budget, work);
        if (budget.Terms.Window.Period == WindowPeriod.Rolling)
        {
            var rate = RollingForecast.Room(budget, claims, balance.Limit - stops);
            return new(rate, rate.For(horizon), horizon);
        }
        var free = balance.Limit - Projection.Of(budget, claims) - stops;
        if (free <= Amount.Zero) return new(Rate.Zero, Amount.Zero, horizon);
        var milliseconds = horizon.Ticks / TimeSpan.TicksPerMillisecond;
        return new(new Rate((long)Int128.Min(free.Units / Math.Max(1, milliseconds), long.MaxValue / 4)), free, horizon);
    }

    /// <summary>What one workload will take of the window, its elastic part aside.</summary>
    private static Claim Foreseen(ChargedWork item, BudgetSnapshot budget, TimeSpan horizon)
    {
        var work = item.Work;
        if (work.State is WorkloadState.Parked or WorkloadState.Suspended) return new(work.BurnRate, item.Charge.StopCost);
        if (IsElastic(work)) return new(work.FloorRate!.Value, work.FloorRate.Value.For(horizon));
        if (work.Class == WorkClass.Training && item.Charge.KnownLength)
            return Balance.Lends(work, budget) ? new(Rate.Zero, Amount.Zero) : new(work.Rate ?? Rate.Zero, item.Charge.Trusted);
        // What nobody knows the end of, and what serves without a scaler, goes on burning as it does.
        var burns = work.BurnRate.For(horizon);
        return item.Charge.Trusted > burns ? new(work.Rate ?? Rate.Zero, item.Charge.Trusted) : new(work.BurnRate, burns);
    }

    /// <summary>What taking the elastic replicas away would still cost.</summary>
    private static Amount Stops(BudgetSnapshot budget, IReadOnlyList<ChargedWork> work) =>
        work.Aggregate(Amount.Zero, (sum, item) => sum + ElasticStopCost(item.Work, budget));

    /// <summary>A scaler holds what is above its floor, and gives it up when the money says so.</summary>
    public static bool IsElastic(WorkloadSnapshot work) => work is { FloorRate: not null, Exempt: false, Class: not WorkClass.Training };

    public static Amount ElasticStopCost(WorkloadSnapshot work, BudgetSnapshot budget) =>
        IsElastic(work) && work.FloorRate is { } floor && work.BurnRate > floor ? new Rate(work.BurnRate.NanoPerGpuHour - floor.NanoPerGpuHour).For(Charge.SharpStopTime(work, budget)) : Amount.Zero;
}
