namespace Bursar.Core.Decisions;

/// <summary>Announces once that a budget's prices are not trusted, and once that they are again.</summary>
public static class PriceTrust
{
    private const string Prefix = "prices:";

    public static IReadOnlyList<Announcement> Announce(BudgetSnapshot budget, ref BudgetMemory memory)
    {
        var doubt = budget.PricesUntrusted ?? (budget.UnpricedProducts.Count > 0 ? budget.ForecastDoubt : null);
        var told = memory.Announced.FirstOrDefault(one => one.StartsWith(Prefix, StringComparison.Ordinal));
        if (told is null && doubt is null || told is not null && told == Prefix + doubt) return [];
        memory = memory with { Announced = [.. memory.Announced.Where(one => one != told).Concat(doubt is null ? [] : [Prefix + doubt]).Order(StringComparer.Ordinal)] };
        return doubt is not null
            ? [new(budget.PricesUntrusted is null ? Reasons.Unpriced : Reasons.PricesUntrusted, $"{budget.Window.Key}/{doubt}",
                budget.PricesUntrusted is null
                    ? $"Forecasts pause: {doubt}. That work is not counted; what has a price is held to the limit as before."
                    : $"Forecasts pause: {doubt}. Work runs on at the last trusted prices, and the limit holds at them.", Warning: true)]
            : [new(Reasons.PricesTrusted, $"{budget.Window.Key}/{told}", "The prices are trusted again; forecasts go on.", Warning: false)];
    }
}
