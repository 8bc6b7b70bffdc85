using Bursar.Core.Forecast;

namespace Bursar.Tests.Unit.Core.Forecast;

public sealed class SeriesEstimateTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Earlier_runs_give_the_estimate_and_its_spread()
    {
        var job = Job(100, 104, 98, 110) with { RunningSince = Start };

        var estimate = Estimator.Remaining(job, Start.AddMinutes(30));

        estimate
            .Should()
            .Match<Estimate>(e => e.Source == EstimateSource.Series && e.Settled && e.Detail == "4 earlier runs of its series");
        (estimate.Low, estimate.Likely, estimate.High)
            .Should()
            .Be((TimeSpan.FromMinutes(68), TimeSpan.FromMinutes(72), TimeSpan.FromMinutes(80)));
        Estimator.AfterResume(job).Likely.Should().Be(TimeSpan.FromMinutes(102));
    }

    [Fact]
    public void Estimate_ignores_earlier_runs_shorter_than_the_present_age()
    {
        var job = Job(10, 60, 100) with { RunningSince = Start };

        Estimator.Remaining(job, Start.AddMinutes(30)).Likely.Should().Be(TimeSpan.FromMinutes(50));
        Estimator
            .Remaining(job, Start.AddMinutes(101))
            .Should()
            .Match<Estimate>(e => !e.IsKnown && e.Detail == "it has run longer than the earlier runs of its series");
    }

    [Fact]
    public void One_run_is_a_hint_and_settles_nothing()
    {
        var estimate = Estimator.Remaining(Job(100) with { RunningSince = Start }, Start);

        estimate
            .Should()
            .Match<Estimate>(e => e.Source == EstimateSource.Series && !e.Settled && e.Detail == "1 earlier run of its series");
        (estimate.Low, estimate.High).Should().Be((TimeSpan.FromMinutes(50), TimeSpan.FromMinutes(150)));
    }

    [Fact]
    public void Run_with_twice_the_steps_is_forecast_to_take_twice_as_long()
    {
        var job = new JobFacts
        {
            EarlierRuns =
            [
                new(TimeSpan.FromMinutes(30), 1_000),
                new(TimeSpan.FromMinutes(31), 1_000),
                new(TimeSpan.FromMinutes(32), 1_000),
            ],
            DeclaredSteps = 2_000,
            RunningSince = Start,
        };

        Estimator.Remaining(job, Start).Likely.Should().Be(TimeSpan.FromMinutes(62));
        Estimator.AfterResume(job with { CheckpointStep = 1_000 }).Likely.Should().Be(TimeSpan.FromMinutes(31));
    }

    [Fact]
    public void Series_ranks_after_declared_duration_and_settled_progress()
    {
        var series = Job(100, 101, 102) with { RunningSince = Start };
        var told = new ProgressSeries
        {
            Points = [.. Enumerable.Range(0, 11).Select(i => new ProgressPoint(Start.AddSeconds(i), 10 * i, 30_000))],
        };

        Estimator.Remaining(series with { DeclaredDuration = TimeSpan.FromHours(1) }, Start).Source.Should().Be(EstimateSource.Declared);
        Estimator.Remaining(series with { Progress = told }, Start.AddSeconds(10)).Source.Should().Be(EstimateSource.Progress);
        Estimator.Remaining(series with { Progress = told.Thinned(2) }, Start.AddSeconds(10)).Source.Should().Be(EstimateSource.Series);
        Estimator
            .Remaining(Job(100) with { RunningSince = Start, Progress = told.Thinned(2) }, Start.AddSeconds(10))
            .Source.Should()
            .Be(EstimateSource.Progress, "one run is no better than a first guess");
        Estimator
            .Remaining(series with { Progress = told }, Start.AddMinutes(20))
            .Should()
            .Match<Estimate>(e => e.Stale && !e.IsKnown, "a hang is not what earlier runs did");
    }

    private static JobFacts Job(params int[] minutes) =>
        new() { EarlierRuns = [.. minutes.Select(m => new EarlierRun(TimeSpan.FromMinutes(m)))] };
}
