using Bursar.Core.Money;
using Bursar.Core.Prices;

namespace Bursar.Tests.Unit.Core.Prices;

public sealed class PriceBookTests
{
    [Theory]
    [InlineData("Tesla-V100-SXM2-16GB", "3.06")]
    [InlineData("Tesla V100-SXM2-16GB", "3.06")]
    [InlineData("Tesla-T4", "0.526")]
    [InlineData("Tesla-T4-SHARED", "0.526")]
    [InlineData("NVIDIA-A10", "1.29")]
    [InlineData("NVIDIA-A10G", "1.006")]
    [InlineData("NVIDIA-L4", "0.8048")]
    [InlineData("NVIDIA L4", "0.8048")]
    [InlineData("NVIDIA-L40S", "1.861")]
    [InlineData("NVIDIA-A100-SXM4-40GB", "2.745")]
    [InlineData("NVIDIA-A100-SXM4-80GB", "3.431")]
    [InlineData("NVIDIA-A100-80GB-PCIe", "3.431")]
    [InlineData("NVIDIA-H100-80GB-HBM3", "6.88")]
    [InlineData("NVIDIA-H100-PCIe", "6.88")]
    [InlineData("NVIDIA-H200", "7.912")]
    [InlineData("NVIDIA-B200", "14.24")]
    [InlineData("NVIDIA-GB200", "27.04")]
    [InlineData("AMD_Instinct_MI300X_OAM", "6.00")]
    public void Default_book_knows_what_clouds_rent_out(string product, string price) =>
        DefaultPriceBook.Book.RateFor(product)!.Value.ToString().Should().Be(price);

    [Theory]
    [InlineData("")]
    [InlineData("NVIDIA-GH200-480GB")]
    [InlineData("NVIDIA-L40")]
    [InlineData("NVIDIA-RTX-A1000")]
    [InlineData("NVIDIA-GeForce-RTX-4090")]
    public void Unknown_product_has_no_price(string product) => DefaultPriceBook.Book.RateFor(product).Should().BeNull();

    [Fact]
    public void Default_prices_name_their_source() =>
        DefaultPriceBook.Book.Rates.Should().OnlyContain(rule => rule.Note!.Contains("2026-"));

    [Fact]
    public void First_match_wins()
    {
        var book = new PriceBook(
            "b",
            1,
            "EUR",
            [new(new("*A100*80GB*"), new GpuHourPrice(4)), new(new("*A100*"), new GpuHourPrice(3)), new(new("*"), new GpuHourPrice(1))]
        );
        book.RateFor("NVIDIA-A100-SXM4-80GB").Should().Be(new GpuHourPrice(4));
        book.RateFor("NVIDIA-A100-SXM4-40GB").Should().Be(new GpuHourPrice(3));
        book.RateFor("anything").Should().Be(new GpuHourPrice(1));
        book.RateFor("").Should().BeNull();
    }
}
