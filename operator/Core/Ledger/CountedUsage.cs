using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Core.Ledger;

/// <summary>The unit in which a limit counts usage.</summary>
public enum UsageUnit
{
    /// <summary>The cost at the price book's rates, in its currency.</summary>
    Cost,

    /// <summary>The hours of reserved GPUs, whatever they cost. A slice counts as its part of a GPU.</summary>
    GpuHours,
}

/// <summary>
/// The usage that a limit counts: of which GPUs, and in which unit. An amount of GPU-hours is an <see cref="Amount"/> at a price of one per
/// GPU-hour, so all arithmetic of money applies to it.
/// </summary>
/// <param name="Unit">The unit.</param>
/// <param name="Product">A pattern for the GPU's product (see <see cref="Glob"/>). Null: all GPUs.</param>
public sealed record CountedUsage(UsageUnit Unit, string? Product = null)
{
    /// <summary>The cost of all GPUs, which budgets count by default.</summary>
    public static readonly CountedUsage Cost = new(UsageUnit.Cost);

    private static readonly GpuHourPrice OnePerGpuHour = GpuHourPrice.FromDecimal(1);

    /// <summary>Whether usage of a price class counts. A GPU of an unknown product matches no pattern.</summary>
    public bool Counts(string priceClass) => Product is null || Glob.IsMatch(Product, PriceClassName.ProductOf(priceClass));

    /// <summary>Returns the rate that a GPU counts with; null if it is not known.</summary>
    /// <param name="priceClass">The GPU's price class.</param>
    /// <param name="price">The GPU's price; null if it has none.</param>
    public GpuHourPrice? RateOf(string priceClass, GpuHourPrice? price) =>
        !Counts(priceClass) ? GpuHourPrice.Zero
        : Unit == UsageUnit.GpuHours ? OnePerGpuHour
        : price;
}
