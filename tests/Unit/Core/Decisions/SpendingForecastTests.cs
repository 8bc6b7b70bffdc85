using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Money;
using static Bursar.Tests.TestKit.Given;

namespace Bursar.Tests.Unit.Core.Decisions;

/// <summary>Half of 10 November is over. The budget has spent 40, and usually spends 5 a day.</summary>
public sealed class SpendingForecastTests
{
    private static readonly SpendingModel Usual = new()
    {
        Method = SpendingMethod.Seasonal,
        End = Now.AddHours(-12),
        Step = TimeSpan.FromDays(1),
        Level = 5,
        Trend = 0,
        Horizon = 21,
        Error = 20,
        PastErrorPercent = 9,
    };

    [Fact]
    public void Forecast_over_the_limit_is_announced_once_per_window_and_suspends_nothing()
    {
        var budget = Month(100);

        var first = BudgetDecider.Decide(budget);
        var second = BudgetDecider.Decide(budget with { Memory = first.Memory });

        first.Forecast!.Likely.Should().Be(Money(142.5m));
        first.Projected.Should().BeLessThan(first.Limit);
        first.Announcements.Should().ContainSingle(one => one.Reason == Reasons.ForecastOverBudget && one.Warning);
        second.Announcements.Should().NotContain(one => one.Reason == Reasons.ForecastOverBudget);
        second.Conditions.Should().Contain(one => one.Type == ConditionTypes.ForecastOverBudget && one.Status == true);
        first.Actions.Should().BeEmpty();
        first.State.Should().Be(Reasons.OnTrack);
    }

    [Fact]
    public void Forecast_within_the_limit_is_not_announced() => IsAnnounced(Month(150)).Should().BeFalse();

    [Fact]
    public void Forecast_is_not_announced_while_usage_is_uncertain_or_after_the_limit()
    {
        IsAnnounced(Month(100) with { MeteringStale = "node gpu-1 is unreachable" }).Should().BeFalse();
        IsAnnounced(Month(30)).Should().BeFalse();
    }

    [Fact]
    public void Forecast_without_history_is_the_cost_of_running_workloads()
    {
        var decision = BudgetDecider.Decide(Month(100) with { Spending = null });

        decision.Forecast.Should().Be(new WindowForecast { Method = SpendingMethod.KnownOnly, Likely = decision.Projected });
    }

    [Fact]
    public void Rolling_or_closed_window_has_no_forecast()
    {
        BudgetDecider
            .Decide(Budget(Terms(100) with { Window = new(WindowPeriod.Rolling, Length: TimeSpan.FromDays(7)) }))
            .Forecast.Should()
            .BeNull();
        BudgetDecider
            .Decide(Budget(Terms(100) with { Window = new(WindowPeriod.Once, Start: Now.AddDays(1), End: Now.AddDays(2)) }))
            .Forecast.Should()
            .BeNull();
    }

    /// <summary>A job of unknown duration is part of what is usual. One that is known to run for long is not.</summary>
    [Fact]
    public void Jobs_of_known_duration_raise_the_forecast()
    {
        var unknown = BudgetDecider.Decide(Month(1000, Unknown("unknown"))).Forecast!.Likely;
        var known = BudgetDecider.Decide(Month(1000, Job("known", 48))).Forecast!.Likely;

        unknown.Should().Be(Money(142.5m));
        known.Should().BeGreaterThan(Money(142.5m + 130));
    }

    private static bool IsAnnounced(BudgetSnapshot budget) =>
        BudgetDecider.Decide(budget) is var decision
        && decision.Announcements.Any(one => one.Reason == Reasons.ForecastOverBudget)
        && decision.Conditions.Any(one => one.Type == ConditionTypes.ForecastOverBudget);

    private static BudgetSnapshot Month(decimal limit, params WorkloadSnapshot[] work) =>
        Budget(limit, work) with
        {
            Spent = Money(40),
            Spending = Usual,
        };
}
