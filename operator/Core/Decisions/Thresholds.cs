using System.Globalization;

namespace Bursar.Core.Decisions;

/// <summary>
/// Announces each threshold once a window, on what is spent and on what is projected; a first look past several
/// announces only the highest, and one re-arms when the figure falls five points below it.
/// </summary>
internal static class Thresholds
{
    private const int Rearm = 5;

    public static void Evaluate(Plan plan)
    {
        var (budget, balance) = (plan.Budget, plan.Totals);
        var announced = new SortedSet<string>(plan.Memory.Announced, StringComparer.Ordinal);
        foreach (var (basis, amount) in new[] { ("spent", balance.Spent), ("projected", plan.Prospect.Now.Projected) })
        {
            var percent = amount.PercentOf(balance.Limit);
            announced.RemoveWhere(a =>
                a.StartsWith(basis + ":", StringComparison.Ordinal)
                && percent <= int.Parse(a.AsSpan(basis.Length + 1), CultureInfo.InvariantCulture) - Rearm
            );
            var reached = budget.Terms.Thresholds.Where(t => percent >= t && !announced.Contains($"{basis}:{t}")).Order().ToArray();
            if (reached.Length == 0)
                continue;
            foreach (var threshold in reached)
                announced.Add($"{basis}:{threshold}");
            // A lower one that is reached late says nothing new.
            if (budget.Terms.Thresholds.Any(t => t > reached[^1] && percent >= t))
                continue;
            plan.Announce(
                new(
                    Reasons.ThresholdReached,
                    $"{budget.Window.Key}/{basis}/{reached[^1]}",
                    Messages.Threshold(basis, reached[^1], amount, budget, balance),
                    Warning: reached[^1] >= 80
                )
            );
        }
        if (!announced.SetEquals(plan.Memory.Announced))
            plan.Memory = plan.Memory with { Announced = [.. announced] };
    }
}
