using Bursar.Core.Budgets;
using Bursar.Core.Money;

namespace Bursar.Core.Decisions;

/// <summary>An amount that will be spent from now on at a rate.</summary>
public readonly record struct Claim(HourlyCost Rate, Amount Amount);

/// <summary>
/// What a budget comes to with a set of claims: what is spent and claimed together. A rolling window forgets while work
/// goes on, so there it is the largest sum that any window from now on will hold.
/// </summary>
public static class Projection
{
    public static Amount Of(BudgetSnapshot budget, IEnumerable<Claim> claims) =>
        budget.Terms.Window.Period == WindowPeriod.Rolling
            ? RollingForecast.Peak(budget, claims)
            : claims.Aggregate(budget.Spent, (sum, claim) => sum + claim.Amount);
}
