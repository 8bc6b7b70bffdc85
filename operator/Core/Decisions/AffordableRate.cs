using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The rate that a budget can afford for replicas above their minimum until the window ends, if everything else runs as forecast. It is
/// computed again at every evaluation. A scaler that stays within it is therefore never cut off at the limit.
/// </summary>
/// <param name="PerHour">The affordable rate.</param>
/// <param name="Free">The amount that the rate uses up.</param>
/// <param name="Until">How long the rate must last.</param>
public sealed record AffordableRate(HourlyCost PerHour, Amount Free, TimeSpan Until)
{
    public static AffordableRate None { get; } = new(HourlyCost.Zero, Amount.Zero, TimeSpan.Zero);

    public static AffordableRate From(BudgetSnapshot budget, BudgetTotals totals, IReadOnlyList<CostedWorkload> workloads)
    {
        var horizon = WorkloadCost.Horizon(budget);
        // Nothing is affordable at the limit, even if a few cents are left.
        if (horizon <= TimeSpan.Zero || LimitRule.IsReached(totals))
            return None;
        var claims = workloads.Select(workload => Forecast(workload, budget, horizon)).ToArray();
        // The budget must also cover the stop of an added replica. Otherwise the next evaluation would remove it.
        var stop = workloads
            .Where(workload => IsElastic(workload.Snapshot))
            .Select(workload => WorkloadCost.ImmediateStopTime(workload.Snapshot, budget))
            .DefaultIfEmpty(budget.ReactionTime)
            .Max();
        var stops = workloads.Aggregate(Amount.Zero, (sum, workload) => sum + ElasticStopCost(workload.Snapshot, budget));
        if (budget.Terms.Window.Period == WindowPeriod.Rolling)
        {
            var rate = totals.Projection.RateWithin(claims, totals.Limit, stop, stops);
            return new(rate, rate.For(horizon), horizon);
        }
        var free = totals.Limit - totals.Projection.Total(claims);
        return new(LastingRate(free, horizon, stop, stops), Amount.Max(free, Amount.Zero), horizon);
    }

    /// <summary>
    /// Returns the rate that an amount covers for a time plus its stop. If more than that already runs, the stops are deducted first.
    /// </summary>
    internal static HourlyCost LastingRate(Amount free, TimeSpan time, TimeSpan stop, Amount stops)
    {
        var most = free.Units / Math.Max(1, Milliseconds(time + stop));
        if (Milliseconds(time) > 0)
            most = Int128.Min(most, (free - stops).Units / Milliseconds(time));
        return new((long)Int128.Clamp(most, 0, long.MaxValue / 4));
    }

    private static long Milliseconds(TimeSpan time) => time.Ticks / TimeSpan.TicksPerMillisecond;

    /// <summary>Returns the claim of one workload, without its replicas above the minimum.</summary>
    private static Claim Forecast(CostedWorkload workload, BudgetSnapshot budget, TimeSpan horizon)
    {
        var snapshot = workload.Snapshot;
        var stopped = snapshot.State is WorkloadState.SuspendedByBudget or WorkloadState.SuspendedByOther;
        return !stopped && IsElastic(snapshot)
            ? new(snapshot.MinReplicasRate!.Value, snapshot.MinReplicasRate.Value.For(horizon))
            : Outlook.ClaimOf(workload, budget, horizon);
    }

    /// <summary>Whether a scaler manages the replicas above the minimum and gives them up when they are not affordable.</summary>
    public static bool IsElastic(WorkloadSnapshot workload) =>
        workload is { MinReplicasRate: not null, Exempt: false, Class: not WorkloadClass.Training };

    public static Amount ElasticStopCost(WorkloadSnapshot workload, BudgetSnapshot budget) =>
        IsElastic(workload) && workload.MinReplicasRate is { } minimum && workload.BurnRate > minimum
            ? new HourlyCost(workload.BurnRate.NanoPerHour - minimum.NanoPerHour).For(WorkloadCost.ImmediateStopTime(workload, budget))
            : Amount.Zero;
}
