using Bursar.Core.Money;
using Bursar.Core.Prices;

namespace Bursar.Tests.Unit.Core.Prices;

public sealed class OwnedHardwareTests
{
    private static readonly OwnedHardware H100 = new()
    {
        CapitalCost = 30_000,
        Lifetime = TimeSpan.FromHours(35_040),
        PowerPricePerKWh = 0.12m,
        Pue = 1.4m,
    };

    [Fact]
    public void Amortisation_and_power_add_up()
    {
        // 30,000 / 35,040 = 0.856164383561…; 700 W × 1.4 × 0.12 = 0.1176.
        H100.RateFor("NVIDIA-H100-80GB-HBM3")!.Value.ToString().Should().Be("0.973764384");
        (H100 with { PowerWatts = 1000 }).RateFor("NVIDIA-H100-80GB-HBM3")!.Value.ToString().Should().Be("1.024164384");
        (H100 with { PowerPricePerKWh = 0 }).RateFor("whatever")!.Value.ToString().Should().Be("0.856164384");
    }

    /// <summary>
    /// The founding articles' example of an owned machine for a year: 10,000 to buy, 2,000 to run, 1,000 written off. Here the whole
    /// price is written off in the year.
    /// </summary>
    [Fact]
    public void Year_of_an_owned_machine_costs_its_price()
    {
        var owned = new OwnedHardware
        {
            CapitalCost = 10_000,
            Lifetime = TimeSpan.FromHours(8_760),
            YearlyCost = 3_000,
        };
        (owned.RateFor("any")!.Value * 1).For(TimeSpan.FromHours(8_760)).ToDouble().Should().BeApproximately(13_000, 0.00001);
    }

    [Fact]
    public void Board_of_unknown_power_has_no_price_rather_than_a_guess() => H100.RateFor("Voodoo-2").Should().BeNull();

    [Theory]
    [InlineData("Tesla-T4", 70)]
    [InlineData("NVIDIA-L4", 72)]
    [InlineData("NVIDIA-L40S", 350)]
    [InlineData("NVIDIA-A10G", 150)]
    [InlineData("NVIDIA-A10", 150)]
    [InlineData("Tesla-V100-PCIE-16GB", 250)]
    [InlineData("Tesla-V100-SXM2-16GB", 300)]
    [InlineData("NVIDIA-A100-PCIE-40GB", 250)]
    [InlineData("NVIDIA-A100-80GB-PCIe", 300)]
    [InlineData("NVIDIA-A100-SXM4-80GB", 400)]
    [InlineData("NVIDIA H100 PCIe", 350)]
    [InlineData("NVIDIA-H100-NVL", 400)]
    [InlineData("NVIDIA-H200", 700)]
    [InlineData("NVIDIA-B200", 1000)]
    [InlineData("AMD_Instinct_MI300X_OAM", 750)]
    public void Boards_draw_their_rated_power(string product, int watts) => BoardPower.Find(product).Should().Be(watts);

    [Fact]
    public void Rate_of_owned_hardware_is_rounded_once_half_to_even()
    {
        // 0.000000001 over two hours is half a nano, which rounds to even (zero); three halves round to two.
        new OwnedHardware { CapitalCost = 0.000000001m, Lifetime = TimeSpan.FromHours(2) }
            .RateFor("x")
            .Should()
            .Be(new GpuHourPrice(0));
        new OwnedHardware { CapitalCost = 0.000000003m, Lifetime = TimeSpan.FromHours(2) }
            .RateFor("x")
            .Should()
            .Be(new GpuHourPrice(2));
    }
}
