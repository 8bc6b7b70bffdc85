using Bursar.Core.Money;

namespace Bursar.Core.Prices;

/// <summary>What one node's devices are charged at from now on.</summary>
/// <param name="Class">The class under which the ledger is to keep the node.</param>
/// <param name="Rate">The trusted price of that class; null while it has none.</param>
/// <param name="Untrusted">Why that is not the price the book would have; null when all is well.</param>
/// <param name="Planned">What the book says for later, as far as it is trusted.</param>
public sealed record PriceVerdict(
    string Class,
    GpuHourPrice? Rate,
    string? Untrusted,
    IReadOnlyList<(DateTimeOffset At, GpuHourPrice Rate)> Planned
)
{
    /// <summary>
    /// The node's capacity type where it is not on-demand and its rate does not ask for one: it is charged at the rate for everything
    /// else, which for spot and reserved capacity is an upper bound. Null where the book prices that capacity on purpose.
    /// </summary>
    public string? ChargedAsOnDemand { get; init; }
}

/// <summary>
/// Which price counts: the book's where it can be trusted, else the last that was. Pure. A price that stands already is
/// trusted, whatever the guard says now: the guard is about changes.
/// </summary>
public static class PriceDecider
{
    public const string NoBook = "no GpuPriceBook is the default";
    public const string NoPower = "its rate needs the board's power, which is not known of this product: give owned.powerWatts";
    public const string NoRate = "no rate of the price book matches it";

    /// <param name="book">The book in force; null when there is none, or none that can be read.</param>
    /// <param name="problem">Why, then.</param>
    /// <param name="node">The node.</param>
    /// <param name="current">The class the ledger has it in, empty when it does not know it.</param>
    /// <param name="trusted">The ledger's price of a class at <paramref name="now"/>.</param>
    /// <param name="now">The moment.</param>
    public static PriceVerdict Decide(
        PriceBook? book,
        string? problem,
        PricedNode node,
        string current,
        Func<string, GpuHourPrice?> trusted,
        DateTimeOffset now
    )
    {
        var priceClass = PriceClass.Of(book, node);
        // A node without a product that had a price by its other attributes keeps it.
        if (priceClass.Length == 0)
            return current.Length > 0 && PriceClass.ProductOf(current).Length == 0
                ? new(current, trusted(current), problem ?? (book is null ? NoBook : NoRate), [])
                : new("", null, null, []);
        var known = trusted(priceClass);
        // The same machine under another name: where the new class has no trusted price, the old class's goes on.
        var before = current != priceClass && PriceClass.ProductOf(current) == node.Product ? trusted(current) : null;
        var last = known ?? before;
        PriceVerdict GoOn(string why) => new(known is null && before is not null ? current : priceClass, last, why, []);

        if (book is null || problem is not null)
            // Without a book nothing says what class the node is of: it stays what it was.
            return before is not null ? new(current, before, problem ?? NoBook, []) : GoOn(problem ?? NoBook);
        if (book.RuleFor(node, now) is not { } rule)
            return GoOn(NoRate);
        if (rule.RateFor(node.Product) is not { } rate)
            return GoOn(NoPower);
        if (rate != last && !book.IsAccepted && book.Guard.Refuses(rate, last) is { } refusal)
            return GoOn(refusal);

        var planned = new List<(DateTimeOffset, GpuHourPrice)>();
        var previous = rate;
        foreach (var date in book.DatesAfter(now))
        {
            if (book.RateFor(node, date) is not { } then || then == previous)
                continue;
            // At its date it is judged again, and said; until then it is merely not written down.
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
