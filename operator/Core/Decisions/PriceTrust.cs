namespace Bursar.Core.Decisions;

/// <summary>Announces once that a budget's prices are not trusted, and once that they are again.</summary>
public static class PriceTrust
{
    private const string Prefix = "prices:";

    internal static void Evaluate(Plan plan)
    {
        var (budget, memory) = (plan.Budget, plan.Memory);
        var (reason, doubt, note) = budget switch
        {
            { PricesUntrusted: { } untrusted } => (
                Reasons.PricesUntrusted,
                untrusted,
                $"Forecasts paused: {untrusted}. Workloads keep running, and the hard limit applies at the last trusted prices."
            ),
            { UnpricedProducts.Count: > 0 } => (
                Reasons.Unpriced,
                budget.ForecastDoubt,
                $"Forecasts paused: {budget.ForecastDoubt}. These workloads are not counted; the hard limit applies to all others."
            ),
            { ChargedAsOnDemand.Count: > 0 } => (
                Reasons.ChargedAsOnDemand,
                $"{Reasons.ChargedAsOnDemand}: {string.Join(", ", budget.ChargedAsOnDemand)}",
                AsOnDemand(budget.ChargedAsOnDemand)
            ),
            _ => (Reasons.PricesTrusted, null, "The prices are trusted again; forecasts continue."),
        };
        var told = memory.Announced.FirstOrDefault(one => one.StartsWith(Prefix, StringComparison.Ordinal));
        if (told is null && doubt is null || told is not null && told == Prefix + doubt)
            return;
        plan.Memory = memory with
        {
            Announced =
            [
                .. memory.Announced.Where(one => one != told).Concat(doubt is null ? [] : [Prefix + doubt]).Order(StringComparer.Ordinal),
            ],
        };
        plan.Announce(new(reason, $"{budget.Window.Key}/{doubt ?? told}", note, Warning: doubt is not null));
    }

    /// <summary>The message for nodes of another capacity type than on-demand without a rate of their own.</summary>
    public static string AsOnDemand(IReadOnlyList<string> products) =>
        $"No rate of the price book is for {string.Join(", ", products.Take(3))}{(products.Count > 3 ? $" and {products.Count - 3} more" : "")}: these nodes are charged at the on-demand rate, "
        + "which is more than they are likely to cost. Add a rate with that capacityType.";
}
