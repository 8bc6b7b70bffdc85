using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>The sums of one evaluation, before any rule has acted.</summary>
public sealed record Balance
{
    public required Amount Limit { get; init; }

    /// <summary>The limit with the budget's tolerance: what forecast and limit are tested against.</summary>
    public required Amount Allowed { get; init; }

    public required Amount Spent { get; init; }

    /// <summary>What running and admitted work still costs in this window, at its likely end.</summary>
    public required Amount Reserved { get; init; }

    public required Amount OverspendBound { get; init; }

    public required Amount CarriedOver { get; init; }

    public required Unstoppable Unstoppable { get; init; }

    /// <summary>What inference that stays come what may costs to the window's end.</summary>
    public required Amount Floor { get; init; }

    /// <summary>The floor alone overruns the limit: it is not reserved, and only the limit test parks.</summary>
    public bool FloorExceedsLimit => Spent + Floor > Limit && Floor > Amount.Zero;

    public DateTimeOffset? ExhaustedAt { get; init; }

    public static Balance Of(BudgetSnapshot budget, Amount limit, IReadOnlyList<ChargedWork> work)
    {
        var horizon = Charge.Horizon(budget.Window, budget.Now);
        Amount floor = Amount.Zero, claims = Amount.Zero, carried = Amount.Zero, bound = Amount.Zero;
        var unstoppable = new List<(string Name, Rate Rate)>();
        foreach (var item in work)
        {
            if (item.Work.State is WorkloadState.Parked or WorkloadState.Suspended && item.Work.BurnRate == Rate.Zero) continue;
            if (item.Work.Class == WorkClass.Inference) floor += item.Charge.Mid;
            else if (!Lends(item.Work, budget) && item.Work.State is not (WorkloadState.Parked or WorkloadState.Suspended))
            {
                claims += item.Charge.Mid;
                carried += item.Charge.Beyond;
            }
            if (item.Parkable) bound += item.Charge.StopCost;
            else if (item.Work.BurnRate > Rate.Zero) unstoppable.Add(($"{item.Work.Key.Kind}/{item.Work.Key.Name}", item.Work.BurnRate));
        }
        var rate = unstoppable.Aggregate(Rate.Zero, (sum, u) => sum + u.Rate);
        var reserved = budget.Spent + floor > limit ? claims : claims + floor;
        return new()
        {
            Limit = limit,
            Allowed = limit + limit.Percent(budget.Terms.TolerancePercent),
            Spent = budget.Spent,
            Reserved = reserved,
            OverspendBound = bound,
            CarriedOver = carried,
            Floor = floor,
            Unstoppable = new(rate, rate.For(horizon), unstoppable.Select(u => u.Name).ToArray()),
            ExhaustedAt = Exhaustion(budget, limit),
        };
    }

    /// <summary>A job without a bound pod for ten minutes lends its reservation to others.</summary>
    public static bool Lends(WorkloadSnapshot work, BudgetSnapshot budget) =>
        work.State == WorkloadState.Pending && work.NoPodSince is { } since && budget.Now - since > Charge.LendsAfter;

    private static DateTimeOffset? Exhaustion(BudgetSnapshot budget, Amount limit)
    {
        if (budget.BurnRate.NanoPerGpuHour <= 0) return null;
        var left = limit - budget.Spent;
        if (left.IsNegative || left == Amount.Zero) return budget.Now;
        var milliseconds = left.Units / budget.BurnRate.NanoPerGpuHour;
        var horizon = Charge.Horizon(budget.Window, budget.Now);
        // Money that outlasts the window does not end in it.
        return milliseconds > (Int128)horizon.TotalMilliseconds ? null : budget.Now.AddMilliseconds((double)milliseconds);
    }
}
