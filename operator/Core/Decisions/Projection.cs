using Bursar.Core.Budgets;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>An amount that will be spent from now on at a rate.</summary>
public readonly record struct Claim(HourlyCost Rate, Amount Amount);

/// <summary>
/// Computes the sum of past spending and claims. In a rolling window older spending leaves while workloads run, so there it is the largest
/// sum that any window from now on will contain.
/// </summary>
/// <remarks>
/// A rolling sum is linear between the times at which spending begins, ends or leaves the window, so only those are examined. The past is
/// sorted once per decision. A sum with n claims then costs O(past + n log n).
/// </remarks>
public sealed class Projection
{
    private readonly BudgetSnapshot _budget;
    private readonly bool _rolls;
    private readonly long _first;
    private readonly long _span;
    private readonly Int128 _slope;
    private readonly List<Bend> _past = [];

    public Projection(BudgetSnapshot budget)
    {
        _budget = budget;
        _rolls = budget.Terms.Window.Period == WindowPeriod.Rolling;
        _first = budget.Now.ToUnixTimeMilliseconds();
        _span = (long)budget.Window.Length.TotalMilliseconds;
        if (!_rolls)
            return;
        foreach (var past in budget.RollingSpend)
        {
            if (past.From >= budget.Now)
                continue;
            // Spending that has ended changes the sum again when it leaves the window.
            Int128 rate = past.RatePerHour.NanoPerHour;
            var end = Math.Min(past.To?.ToUnixTimeMilliseconds() ?? _first, _first);
            ReadOnlySpan<Bend> spent = [new(past.From.ToUnixTimeMilliseconds(), -rate), new(end, rate)];
            foreach (var (at, change) in spent)
                if (at + _span <= _first)
                    _slope += change;
                else if (at < _first)
                    _past.Add(new(at + _span, change));
        }
        _past.Sort();
    }

    public Amount Total(IEnumerable<Claim> claims) =>
        _rolls ? Course(claims).Max(point => point.Sum) : claims.Aggregate(_budget.Spent, (sum, claim) => sum + claim.Amount);

    /// <summary>
    /// Computes the highest rate that, added to the claims for the length of a rolling window, keeps the sum within the limit even if it is
    /// stopped at any time. Spending that leaves the window becomes available again.
    /// </summary>
    public HourlyCost RateWithin(IEnumerable<Claim> claims, Amount limit, TimeSpan stop, Amount stops)
    {
        var least = new HourlyCost(long.MaxValue / 4);
        foreach (var (at, sum) in Course(claims))
        {
            var lasting = AffordableRate.LastingRate(limit - sum, at > _budget.Now ? at - _budget.Now : TimeSpan.Zero, stop, stops);
            if (lasting < least)
                least = lasting;
        }
        return least;
    }

    /// <summary>Returns the first time at which a rolling sum reaches an amount. Null: it never does.</summary>
    public DateTimeOffset? FirstAt(IEnumerable<Claim> claims, Amount amount)
    {
        var (from, before) = (_budget.Now, Amount.Zero);
        var begun = false;
        foreach (var (at, sum) in Course(claims))
        {
            if (sum >= amount)
            {
                if (!begun || sum <= before)
                    return begun ? at : _budget.Now;
                // The sum is linear between two bends.
                var share = (amount - before).Units * (Int128)(at - from).TotalMilliseconds / (sum - before).Units;
                return from.AddMilliseconds((double)share);
            }
            (from, before, begun) = (at, sum, true);
        }
        return null;
    }

    /// <summary>
    /// Returns the rolling sum at each time within one window's length from now at which its slope may change, in order, including both
    /// ends.
    /// </summary>
    private IEnumerable<(DateTimeOffset At, Amount Sum)> Course(IEnumerable<Claim> claims)
    {
        // Spending without a known time is assumed to stay in the window, so that the forecast is not too low.
        var (slope, sum) = (_slope, _budget.Spent.Units);
        var ends = new List<Bend>();
        foreach (var claim in claims)
        {
            if (claim.Amount <= Amount.Zero)
                continue;
            var rate = claim.Rate.NanoPerHour;
            var (milliseconds, atOnce) = rate > 0 ? Int128.DivRem(claim.Amount.Units, rate) : (0, claim.Amount.Units);
            sum += atOnce;
            if (milliseconds == 0)
                continue;
            slope += rate;
            if (milliseconds < _span)
                ends.Add(new(_first + (long)milliseconds, -rate));
        }
        ends.Sort();

        yield return (DateTimeOffset.FromUnixTimeMilliseconds(_first), new(sum));
        var previous = _first;
        for (int i = 0, j = 0; i < _past.Count || j < ends.Count; )
        {
            var at = Math.Min(i < _past.Count ? _past[i].At : long.MaxValue, j < ends.Count ? ends[j].At : long.MaxValue);
            sum += slope * (at - previous);
            yield return (DateTimeOffset.FromUnixTimeMilliseconds(at), new(sum));
            for (; i < _past.Count && _past[i].At == at; i++)
                slope += _past[i].Change;
            for (; j < ends.Count && ends[j].At == at; j++)
                slope += ends[j].Change;
            previous = at;
        }
        sum += slope * (_first + _span - previous);
        yield return (DateTimeOffset.FromUnixTimeMilliseconds(_first + _span), new(sum));
    }

    /// <summary>A change of the slope of the sum, in nano-currency per hour.</summary>
    private readonly record struct Bend(long At, Int128 Change) : IComparable<Bend>
    {
        public int CompareTo(Bend other) => At.CompareTo(other.At);
    }
}
