using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Core.Prices;

/// <summary>The nodes that a rate applies to. All given fields must match.</summary>
/// <param name="Product">A glob over the product, as named by the GPU feature discovery label or NVML.</param>
public sealed record PriceMatch(string Product = "*")
{
    public string? CapacityType { get; init; }

    public string? Region { get; init; }

    public string? InstanceType { get; init; }

    public LabelSelector NodeSelector { get; init; } = LabelSelector.Everything;

    public bool IsForAllOfItsProducts => CapacityType is null && Region is null && InstanceType is null && NodeSelector.IsEmpty;

    /// <summary>
    /// Whether the rate applies to a product. An empty product is unknown. NVML's <c>NVIDIA H100 PCIe</c> and the label's
    /// <c>NVIDIA-H100-PCIe</c> are the same product. A vGPU profile is a part of a card with the card's name, so a pattern for cards
    /// (<c>*A100*</c>) does not apply to it. The rate must name the profile or the machine.
    /// </summary>
    public bool MatchesProduct(string product)
    {
        var pattern = Product.Replace(' ', '-');
        if (!Glob.IsMatch(pattern, product.Replace(' ', '-')))
            return false;
        return VgpuProfile.Find(product) is not { } profile || VgpuProfile.IsNamedBy(pattern, profile) || pattern == "*" && NamesMachine;
    }

    /// <summary>Whether the rate is limited to machines of one kind, whose GPUs the user knows.</summary>
    public bool NamesMachine => InstanceType is not null || !NodeSelector.IsEmpty;

    public bool Matches(PricedNode node) => MatchesProduct(node.Product) && MatchesBesidesProduct(node);

    public bool MatchesBesidesProduct(PricedNode node) =>
        (CapacityType is null || Glob.IsMatch(CapacityType, node.CapacityType))
        && (Region is null || Glob.IsMatch(Region, node.Region))
        && (InstanceType is null || Glob.IsMatch(InstanceType, node.InstanceType))
        && NodeSelector.Matches(node.Labels);
}

/// <summary>
/// One line of a price book: a price, or owned hardware from which it is computed. <see cref="Note"/> names the source and its date.
/// </summary>
public sealed record PriceRule(PriceMatch Match, GpuHourPrice? PerGpuHour, string? Note = null)
{
    public OwnedHardware? Owned { get; init; }

    /// <summary>The line applies from this time on. Null: always.</summary>
    public DateTimeOffset? From { get; init; }

    /// <summary>
    /// Whether the line ignores capacity types. A rate for nodes selected by label, or for owned hardware, is meant for just these
    /// machines. <c>capacityType: "*"</c> states that one price is meant for all.
    /// </summary>
    public bool IsForAnyCapacity => Match.CapacityType is null && Match.NodeSelector.IsEmpty && Owned is null;

    public bool IsInForce(DateTimeOffset at) => From is null || From <= at;

    /// <summary>Returns null if it needs the board's power, which is unknown for this product.</summary>
    public GpuHourPrice? RateFor(string product) => Owned is null ? PerGpuHour : Owned.RateFor(product);
}

/// <summary>Prices in one currency. The first match applies.</summary>
public sealed record PriceBook(string Name, long Generation, string Currency, IReadOnlyList<PriceRule> Rates)
{
    public PriceGuard Guard { get; init; } = PriceGuard.Default;

    /// <summary>The CO2e of the electricity. Null: it is not counted.</summary>
    public GridIntensity? GridIntensity { get; init; }

    /// <summary>The generation whose prices the user accepted regardless of the guard.</summary>
    public long? AcceptedGeneration { get; init; }

    public bool IsAccepted => AcceptedGeneration == Generation;

    /// <summary>Returns the price of one whole device. Null: no line matches, so it is unpriced, which is not free.</summary>
    public GpuHourPrice? RateFor(PricedNode node, DateTimeOffset at) => RuleFor(node, at)?.RateFor(node.Product);

    public GpuHourPrice? RateFor(string product) => RateFor(new PricedNode(product), DateTimeOffset.MaxValue);

    public PriceRule? RuleFor(PricedNode node, DateTimeOffset at)
    {
        // A node without a product may have any. A rate for all products applies to it unless a rate for some product comes before.
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

    /// <summary>Returns the times after a given one at which lines of the book come into force.</summary>
    public IEnumerable<DateTimeOffset> DatesAfter(DateTimeOffset at) =>
        Rates.Where(rule => rule.From > at).Select(rule => rule.From!.Value).Distinct().Order();
}
