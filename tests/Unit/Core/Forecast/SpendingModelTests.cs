using Bursar.Core.Forecast;
using Bursar.Core.Money;

namespace Bursar.Tests.Unit.Core.Forecast;

public sealed class SpendingModelTests
{
    private static readonly DateTimeOffset End = new(2026, 11, 10, 0, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(2, 20)]
    [InlineData(30, 0)]
    public void Model_of_little_history_or_of_a_window_that_is_over_is_absent(int days, int left) =>
        SpendingModel.Fit(History(Enumerable.Repeat(10.0, days)), TimeSpan.FromDays(9), TimeSpan.FromDays(left)).Should().BeNull();

    [Fact]
    public void Steady_spending_continues_without_error()
    {
        var model = Fit(Enumerable.Repeat(10.0, 60));

        model.Expected(0).Should().BeApproximately(10, 1e-9);
        model.Expected(19).Should().BeApproximately(10, 1e-9);
        model.Error.Should().BeApproximately(0, 1e-9);
        model.PastErrorPercent.Should().Be(0);
    }

    [Fact]
    public void Weekday_pattern_of_two_weeks_is_repeated()
    {
        Fit(Weeks(13)).Method.Should().Be(SpendingMethod.Trend);

        var model = Fit(Weeks(8 * 7));

        model.Method.Should().Be(SpendingMethod.Seasonal);
        model.Expected(0).Should().BeGreaterThan(80);
        model.Expected(5).Should().BeLessThan(40);
        model.Expected(7).Should().BeApproximately(model.Expected(0), 5);

        static IEnumerable<double> Weeks(int days) => Enumerable.Range(0, days).Select(day => day % 7 < 5 ? 100.0 : 20.0);
    }

    [Fact]
    public void Growth_raises_the_forecast_and_fades()
    {
        var model = Fit(Enumerable.Range(0, 60).Select(day => 100.0 + 5 * day));

        model.Trend.Should().BePositive();
        (model.Expected(1) - model.Expected(0)).Should().BeGreaterThan(model.Expected(21) - model.Expected(20));
    }

    [Fact]
    public void Interval_needs_enough_past_errors_and_widens_with_them()
    {
        Fit(Noisy(6, 0.5)).Error.Should().BeNull();
        Fit(Noisy(14, 0.5)).Error.Should().NotBeNull();

        Fit(Noisy(60, 0.1)).Error.Should().BeLessThan(Fit(Noisy(60, 0.5)).Error!.Value);
        SpendingModel
            .Fit(History(Noisy(60, 0.5)), TimeSpan.FromDays(9), TimeSpan.FromDays(21), coverage: 95)!
            .Error.Should()
            .BeGreaterThan(Fit(Noisy(60, 0.5)).Error!.Value);
    }

    [Fact]
    public void Past_error_is_absent_until_a_window_of_this_length_is_over()
    {
        Fit(Noisy(20, 0.5)).PastErrorPercent.Should().BeNull();
        Fit(Noisy(60, 0.5)).PastErrorPercent.Should().BeInRange(1, 50);
    }

    [Fact]
    public void Budget_that_never_spent_is_forecast_to_spend_nothing()
    {
        var model = Fit(new double[40]);

        model.Expected(3).Should().Be(0);
        model.Error.Should().BeNull("zero spending says nothing about errors");
    }

    private static SpendingModel Fit(IEnumerable<double> days) =>
        SpendingModel.Fit(History(days), TimeSpan.FromDays(9), TimeSpan.FromDays(21))!;

    private static SpendingHistory History(IEnumerable<double> days) =>
        new("", TimeSpan.FromDays(1), End, [.. days.Select(day => Amount.FromDecimal((decimal)day))]);

    private static IEnumerable<double> Noisy(int days, double spread)
    {
        var random = new Random(7);
        return Enumerable.Range(0, days).Select(_ => 100 * (1 + spread * (2 * random.NextDouble() - 1))).ToArray();
    }
}
