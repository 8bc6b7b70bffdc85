namespace Bursar.Core.Decisions;

/// <summary>Announces once that a budget's prices are not trusted, and once that they are trusted again.</summary>
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
        var announced = memory.Announced.FirstOrDefault(key => key.StartsWith(Prefix, StringComparison.Ordinal));
        if (announced is null && doubt is null || announced is not null && announced == Prefix + doubt)
            return;
        plan.Memory = memory with
        {
            Announced =
            [
                .. memory
                    .Announced.Where(key => key != announced)
                    .Concat(doubt is null ? [] : [Prefix + doubt])
                    .Order(StringComparer.Ordinal),
            ],
        };
        plan.Announce(new(reason, $"{budget.Window.Key}/{doubt ?? announced}", note, Warning: doubt is not null));
    }

    /// <summary>Returns the message for spot or reserved nodes that are charged at the on-demand rate.</summary>
    public static string AsOnDemand(IReadOnlyList<string> products) =>
        $"No rate of the price book is for {string.Join(", ", products.Take(3))}{(products.Count > 3 ? $" and {products.Count - 3} more" : "")}: these nodes are charged at the on-demand rate, "
        + "which is more than they are likely to cost. Add a rate with that capacityType.";
}
