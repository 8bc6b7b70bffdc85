using System.Globalization;

namespace Bursar.Core.Decisions;

/// <summary>
/// Announces each threshold once per window, for spent and for projected cost. If several are crossed at once, only the highest is
/// announced. A threshold is announced again after the figure has fallen five points below it.
/// </summary>
internal static class Thresholds
{
    private const int RearmPercent = 5;

    public static void Evaluate(Plan plan)
    {
        var (budget, totals) = (plan.Budget, plan.Totals);
        var announced = new SortedSet<string>(plan.Memory.Announced, StringComparer.Ordinal);
        foreach (var (basis, amount) in new[] { ("spent", totals.Spent), ("projected", plan.Prospect.Now.Projected) })
        {
            var percent = amount.PercentOf(totals.Limit);
            announced.RemoveWhere(a =>
                a.StartsWith(basis + ":", StringComparison.Ordinal)
                && percent <= int.Parse(a.AsSpan(basis.Length + 1), CultureInfo.InvariantCulture) - RearmPercent
            );
            var reached = budget.Terms.Thresholds.Where(t => percent >= t && !announced.Contains($"{basis}:{t}")).Order().ToArray();
            if (reached.Length == 0)
                continue;
            foreach (var threshold in reached)
                announced.Add($"{basis}:{threshold}");
            // A lower threshold that is reached late is no news.
            if (budget.Terms.Thresholds.Any(t => t > reached[^1] && percent >= t))
                continue;
            plan.Announce(
                new(
                    Reasons.ThresholdReached,
                    $"{budget.Window.Key}/{basis}/{reached[^1]}",
                    Messages.Threshold(basis, reached[^1], amount, budget, totals),
                    Warning: reached[^1] >= 80
                )
            );
        }
        if (!announced.SetEquals(plan.Memory.Announced))
            plan.Memory = plan.Memory with { Announced = [.. announced] };
    }
}
