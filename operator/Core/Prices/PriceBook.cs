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

    /// <summary>
    /// Whether the rate is for a product, empty where nothing tells one. NVML writes <c>NVIDIA H100 PCIe</c> where the label has
    /// <c>NVIDIA-H100-PCIe</c>: both are one product. A vGPU profile is a part of a card under the card's name, so a pattern for cards
    /// (<c>*A100*</c>) is not for it: the rate must name the profile, or the machine.
    /// </summary>
    public bool MatchesProduct(string product)
    {
        var pattern = Product.Replace(' ', '-');
        if (!Glob.IsMatch(pattern, product.Replace(' ', '-')))
            return false;
        return VgpuProfile.Of(product) is not { } profile || VgpuProfile.IsNamedBy(pattern, profile) || pattern == "*" && NamesMachine;
    }

    /// <summary>Asks for machines of one kind, whose GPUs the user knows.</summary>
    public bool NamesMachine => InstanceType is not null || !NodeSelector.IsEmpty;

    public bool Matches(PricedNode node) => MatchesProduct(node.Product) && MatchesBesidesProduct(node);

    public bool MatchesBesidesProduct(PricedNode node) =>
        (CapacityType is null || Glob.IsMatch(CapacityType, node.CapacityType))
        && (Region is null || Glob.IsMatch(Region, node.Region))
        && (InstanceType is null || Glob.IsMatch(InstanceType, node.InstanceType))
        && NodeSelector.Matches(node.Labels);
}

/// <summary>
/// One line of a price book: a price, or hardware of one's own from which it follows. <see cref="Note"/> says where it
/// is from and of what day.
/// </summary>
public sealed record PriceRule(PriceMatch Match, GpuHourPrice? PerGpuHour, string? Note = null)
{
    public OwnedHardware? Owned { get; init; }

    /// <summary>The line is not there before this moment.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>
    /// Says nothing of capacity types. A rate for nodes that the user selects by label, or for hardware of their own, is meant for just
    /// these machines; <c>capacityType: "*"</c> says that one price is meant for all.
    /// </summary>
    public bool IsForAnyCapacity => Match.CapacityType is null && Match.NodeSelector.IsEmpty && Owned is null;

    public bool IsInForce(DateTimeOffset at) => From is null || From <= at;

    /// <summary>Null where it takes the board's power, and nobody told it for this product.</summary>
    public GpuHourPrice? RateFor(string product) => Owned is null ? PerGpuHour : Owned.RateFor(product);
}

/// <summary>Prices in one currency, first match wins.</summary>
public sealed record PriceBook(string Name, long Generation, string Currency, IReadOnlyList<PriceRule> Rates)
{
    public PriceGuard Guard { get; init; } = PriceGuard.Default;

    /// <summary>The generation whose prices the book's owner accepted, guard or not.</summary>
    public long? AcceptedGeneration { get; init; }

    public bool IsAccepted => AcceptedGeneration == Generation;

    /// <summary>The price of one whole device; null when no line matches: unpriced, which is not free.</summary>
    public GpuHourPrice? RateFor(PricedNode node, DateTimeOffset at) => RuleFor(node, at)?.RateFor(node.Product);

    public GpuHourPrice? RateFor(string product) => RateFor(new PricedNode(product), DateTimeOffset.MaxValue);

    public PriceRule? RuleFor(PricedNode node, DateTimeOffset at)
    {
        // A node without a product may be of any: a rate for all products is for it unless one for some product comes before.
        var mayBeAnother = false;
        foreach (var rule in Rates)
        {
            if (!rule.IsInForce(at) || !rule.Match.MatchesBesidesProduct(node))
                continue;
            if (node.Product.Length == 0 && rule.Match.Product != "*")
                mayBeAnother = true;
            else if (rule.Match.MatchesProduct(node.Product) && (!mayBeAnother || rule.Match.NamesMachine))
                return rule;
        }
        return null;
    }

    /// <summary>When lines of the book come into force after a moment.</summary>
    public IEnumerable<DateTimeOffset> DatesAfter(DateTimeOffset at) =>
        Rates.Where(rule => rule.From > at).Select(rule => rule.From!.Value).Distinct().Order();
}
