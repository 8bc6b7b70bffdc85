using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Core.Prices;

/// <summary>Which nodes a rate is for. All that is given must hold; what is not given is not asked.</summary>
/// <param name="Product">A glob over the product, as the GPU feature discovery label or NVML names it.</param>
public sealed record PriceMatch(string Product = "*")
{
    public string? CapacityType { get; init; }

    public string? Region { get; init; }

    public string? InstanceType { get; init; }

    public LabelSelector NodeSelector { get; init; } = LabelSelector.Everything;

    public bool IsForAllOfItsProducts => CapacityType is null && Region is null && InstanceType is null && NodeSelector.IsEmpty;

    /// <summary>NVML writes <c>NVIDIA H100 PCIe</c> where the label has <c>NVIDIA-H100-PCIe</c>: both are one product.</summary>
    public bool MatchesProduct(string product) => Glob.IsMatch(Product.Replace(' ', '-'), product.Replace(' ', '-'));

    public bool Matches(PricedNode node) =>
        MatchesProduct(node.Product)
        && (CapacityType is null || Glob.IsMatch(CapacityType, node.CapacityType))
        && (Region is null || Glob.IsMatch(Region, node.Region))
        && (InstanceType is null || Glob.IsMatch(InstanceType, node.InstanceType))
        && NodeSelector.Matches(node.Labels);
}

/// <summary>
/// One line of a price book: a price, or hardware of one's own from which it follows. <see cref="Note"/> says where it
/// is from and of what day.
/// </summary>
public sealed record PriceRule(PriceMatch Match, Rate? PerGpuHour, string? Note = null)
{
    public OwnedHardware? Owned { get; init; }

    /// <summary>The line is not there before this moment.</summary>
    public DateTimeOffset? From { get; init; }

    public bool IsInForce(DateTimeOffset at) => From is null || From <= at;

    /// <summary>Null where it takes the board's power, and nobody told it for this product.</summary>
    public Rate? RateFor(string product) => Owned is null ? PerGpuHour : Owned.RateFor(product);
}

/// <summary>Prices in one currency, first match wins.</summary>
public sealed record PriceBook(string Name, long Generation, string Currency, IReadOnlyList<PriceRule> Rates)
{
    public PriceGuard Guard { get; init; } = PriceGuard.Default;

    /// <summary>The generation whose prices the book's owner accepted, guard or not.</summary>
    public long? AcceptedGeneration { get; init; }

    public bool IsAccepted => AcceptedGeneration == Generation;

    /// <summary>The price of one whole device; null when no line matches: unpriced, which is not free.</summary>
    public Rate? RateFor(PricedNode node, DateTimeOffset at) => RuleFor(node, at)?.RateFor(node.Product);

    public Rate? RateFor(string product) => RateFor(new PricedNode(product), DateTimeOffset.MaxValue);

    public PriceRule? RuleFor(PricedNode node, DateTimeOffset at)
    {
        if (node.Product.Length == 0) return null;
        foreach (var rule in Rates)
            if (rule.IsInForce(at) && rule.Match.Matches(node)) return rule;
        return null;
    }

    /// <summary>When lines of the book come into force after a moment.</summary>
    public IEnumerable<DateTimeOffset> DatesAfter(DateTimeOffset at) =>
        Rates.Where(rule => rule.From > at).Select(rule => rule.From!.Value).Distinct().Order();
}
