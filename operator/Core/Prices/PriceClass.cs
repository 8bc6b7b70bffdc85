using Bursar.Core.Ledger;

namespace Bursar.Core.Prices;

/// <summary>
/// The opaque name of a price in the ledger: the product, followed by the attributes that some rule of the book uses for that product, such
/// as <c>NVIDIA-H100-80GB-HBM3 [capacityType=spot, region=us-east-1]</c>. A node without a product that is priced by other attributes has
/// <c>unknown product [instanceType=g5.12xlarge]</c>. A node without a price has an empty name. A node whose class changes is recorded from
/// then on, so that no book can change past prices.
/// </summary>
public static class PriceClass
{
    public static string Get(PriceBook? book, PricedNode node)
    {
        if (book is null || node.Product.Length == 0 && !IsEverPriced(book, node))
            return node.Product;
        bool capacityType = false,
            region = false,
            instanceType = false;
        SortedSet<string>? labels = null;
        foreach (var rule in book.Rates)
        {
            var match = rule.Match;
            if (node.Product.Length > 0 && !match.MatchesProduct(node.Product))
                continue;
            capacityType |= match.CapacityType is not null;
            region |= match.Region is not null;
            instanceType |= match.InstanceType is not null;
            foreach (var key in match.NodeSelector.MatchLabels.Keys)
                (labels ??= new(StringComparer.Ordinal)).Add(key);
            foreach (var term in match.NodeSelector.MatchExpressions)
                (labels ??= new(StringComparer.Ordinal)).Add(term.Key);
            // Rules after one for every node of the product are never used. Without a product, a rule for machines may still be.
            if (match.IsForAllOfItsProducts && rule.From is null && node.Product.Length > 0)
                break;
        }
        var attributes = new List<string>();
        if (capacityType)
            attributes.Add($"capacityType={node.CapacityType}");
        if (region)
            attributes.Add($"region={node.Region}");
        if (instanceType)
            attributes.Add($"instanceType={node.InstanceType}");
        foreach (var key in labels ?? [])
            attributes.Add(node.Labels.TryGetValue(key, out var value) ? $"{key}={value}" : $"!{key}");
        return PriceClassName.From(node.Product, attributes);
    }

    private static bool IsEverPriced(PriceBook book, PricedNode node) =>
        book.DatesAfter(DateTimeOffset.MinValue).Prepend(DateTimeOffset.MinValue).Any(date => book.RuleFor(node, date) is not null);
}
