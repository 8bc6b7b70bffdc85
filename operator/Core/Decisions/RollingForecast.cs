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
        var now = budget.Now;
        var length = budget.Window.Length;
        var segments = new List<SpendSegment>();
        foreach (var past in budget.RollingSpend)
            if (past.From < now) segments.Add(past with { To = past.To is { } to && to < now ? to : now });
        // What is spent but not explained by a stretch is taken to stay: a forecast must not hope.
        var unexplained = budget.Spent - RollingSum.At(segments, length, now);

        var atOnce = Amount.Zero;
        foreach (var claim in claims)
        {
            if (claim.Amount <= Amount.Zero) continue;
            if (claim.Rate.NanoPerGpuHour <= 0)
            {
                atOnce += claim.Amount;
                continue;
            }
            var milliseconds = (long)(claim.Amount.Units / claim.Rate.NanoPerGpuHour);
            segments.Add(new(now, now.AddMilliseconds(milliseconds), claim.Rate));
            atOnce += new Amount(claim.Amount.Units % claim.Rate.NanoPerGpuHour);
        }
        return RollingSum.Max(segments, length, now, now + length).Sum + unexplained + atOnce;
    }
}
