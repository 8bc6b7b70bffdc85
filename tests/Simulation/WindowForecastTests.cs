using Bursar.Core.Forecast;
using Bursar.Tests.TestKit;
using Xunit.Abstractions;

namespace Bursar.Tests.Simulation;

/// <summary>The forecast for the window over the months of seeded organisations, with weekday patterns, bursts and trends.</summary>
public sealed class WindowForecastTests(ITestOutputHelper output)
{
    private const int Months = 200;

    /// <summary>
    /// The interval of the run-rate is made from its own past errors in the same budget, and stretched until it holds as many months. It must
    /// be wider.
    /// </summary>
    [Theory]
    [InlineData(10)]
    [InlineData(20)]
    public void Interval_holds_80_percent_of_months_and_is_narrower_than_that_of_the_run_rate(int day)
    {
        var organisations = Enumerable
            .Range(0, Months)
            .Select(seed => new SyntheticOrganisation(seed, SpendingHistory.Kept + 30))
            .ToArray();
        var own = organisations
            .Select(one => WindowForecasts.ByBursar(one.ByDay(), day, 80, one.KnownAfter(SpendingHistory.Kept + day)))
            .ToArray();
        var runRate = organisations.Select(one => WindowForecasts.ByRunRate(one.ByDay(), day, 80)).ToArray();
        var held = own.Count(one => one.Holds);
        var stretch = runRate.Select(one => one.StretchToHold).Order().ElementAt(held - 1);
        output.WriteLine(
            $"day {day}: {held} of {Months} held; width {own.Average(one => one.Width):P1}, run-rate {runRate.Average(one => one.Width):P1} x {stretch:F2}; error {own.Average(one => one.Error):P1}, run-rate {runRate.Average(one => one.Error):P1}"
        );

        held.Should().BeGreaterThanOrEqualTo(Months * 80 / 100);
        own.Average(one => one.Width).Should().BeLessThan(stretch * runRate.Average(one => one.Width));
        own.Average(one => one.Error).Should().BeLessThan(runRate.Average(one => one.Error));
    }

    /// <summary>With little history the interval is wide, but it holds as many months.</summary>
    [Theory]
    [InlineData(14)]
    [InlineData(35)]
    public void Interval_holds_80_percent_of_months_with_little_history(int days)
    {
        var held = Enumerable
            .Range(0, Months)
            .Select(seed => new SyntheticOrganisation(seed, days + 30))
            .Count(one => WindowForecasts.ByBursar(one.ByDay(), 10, 80, one.KnownAfter(days + 10)).Holds);
        output.WriteLine($"{days} days of history: {held} of {Months} held");

        held.Should().BeGreaterThanOrEqualTo(Months * 80 / 100);
    }
}
