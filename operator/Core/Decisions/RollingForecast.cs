using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>
/// The largest rolling sum between now and a window's length from now: old spending leaves the window while claims are
/// being spent. Exact: spending is linear between the moments at which a stretch begins, ends or leaves the window.
/// </summary>
public static class RollingForecast
{
    public static Amount Peak(BudgetSnapshot budget, IEnumerable<Claim> claims)
    {
        var (segments, more) = Course(budget, claims);
        return RollingSum.Max(segments, budget.Window.Length, budget.Now, budget.Now + budget.Window.Length).Sum + more;
    }

    /// <summary>
    /// The highest rate that, added to all this for a window's length, never brings the sum above a limit, wherever on the way it is
    /// stopped. What leaves the window on the way may be spent again: where such a rate has been held for long, it goes on.
    /// </summary>
    public static HourlyCost Room(BudgetSnapshot budget, IEnumerable<Claim> claims, Amount limit, TimeSpan stop, Amount stops)
    {
        var (segments, more) = Course(budget, claims);
        var least = new HourlyCost(long.MaxValue / 4);
        foreach (var (at, sum) in RollingSum.Bends(segments, budget.Window.Length, budget.Now, budget.Now + budget.Window.Length))
        {
            var lasting = ScalingRoom.Lasting(limit - sum - more, at > budget.Now ? at - budget.Now : TimeSpan.Zero, stop, stops);
            if (lasting < least)
                least = lasting;
        }
        return least;
    }

    /// <summary>The first moment at which such a sum reaches an amount; null when none does.</summary>
    public static DateTimeOffset? FirstAt(BudgetSnapshot budget, IEnumerable<Claim> claims, Amount amount)
    {
        var (segments, more) = Course(budget, claims);
        var (from, before) = (budget.Now, Amount.Zero);
        var begun = false;
        foreach (var (at, sum) in RollingSum.Bends(segments, budget.Window.Length, budget.Now, budget.Now + budget.Window.Length))
        {
            var total = sum + more;
            if (total >= amount)
            {
                if (!begun || total <= before)
                    return begun ? at : budget.Now;
                // The sum is linear between two bends.
                var share = (amount - before).Units * (Int128)(at - from).TotalMilliseconds / (total - before).Units;
                return from.AddMilliseconds((double)share);
            }
            (from, before, begun) = (at, total, true);
        }
        return null;
    }

    private static (List<SpendSegment> Segments, Amount More) Course(BudgetSnapshot budget, IEnumerable<Claim> claims)
    {
        var now = budget.Now;
        var length = budget.Window.Length;
        var segments = new List<SpendSegment>();
        foreach (var past in budget.RollingSpend)
            if (past.From < now)
                segments.Add(past with { To = past.To is { } to && to < now ? to : now });
        // What is spent but not explained by a stretch is taken to stay: a forecast must not hope.
        var unexplained = budget.Spent - RollingSum.At(segments, length, now);

        var atOnce = Amount.Zero;
        foreach (var claim in claims)
        {
            if (claim.Amount <= Amount.Zero)
                continue;
            if (claim.Rate.NanoPerHour <= 0)
            {
                atOnce += claim.Amount;
                continue;
            }
            var milliseconds = (long)(claim.Amount.Units / claim.Rate.NanoPerHour);
            segments.Add(new(now, now.AddMilliseconds(milliseconds), claim.Rate));
            atOnce += new Amount(claim.Amount.Units % claim.Rate.NanoPerHour);
        }
        return (segments, unexplained + atOnce);
    }
}
