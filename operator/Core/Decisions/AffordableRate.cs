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
public sealed record AffordableRate(HourlyCost PerHour, Amount Free, TimeSpan Until)
{
    public static AffordableRate None { get; } = new(HourlyCost.Zero, Amount.Zero, TimeSpan.Zero);

    public static AffordableRate Of(BudgetSnapshot budget, BudgetTotals balance, IReadOnlyList<CostedWorkload> work)
    {
        var horizon = WorkloadCost.Horizon(budget);
        // At the limit nothing is left for more, even if a few cents are.
        if (horizon <= TimeSpan.Zero || LimitRule.IsReached(balance))
            return None;
        var claims = work.Select(item => Forecast(item, budget, horizon)).ToArray();
        // Whoever takes a replica must be able to pay for giving it up as well, else it would go with the next look.
        var stop = work.Where(item => IsElastic(item.Work))
            .Select(item => WorkloadCost.SharpStopTime(item.Work, budget))
            .DefaultIfEmpty(budget.ReactionTime)
            .Max();
        var stops = work.Aggregate(Amount.Zero, (sum, item) => sum + ElasticStopCost(item.Work, budget));
        if (budget.Terms.Window.Period == WindowPeriod.Rolling)
        {
            var rate = balance.Projection.RateWithin(claims, balance.Limit, stop, stops);
            return new(rate, rate.For(horizon), horizon);
        }
        var free = balance.Limit - balance.Projection.Of(claims);
        return new(Lasting(free, horizon, stop, stops), Amount.Max(free, Amount.Zero), horizon);
    }

    /// <summary>
    /// The rate that a sum pays for so long and for its stop then; where more burns already, what is left once that is stopped.
    /// </summary>
    internal static HourlyCost Lasting(Amount free, TimeSpan time, TimeSpan stop, Amount stops)
    {
        var most = free.Units / Math.Max(1, Milliseconds(time + stop));
        if (Milliseconds(time) > 0)
            most = Int128.Min(most, (free - stops).Units / Milliseconds(time));
        return new((long)Int128.Clamp(most, 0, long.MaxValue / 4));
    }

    private static long Milliseconds(TimeSpan time) => time.Ticks / TimeSpan.TicksPerMillisecond;

    /// <summary>What one workload will take of the window, its elastic part aside.</summary>
    private static Claim Forecast(CostedWorkload item, BudgetSnapshot budget, TimeSpan horizon)
    {
        var work = item.Work;
        var stopped = work.State is WorkloadState.SuspendedByBudget or WorkloadState.SuspendedByOther;
        return !stopped && IsElastic(work)
            ? new(work.MinReplicasRate!.Value, work.MinReplicasRate.Value.For(horizon))
            : Outlook.ClaimOf(item, budget, horizon);
    }

    /// <summary>A scaler holds what is above its floor, and gives it up when the money says so.</summary>
    public static bool IsElastic(WorkloadSnapshot work) =>
        work is { MinReplicasRate: not null, Exempt: false, Class: not WorkloadClass.Training };

    public static Amount ElasticStopCost(WorkloadSnapshot work, BudgetSnapshot budget) =>
        IsElastic(work) && work.MinReplicasRate is { } floor && work.BurnRate > floor
            ? new HourlyCost(work.BurnRate.NanoPerHour - floor.NanoPerHour).For(WorkloadCost.SharpStopTime(work, budget))
            : Amount.Zero;
}
