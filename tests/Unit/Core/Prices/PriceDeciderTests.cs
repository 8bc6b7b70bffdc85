using Bursar.Core.Money;
using Bursar.Core.Prices;

namespace Bursar.Tests.Unit.Core.Prices;

public sealed class PriceDeciderTests
{
    private const string V100 = "Tesla-V100-SXM2-16GB";
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 12, 0, 0, TimeSpan.Zero);
    private static readonly GpuHourPrice Trusted = GpuHourPrice.FromDecimal(3.06m);

    [Theory]
    [InlineData("3.06", null)]
    [InlineData("12.24", null)]
    [InlineData("12.25", "a jump of more than 300 %")]
    [InlineData("0.765", null)]
    [InlineData("0.764", "a jump of more than 300 %")]
    [InlineData("0", "a price of zero")]
    [InlineData("3060", "a jump of more than 300 %")]
    [InlineData("0.0042", "a jump of more than 300 %")] // 730 times too low
    public void Price_outside_the_guard_leaves_the_last_trusted_one(string price, string? why)
    {
        var verdict = Decide(Book(price));
        verdict.Class.Should().Be(V100);
        verdict
            .Rate.Should()
            .Be(why is null ? GpuHourPrice.FromDecimal(decimal.Parse(price, System.Globalization.CultureInfo.InvariantCulture)) : Trusted);
        if (why is null)
            verdict.Untrusted.Should().BeNull();
        else
            verdict.Untrusted.Should().Contain(why);
    }

    [Fact]
    public void Guard_bounds_apply_to_a_first_price()
    {
        var book = Book("31") with { Guard = new(GpuHourPrice.FromDecimal(0.05m), GpuHourPrice.FromDecimal(30), 300) };
        var verdict = PriceDecider.Decide(book, null, new(V100), "", _ => null, Now);
        verdict.Rate.Should().BeNull();
        verdict.Untrusted.Should().Contain("more than the guard's 30");
        PriceDecider
            .Decide(Book("0.04") with { Guard = book.Guard }, null, new(V100), "", _ => null, Now)
            .Untrusted.Should()
            .Contain("less than the guard's 0.05");
        PriceDecider.Decide(Book("31"), null, new(V100), "", _ => null, Now).Rate.Should().Be(GpuHourPrice.FromDecimal(31));
    }

    [Fact]
    public void Accepted_generation_is_trusted_and_another_generation_is_not()
    {
        Decide(Book("3060") with { AcceptedGeneration = 7 }).Rate.Should().Be(GpuHourPrice.FromDecimal(3060));
        Decide(Book("0") with { AcceptedGeneration = 7 }).Rate.Should().Be(GpuHourPrice.Zero);
        Decide(Book("3060") with { AcceptedGeneration = 6 }).Rate.Should().Be(Trusted);
    }

    [Fact]
    public void Price_in_use_stays_trusted_when_the_guard_changes() =>
        Decide(Book("3.06") with { Guard = new(null, GpuHourPrice.FromDecimal(1), 1) }).Untrusted.Should().BeNull();

    [Fact]
    public void Node_without_a_book_keeps_its_class_and_price()
    {
        const string spot = V100 + " [capacityType=spot]";
        // The product without a capacity type had another price before.
        var verdict = PriceDecider.Decide(
            null,
            PriceDecider.NoBook,
            new(V100),
            spot,
            c => c == spot ? new GpuHourPrice(5) : new GpuHourPrice(9),
            Now
        );
        verdict.Should().BeEquivalentTo(new PriceVerdict(spot, new GpuHourPrice(5), PriceDecider.NoBook, []));
    }

    [Fact]
    public void Node_without_a_rate_keeps_its_last_price_or_is_unpriced()
    {
        var none = new PriceBook("b", 7, "USD", [new(new("*H100*"), new GpuHourPrice(1))]);
        Decide(none).Should().BeEquivalentTo(new PriceVerdict(V100, Trusted, PriceDecider.NoRate, []));
        PriceDecider
            .Decide(none, null, new(V100), "", _ => null, Now)
            .Should()
            .BeEquivalentTo(new PriceVerdict(V100, null, PriceDecider.NoRate, []));
    }

    [Fact]
    public void New_price_class_is_checked_against_the_last_price_of_its_node()
    {
        var book = new PriceBook(
            "b",
            7,
            "USD",
            [new(new("*V100*") { CapacityType = "spot" }, GpuHourPrice.FromDecimal(0.001m)), new(new("*V100*"), Trusted)]
        );
        var node = new PricedNode(V100) { CapacityType = "spot" };
        var verdict = PriceDecider.Decide(book, null, node, V100, c => c == V100 ? Trusted : null, Now);
        verdict.Class.Should().Be(V100, "the new class has no trusted price");
        verdict.Untrusted.Should().Contain("jump");
        PriceDecider
            .Decide(book with { AcceptedGeneration = 7 }, null, node, V100, c => c == V100 ? Trusted : null, Now)
            .Class.Should()
            .Be(V100 + " [capacityType=spot]");
    }

    [Fact]
    public void Another_machine_under_the_same_name_does_not_inherit_a_price() =>
        PriceDecider.Decide(null, null, new("Tesla-T4"), V100, c => c == V100 ? Trusted : null, Now).Rate.Should().BeNull();

    [Fact]
    public void Later_prices_are_planned_as_far_as_they_are_trusted()
    {
        PriceRule At(int days, string price) =>
            new(new("*V100*"), GpuHourPrice.FromDecimal(decimal.Parse(price, System.Globalization.CultureInfo.InvariantCulture)))
            {
                From = Now.AddDays(days),
            };
        var book = new PriceBook(
            "b",
            7,
            "USD",
            [At(30, "9000"), At(20, "4"), At(10, "3.5"), At(-10, "3.06"), new(new("*"), new GpuHourPrice(1))]
        );
        var verdict = Decide(book);
        verdict.Rate.Should().Be(Trusted);
        verdict.Planned.Should().Equal((Now.AddDays(10), GpuHourPrice.FromDecimal(3.5m)), (Now.AddDays(20), GpuHourPrice.FromDecimal(4)));
        verdict.Untrusted.Should().BeNull();
        // On its start date the rate is checked again and reported.
        PriceDecider
            .Decide(book, null, new(V100), V100, _ => GpuHourPrice.FromDecimal(4), Now.AddDays(30))
            .Untrusted.Should()
            .Contain("jump");
    }

    [Theory]
    [InlineData(null, null, false, "spot", "spot")]
    [InlineData(null, null, false, "reserved", "reserved")]
    [InlineData(null, null, false, "on-demand", null)]
    [InlineData("spot", null, false, "spot", null)]
    [InlineData("*", null, false, "spot", null)]
    [InlineData(null, "pool", false, "spot", null)]
    [InlineData(null, null, true, "spot", null)]
    public void Spot_node_without_a_spot_rate_is_reported_as_on_demand(
        string? asked,
        string? label,
        bool owned,
        string capacity,
        string? said
    )
    {
        var match = new PriceMatch("*V100*")
        {
            CapacityType = asked,
            NodeSelector = label is null
                ? Bursar.Core.Text.LabelSelector.Everything
                : new() { MatchLabels = new Dictionary<string, string> { [label] = "x" } },
        };
        var rule = owned
            ? new PriceRule(match, null)
            {
                Owned = new() { CapitalCost = 35040, Lifetime = TimeSpan.FromHours(35040) },
            }
            : new PriceRule(match, Trusted);
        var node = new PricedNode(V100)
        {
            CapacityType = capacity,
            Labels = label is null ? new Dictionary<string, string>() : new Dictionary<string, string> { [label] = "x" },
        };
        var verdict = PriceDecider.Decide(new("b", 7, "USD", [rule]), null, node, "", _ => null, Now);
        verdict.Untrusted.Should().BeNull("forecasts go on");
        verdict.Rate.Should().Be(owned ? GpuHourPrice.FromDecimal(1) : Trusted);
        verdict.ChargedAsOnDemand.Should().Be(said);
    }

    [Fact]
    public void Node_without_a_product_keeps_its_price_when_the_book_drops_it()
    {
        var node = new PricedNode("") { InstanceType = "g5.12xlarge" };
        var book = new PriceBook("b", 7, "USD", [new(new() { InstanceType = "g5.*" }, Trusted)]);
        var priceClass = PriceDecider.Decide(book, null, node, "", _ => null, Now).Class;
        PriceDecider
            .Decide(new("b", 8, "USD", [new(new("*H100*"), Trusted)]), null, node, priceClass, c => c == priceClass ? Trusted : null, Now)
            .Should()
            .BeEquivalentTo(new PriceVerdict(priceClass, Trusted, PriceDecider.NoRate, []));
        PriceDecider.Decide(null, PriceDecider.NoBook, node, "", _ => null, Now).Class.Should().BeEmpty();
    }

    private static PriceVerdict Decide(PriceBook book) =>
        PriceDecider.Decide(book, null, new(V100), V100, c => c == V100 ? Trusted : null, Now);

    private static PriceBook Book(string price) =>
        new(
            "b",
            7,
            "USD",
            [new(new("*V100*"), GpuHourPrice.FromDecimal(decimal.Parse(price, System.Globalization.CultureInfo.InvariantCulture)))]
        );
}
