using System.Text.Json.Serialization;
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

    /// <summary>The energy that the GPUs used, in kWh, as the agents measured it.</summary>
    [JsonStringEnumMemberName("EnergyKWh")]
    Energy,

    /// <summary>The CO2e of that energy at the price book's grid intensity, in kg.</summary>
    [JsonStringEnumMemberName("Co2eKg")]
    Co2e,

    /// <summary>The prompt and generated tokens that model servers reported.</summary>
    Tokens,
}

/// <summary>
/// The usage that a limit counts: of which GPUs, and in which unit. An amount of GPU-hours is an <see cref="Amount"/> at a price of one per
/// GPU-hour, so all arithmetic of money applies to it. Kilowatt-hours, kilograms and tokens are amounts of that many whole units.
/// </summary>
/// <param name="Unit">The unit.</param>
/// <param name="Product">A pattern for the GPU's product (see <see cref="Glob"/>). Null: all products.</param>
/// <param name="CapacityType">A pattern for the capacity type of the GPU's node. Null: all capacity types.</param>
public sealed record CountedUsage(UsageUnit Unit, string? Product = null, string? CapacityType = null)
{
    /// <summary>The cost of all GPUs, which budgets count by default.</summary>
    public static readonly CountedUsage Cost = new(UsageUnit.Cost);

    /// <summary>The rate of one GPU in GPU-hours per hour.</summary>
    internal static readonly GpuHourPrice OnePerGpuHour = GpuHourPrice.FromDecimal(1);

    /// <summary>Whether it counts what agents measure, which has no price. It then counts all GPUs.</summary>
    [JsonIgnore]
    public bool IsMeasured => Unit is UsageUnit.Energy or UsageUnit.Co2e or UsageUnit.Tokens;

    /// <summary>Whether it counts only some GPUs.</summary>
    [JsonIgnore]
    public bool IsPartial => Product is not null || CapacityType is not null;

    /// <summary>Whether a GPU counts. An unknown product or capacity type matches no pattern.</summary>
    /// <param name="priceClass">The GPU's price class.</param>
    /// <param name="capacityType">The capacity type of its node; empty if unknown.</param>
    public bool Counts(string priceClass, string capacityType) =>
        (Product is null || Glob.IsMatch(Product, PriceClassName.ProductOf(priceClass)))
        && (CapacityType is null || capacityType.Length > 0 && Glob.IsMatch(CapacityType, capacityType));

    /// <summary>Returns the rate that a GPU counts with; null if it is not known.</summary>
    /// <param name="priceClass">The GPU's price class.</param>
    /// <param name="capacityType">The capacity type of its node; empty if unknown.</param>
    /// <param name="price">The GPU's price, or its usual use per hour of what is measured; null if it has none.</param>
    public GpuHourPrice? RateOf(string priceClass, string capacityType, GpuHourPrice? price) =>
        !Counts(priceClass, capacityType) ? GpuHourPrice.Zero
        : Unit == UsageUnit.GpuHours ? OnePerGpuHour
        : price;
}
