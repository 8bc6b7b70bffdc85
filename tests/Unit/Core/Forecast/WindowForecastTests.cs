using Bursar.Core.Forecast;
using Bursar.Core.Money;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Forecast;

/// <summary>A window that ends ten days after a history of 24 a day.</summary>
public sealed class WindowForecastTests
{
    private static readonly DateTimeOffset End = new(2026, 11, 20, 0, 0, 0, TimeSpan.Zero);

    private static readonly SpendingModel Daily = new()
    {
        Method = SpendingMethod.Trend,
        End = End,
        Step = TimeSpan.FromDays(1),
        Level = 24,
        Trend = 0,
        Horizon = 10,
        Error = 60,
    };

    [Fact]
    public void Window_ends_with_the_spending_so_far_and_what_is_usual()
    {
        var forecast = From(spent: 100);

        forecast.Likely.Should().Be(Money(340));
        (forecast.Low, forecast.High).Should().Be((Money(280), Money(400)));
    }

    [Fact]
    public void Rest_of_a_day_counts_in_part_and_the_interval_narrows()
    {
        var forecast = From(spent: 100, now: End.AddDays(9.75));

        forecast.Likely.Should().Be(Money(106));
        // The root of a fortieth of the ten days.
        forecast.High!.Value.ToDouble().Should().BeApproximately(106 + 60 * Math.Sqrt(0.025), 0.001);
        forecast.Low.Should().Be(Money(100), "spending does not fall");
    }

    [Fact]
    public void Known_cost_counts_only_beyond_what_is_usual()
    {
        From(100, known: Runs(0.5m, 240)).Likely.Should().Be(Money(340));
        From(100, known: Runs(3, 48)).Likely.Should().Be(Money(100 + 2 * 72 + 8 * 24));
        From(100, known: new KnownCost(HourlyCost.Zero, Money(50))).Likely.Should().Be(Money(100 + 50 + 9 * 24));
    }

    [Fact]
    public void Limit_is_reached_at_a_time_for_each_bound()
    {
        var forecast = From(spent: 100, limit: 220);

        forecast.LikelyExhaustedAt.Should().BeCloseTo(End.AddDays(5), TimeSpan.FromSeconds(1));
        forecast.EarliestExhaustedAt.Should().BeBefore(End.AddDays(5));
        forecast.LatestExhaustedAt.Should().BeAfter(End.AddDays(5)).And.BeBefore(End.AddDays(10));
    }

    [Fact]
    public void Limit_that_only_high_spending_reaches_has_no_other_time()
    {
        var forecast = From(spent: 100, limit: 380);

        forecast.EarliestExhaustedAt.Should().NotBeNull();
        forecast.LikelyExhaustedAt.Should().BeNull();
        forecast.LatestExhaustedAt.Should().BeNull();
    }

    [Fact]
    public void Limit_that_is_reached_already_is_reached_now() => From(spent: 100, limit: 90).LikelyExhaustedAt.Should().Be(End);

    [Fact]
    public void Forecast_without_known_errors_has_no_interval()
    {
        var forecast = WindowForecast.From(Daily with { Error = null }, End, End.AddDays(10), Money(200), Money(100), []);

        (forecast.Low, forecast.High, forecast.EarliestExhaustedAt, forecast.LatestExhaustedAt).Should().Be((null, null, null, null));
        forecast.LikelyExhaustedAt.Should().NotBeNull();
    }

    private static WindowForecast From(decimal spent, decimal limit = 1000, DateTimeOffset? now = null, params KnownCost[] known) =>
        WindowForecast.From(Daily, now ?? End, End.AddDays(10), Money(limit), Money(spent), known);

    private static KnownCost Runs(decimal rate, double hours)
    {
        var perHour = HourlyCost.FromDecimal(rate);
        return new(perHour, perHour.For(TimeSpan.FromHours(hours)));
    }
}
