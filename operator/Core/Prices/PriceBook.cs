using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Core.Prices;

/// <summary>What a rate is for: a glob over the product, as the GPU feature discovery label or NVML names it.</summary>
public sealed record PriceMatch(string Product)
{
    /// <summary>NVML writes <c>NVIDIA H100 PCIe</c> where the label has <c>NVIDIA-H100-PCIe</c>: both are one product.</summary>
    public bool Matches(string product) => Glob.IsMatch(Product.Replace(' ', '-'), product.Replace(' ', '-'));
}

/// <summary>One line of a price book. <see cref="Note"/> says where the price is from and of what day.</summary>
public sealed record PriceRule(PriceMatch Match, Rate PerGpuHour, string? Note = null);

/// <summary>Prices in one currency, first match wins.</summary>
public sealed record PriceBook(string Name, long Generation, string Currency, IReadOnlyList<PriceRule> Rates)
{
    /// <summary>The price of a product; null when no line matches: unpriced, which is not free.</summary>
    public Rate? RateFor(string product)
    {
        if (product.Length == 0) return null;
        foreach (var rule in Rates)
            if (rule.Match.Matches(product)) return rule.PerGpuHour;
        return null;
    }
}
