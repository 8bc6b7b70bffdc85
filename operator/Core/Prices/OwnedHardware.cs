using System.Numerics;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Core.Prices;

/// <summary>
/// The price of a GPU-hour on the user's own hardware: <c>capitalCost ÷ lifetime + yearlyCost ÷ 8,760 h + power × PUE × tariff</c>.
/// Computed as one exact fraction and rounded half-even to a nano of the currency once.
/// </summary>
public sealed record OwnedHardware
{
    private const long HoursOfAYear = 8_760;

    /// <summary>For one GPU, with its share of the machine, the network and the rack.</summary>
    public required decimal CapitalCost { get; init; }

    public required TimeSpan Lifetime { get; init; }

    /// <summary>For one GPU and year: repairs, space, staff.</summary>
    public decimal YearlyCost { get; init; }

    public decimal PowerPricePerKWh { get; init; }

    /// <summary>Power usage effectiveness: the building's power per watt of the machines.</summary>
    public decimal Pue { get; init; } = 1;

    /// <summary>The power of a GPU with its share of the machine. Null: the board's rated power.</summary>
    public int? PowerWatts { get; init; }

    /// <summary>Returns null if power has a price but is neither given nor known for this board.</summary>
    public GpuHourPrice? RateFor(string product)
    {
        var watts = PowerPricePerKWh == 0 ? 0 : PowerWatts ?? BoardPower.Find(product);
        return watts is { } known ? RateAt(known) : null;
    }

    private GpuHourPrice? RateAt(int watts)
    {
        // All terms are nanos of the currency per hour, as numerator over denominator.
        var lifetime = new BigInteger(Lifetime.Ticks);
        var amortisation = Nano(CapitalCost) * TimeSpan.TicksPerHour;
        var power = Nano(PowerPricePerKWh) * Nano(Pue) * watts;
        var perKilowatt = (BigInteger)1_000_000_000 * 1_000;
        var numerator =
            amortisation * HoursOfAYear * perKilowatt + Nano(YearlyCost) * lifetime * perKilowatt + power * lifetime * HoursOfAYear;
        var denominator = lifetime * HoursOfAYear * perKilowatt;
        var floor = BigInteger.DivRem(numerator, denominator, out var remainder);
        var twice = remainder * 2;
        if (twice > denominator || twice == denominator && !floor.IsEven)
            floor += 1;
        return floor <= long.MaxValue / 4096 ? new GpuHourPrice((long)floor) : null;
    }

    private static BigInteger Nano(decimal value) => new(decimal.Round(value * 1_000_000_000m, 0, MidpointRounding.ToEven));

    public override string ToString() =>
        $"{CapitalCost} over {Lifetime.TotalHours:0.##} h"
        + (YearlyCost > 0 ? $" + {YearlyCost} a year" : "")
        + (
            PowerPricePerKWh > 0
                ? $" + {(PowerWatts is { } watts ? $"{watts} W" : "the board's power")} × {Pue} × {PowerPricePerKWh}/kWh"
                : ""
        );
}

/// <summary>The rated power of boards in watts, from the vendors' data sheets and the tables named in docs/tasks/prices.md.</summary>
public static class BoardPower
{
    // Order matters, as in the default book.
    private static readonly (string Product, int Watts)[] Table =
    [
        ("*B200*", 1000),
        ("*H200*", 700),
        ("*H100*PCIe*", 350),
        ("*H100*NVL*", 400),
        ("*H100*", 700),
        ("*A100*PCIe*80GB*", 300),
        ("*A100*80GB*PCIe*", 300),
        ("*A100*PCIe*", 250),
        ("*A100*", 400),
        ("*V100*PCIe*", 250),
        ("*V100*", 300),
        ("*A10G*", 150),
        ("*A10", 150),
        ("*A10-*", 150),
        ("*L40S*", 350),
        ("*-L4", 72),
        ("*-L4-*", 72),
        ("*-T4", 70),
        ("*-T4-*", 70),
        ("*MI300X*", 750),
    ];

    public static int? Find(string product)
    {
        product = product.Replace(' ', '-');
        // A vGPU type has the card's name but not its power.
        if (VgpuProfile.Find(product) is not null)
            return null;
        foreach (var (pattern, watts) in Table)
            if (Glob.IsMatch(pattern, product))
                return watts;
        return null;
    }
}
