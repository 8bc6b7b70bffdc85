using Bursar.Core.Money;
using Bursar.Core.Prices;

namespace Bursar.Tests.Unit.Core.Prices;

/// <summary>The founding articles' examples, at the founding articles' rates.</summary>
public sealed class FoundingNumbersTests
{
    [Theory]
    [InlineData("NVIDIA-A10", 2_000, "0.000417")] // a query of two seconds: $0.0004
    [InlineData("Tesla-V100-SXM2-16GB", 85, "0.000072")] // a training step: $7.23e-5
    [InlineData("Tesla-V100-SXM2-16GB", 850_000, "0.722500")] // ten thousand of them: about $0.72
    [InlineData("Tesla-V100-SXM2-16GB", 2_700_000, "2.295000")] // the runaway job
    [InlineData("NVIDIA-A100-SXM4-80GB", 1, "0.000001")] // a millisecond: $1.11e-6
    public void Time_at_a_rate(string product, long milliseconds, string cost) =>
        DefaultPriceBook.Founding.RateFor(product)!.Value.For(milliseconds).ToString().Should().Be(cost);

    [Fact]
    public void Below_a_millionth_the_units_are_exact()
    {
        // 7.225e-5 and 1.1111e-6 of a dollar: units are nano-dollars × 3,600,000.
        DefaultPriceBook.Founding.RateFor("Tesla-V100-SXM2-16GB")!.Value.For(85).Units.Should().Be((Int128)72_250 * Amount.UnitsPerNano);
        DefaultPriceBook.Founding.RateFor("NVIDIA-A100-SXM4-80GB")!.Value.For(1).Units.Should().Be((Int128)4_000_000_000);
        DefaultPriceBook.Founding.RateFor("NVIDIA-A10G").Should().BeNull();
        DefaultPriceBook.Founding.RateFor("Tesla-T4").Should().Be(Rate.FromDecimal(0.5m));
        DefaultPriceBook.Founding.RateFor("NVIDIA-H100-PCIe").Should().Be(Rate.FromDecimal(2));
    }
}
