using System.Text.Json;
using Bursar.Api;
using Bursar.Core.Money;
using Bursar.Core.Prices;

namespace Bursar.Tests.Unit.Api;

public sealed class GpuPriceBookReaderTests
{
    [Fact]
    public void Price_book_is_read_with_all_its_fields()
    {
        var read = Read(
            """
            {"metadata": {"name": "b", "generation": 4, "annotations": {"bursar.dev/accept-generation": "4"}},
             "spec": {"default": true, "currency": "USD",
              "rates": [{"match": {"product": "*V100*", "capacityType": "on-demand", "region": "us-east-1", "instanceType": "p3.2xlarge", "nodeSelector": {"matchLabels": {"pool": "a"}}}, "perGpuHour": "3.06", "from": "2026-12-01T00:00:00Z", "note": "n"},
                        {"match": {"product": "*H100*"}, "owned": {"capitalCost": "30000", "lifetime": "35040h", "powerPricePerKWh": "0.12", "pue": "1.4"}}],
              "guard": {"minPerGpuHour": "0.05", "maxPerGpuHour": "30", "maxJumpPercent": 300}}}
            """,
            out var book
        );
        read.Should().BeEmpty();
        book!.IsAccepted.Should().BeTrue();
        book.Guard.Should().Be(new PriceGuard(GpuHourPrice.FromDecimal(0.05m), GpuHourPrice.FromDecimal(30), 300));
        var rule = book.Rates[0];
        (
            rule.Match.Product,
            rule.Match.CapacityType,
            rule.Match.Region,
            rule.Match.InstanceType,
            rule.Match.NodeSelector.MatchLabels["pool"],
            rule.Note
        )
            .Should()
            .Be(("*V100*", "on-demand", "us-east-1", "p3.2xlarge", "a", "n"));
        rule.From.Should().Be(new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero));
        book.Rates[1].RateFor("NVIDIA-H100-80GB-HBM3").ToString().Should().Be("0.973764384");
    }

    [Theory]
    [InlineData("""{"rates": []}""", "spec.currency")]
    [InlineData("""{"currency": "usd", "rates": []}""", "spec.currency")]
    [InlineData("""{"currency": "USD", "rates": [{}]}""", "spec.rates[0]")]
    [InlineData(
        """{"currency": "USD", "rates": [{"perGpuHour": "1"}, {"perGpuHour": "1", "owned": {"capitalCost": "1", "lifetime": "9h"}}]}""",
        "spec.rates[1]"
    )]
    [InlineData("""{"currency": "USD", "rates": [{"perGpuHour": "1.5e3"}]}""", "spec.rates[0].perGpuHour")]
    [InlineData("""{"currency": "USD", "rates": [{"perGpuHour": "1", "from": "soon"}]}""", "spec.rates[0].from")]
    [InlineData(
        """{"currency": "USD", "rates": [{"perGpuHour": "1", "match": {"nodeSelector": {"matchExpressions": [{"key": "a", "operator": "Near"}]}}}]}""",
        "spec.rates[0].match.nodeSelector.matchExpressions[0].operator"
    )]
    [InlineData("""{"currency": "USD", "rates": [{"owned": {"lifetime": "9h"}}]}""", "spec.rates[0].owned.capitalCost")]
    [InlineData("""{"currency": "USD", "rates": [{"owned": {"capitalCost": "1"}}]}""", "spec.rates[0].owned.lifetime")]
    [InlineData("""{"currency": "USD", "rates": [{"owned": {"capitalCost": "1", "lifetime": "0"}}]}""", "spec.rates[0].owned.lifetime")]
    [InlineData(
        """{"currency": "USD", "rates": [{"owned": {"capitalCost": "1", "lifetime": "9h", "pue": "0.9"}}]}""",
        "spec.rates[0].owned.pue"
    )]
    [InlineData(
        """{"currency": "USD", "rates": [{"owned": {"capitalCost": "1", "lifetime": "9h", "powerWatts": 5}}]}""",
        "spec.rates[0].owned.powerPricePerKWh"
    )]
    [InlineData(
        """{"currency": "USD", "rates": [{"owned": {"capitalCost": "1", "lifetime": "9h", "powerPricePerKWh": "1", "powerWatts": 0}}]}""",
        "spec.rates[0].owned.powerWatts"
    )]
    [InlineData("""{"currency": "USD", "rates": [], "guard": {"minPerGpuHour": "x"}}""", "spec.guard.minPerGpuHour")]
    [InlineData("""{"currency": "USD", "rates": [], "guard": {"minPerGpuHour": "3", "maxPerGpuHour": "2"}}""", "spec.guard.minPerGpuHour")]
    [InlineData("""{"currency": "USD", "rates": [], "guard": {"maxJumpPercent": 0}}""", "spec.guard.maxJumpPercent")]
    [InlineData("""{"currency": "USD", "rates": [], "gridIntensity": {}}""", "spec.gridIntensity")]
    [InlineData(
        """{"currency": "USD", "rates": [], "gridIntensity": {"gramsPerKWh": "1", "hours": [{"from": 0, "gramsPerKWh": "1"}]}}""",
        "spec.gridIntensity"
    )]
    [InlineData("""{"currency": "USD", "rates": [], "gridIntensity": {"gramsPerKWh": "0.0001"}}""", "spec.gridIntensity.gramsPerKWh")]
    [InlineData("""{"currency": "USD", "rates": [], "gridIntensity": {"gramsPerKWh": "10000"}}""", "spec.gridIntensity.gramsPerKWh")]
    [InlineData(
        """{"currency": "USD", "rates": [], "gridIntensity": {"gramsPerKWh": "1", "timeZone": "Mars/Olympus"}}""",
        "spec.gridIntensity.timeZone"
    )]
    [InlineData(
        """{"currency": "USD", "rates": [], "gridIntensity": {"hours": [{"from": 3}]}}""",
        "spec.gridIntensity.hours[0].gramsPerKWh"
    )]
    [InlineData(
        """{"currency": "USD", "rates": [], "gridIntensity": {"hours": [{"from": 24, "gramsPerKWh": "1"}]}}""",
        "spec.gridIntensity.hours[0].from"
    )]
    [InlineData(
        """{"currency": "USD", "rates": [], "gridIntensity": {"hours": [{"from": 9, "gramsPerKWh": "1"}, {"from": 3, "gramsPerKWh": "2"}]}}""",
        "spec.gridIntensity.hours[1].from"
    )]
    public void Invalid_field_is_reported_with_its_path(string spec, string path)
    {
        var errors = Read($$"""{"metadata": {"name": "b"}, "spec": {{spec}}}""", out var book);
        errors.Should().ContainSingle().Which.Should().Be(path);
        book.Should().BeNull();
    }

    [Fact]
    public void Invalid_acceptance_annotation_accepts_nothing()
    {
        Read(
                """{"metadata": {"name": "b", "generation": 4, "annotations": {"bursar.dev/accept-generation": "four"}}, "spec": {"currency": "USD", "rates": []}}""",
                out var book
            )
            .Should()
            .BeEmpty();
        book!.IsAccepted.Should().BeFalse();
    }

    [Fact]
    public void Default_price_book_round_trips()
    {
        GpuPriceBookReader.Read(GpuPriceBookReader.ToObject(DefaultPriceBook.Book), out var book).Should().BeEmpty();
        book!
            .Rates.Select(rule => (rule.Match.Product, rule.PerGpuHour, rule.Note))
            .Should()
            .Equal(DefaultPriceBook.Book.Rates.Select(rule => (rule.Match.Product, rule.PerGpuHour, rule.Note)));
    }

    private static IReadOnlyList<string> Read(string json, out PriceBook? book) =>
        [
            .. GpuPriceBookReader
                .Read(JsonSerializer.Deserialize(json, V1Alpha1GpuPriceBook.JsonTypeInfo)!, out book)
                .Select(error => error.Path),
        ];
}
