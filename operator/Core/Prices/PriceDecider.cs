using Bursar.Core.Ledger;
using Bursar.Core.Money;

namespace Bursar.Core.Prices;

/// <summary>The price of one node's devices from now on.</summary>
/// <param name="Class">The class under which the ledger keeps the node.</param>
/// <param name="Rate">The trusted price of that class. Null: it has none.</param>
/// <param name="Untrusted">Why that is not the book's price. Null: it is.</param>
/// <param name="Planned">The book's later prices that are trusted.</param>
public sealed record PriceVerdict(
    string Class,
    GpuHourPrice? Rate,
    string? Untrusted,
    IReadOnlyList<(DateTimeOffset At, GpuHourPrice Rate)> Planned
)
{
    /// <summary>
    /// The node's capacity type, if it is not on-demand and its rate does not specify one. The rate is then an upper bound for spot and
    /// reserved capacity. Null: the book prices that capacity explicitly.
    /// </summary>
    public string? ChargedAsOnDemand { get; init; }
}

/// <summary>
/// Decides which price applies: the book's if it is trusted, otherwise the last trusted one. Pure. An existing price stays trusted even if
/// the guard changes, because the guard is about changes of price.
/// </summary>
public static class PriceDecider
{
    public const string NoBook = "no GpuPriceBook is the default";
    public const string NoPower = "its rate needs the board's power, which is not known of this product: give owned.powerWatts";
    public const string NoRate = "no rate of the price book matches it";

    /// <param name="book">The book in force. Null: there is none, or it cannot be read.</param>
    /// <param name="problem">Why there is no book.</param>
    /// <param name="current">The node's class in the ledger. Empty: the ledger does not know the node.</param>
    /// <param name="trusted">Returns the ledger's price of a class at <paramref name="now"/>.</param>
    public static PriceVerdict Decide(
        PriceBook? book,
        string? problem,
        PricedNode node,
        string current,
        Func<string, GpuHourPrice?> trusted,
        DateTimeOffset now
    )
    {
        var priceClass = PriceClass.Get(book, node);
        // A node without a product keeps a price that it had by its other attributes.
        if (priceClass.Length == 0)
            return current.Length > 0 && PriceClassName.ProductOf(current).Length == 0
                ? new(current, trusted(current), problem ?? (book is null ? NoBook : NoRate), [])
                : new("", null, null, []);
        var known = trusted(priceClass);
        // A node whose labels changed keeps the price of its old class if the new class has no trusted price.
        var priceBefore = current != priceClass && PriceClassName.ProductOf(current) == node.Product ? trusted(current) : null;
        var last = known ?? priceBefore;
        PriceVerdict KeepLast(string why) => new(known is null && priceBefore is not null ? current : priceClass, last, why, []);

        if (book is null || problem is not null)
            // Without a book the class is unknown, so the node keeps its present one.
            return priceBefore is not null ? new(current, priceBefore, problem ?? NoBook, []) : KeepLast(problem ?? NoBook);
        if (book.RuleFor(node, now) is not { } rule)
            return KeepLast(NoRate);
        if (rule.RateFor(node.Product) is not { } rate)
            return KeepLast(NoPower);
        if (rate != last && !book.IsAccepted && book.Guard.Refuses(rate, last) is { } refusal)
            return KeepLast(refusal);

        var planned = new List<(DateTimeOffset, GpuHourPrice)>();
        var previous = rate;
        foreach (var date in book.DatesAfter(now))
        {
            if (book.RateFor(node, date) is not { } then || then == previous)
                continue;
            // An untrusted later price is judged again, and reported, when its time comes. Until then it is only not recorded.
            if (!book.IsAccepted && book.Guard.Refuses(then, previous) is not null)
                break;
            planned.Add((date, then));
            previous = then;
        }
        return new(priceClass, rate, null, planned)
        {
            ChargedAsOnDemand = rule.IsForAnyCapacity && node.CapacityType != PricedNode.OnDemand ? node.CapacityType : null,
        };
    }
}
