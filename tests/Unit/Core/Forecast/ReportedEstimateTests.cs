using Bursar.Core.Forecast;

namespace Bursar.Tests.Unit.Core.Forecast;

public sealed class ReportedEstimateTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Remaining_time_reported_by_the_trainer_shrinks_with_time()
    {
        var job = Reporting(new(Start.AddMinutes(30), 60, TimeSpan.FromMinutes(20)));

        var estimate = Estimator.Remaining(job, Start.AddMinutes(34));

        estimate.Should().Match<Estimate>(e => e.Source == EstimateSource.Reported && e.Settled && e.Detail == "reported by its trainer");
        (estimate.Low, estimate.Likely, estimate.High)
            .Should()
            .Be((TimeSpan.FromMinutes(14), TimeSpan.FromMinutes(16), TimeSpan.FromMinutes(18)));
    }

    [Fact]
    public void Percent_alone_goes_on_as_this_run_went()
    {
        var estimate = Estimator.Remaining(Reporting(new(Start.AddMinutes(50), 50, null)), Start.AddMinutes(50));

        estimate.Should().Match<Estimate>(e => e.Source == EstimateSource.Reported && e.Settled && e.Detail == "50 % by its trainer");
        estimate.High.Should().Be(TimeSpan.FromMinutes(50));
        estimate.Low.Should().BeLessThan(estimate.Likely).And.BeCloseTo(TimeSpan.FromMinutes(48), TimeSpan.FromSeconds(10));
        Estimator
            .Remaining(Reporting(new(Start.AddMinutes(5), 1, null)), Start.AddMinutes(5))
            .Settled.Should()
            .BeFalse("one percent may be almost two");
        Estimator.Remaining(Reporting(new(Start.AddMinutes(5), 0, null)), Start.AddMinutes(5)).IsKnown.Should().BeFalse();
    }

    [Fact]
    public void Reported_time_ranks_after_progress_and_before_declared_duration()
    {
        var told = Reporting(new(Start.AddMinutes(5), 50, TimeSpan.FromMinutes(20))) with { DeclaredDuration = TimeSpan.FromHours(2) };
        Estimator.Remaining(told, Start.AddMinutes(5)).Source.Should().Be(EstimateSource.Reported);
        var steps = Enumerable.Range(0, 200).Aggregate(ProgressSeries.Empty, (series, i) => series.With(new(Start.AddSeconds(i), i, 1000)));
        Estimator.Remaining(told with { Progress = steps }, Start.AddSeconds(200)).Source.Should().Be(EstimateSource.Progress);
    }

    [Fact]
    public void Report_of_an_earlier_run_or_of_long_ago_is_ignored()
    {
        var told = Reporting(new(Start.AddMinutes(5), 50, TimeSpan.FromMinutes(20)));
        Estimator.Remaining(told with { RunningSince = Start.AddMinutes(6) }, Start.AddMinutes(7)).IsKnown.Should().BeFalse();
        Estimator.Remaining(told with { RunningSince = null }, Start.AddMinutes(7)).IsKnown.Should().BeFalse();
        Estimator.Remaining(told, Start.AddMinutes(16)).IsKnown.Should().BeFalse();
    }

    private static JobFacts Reporting(ReportedProgress progress) => new() { RunningSince = Start, Reported = progress };
}
