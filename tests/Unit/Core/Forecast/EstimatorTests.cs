using Bursar.Core.Forecast;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Tests.Unit.Core.Forecast;

public sealed class EstimatorTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);
    private static readonly HourlyCost V100 = HourlyCost.FromDecimal(3.06m);

    [Fact]
    public void Founding_example_100_steps_at_90_ms_of_30000_are_2700_s_and_2_295()
    {
        var job = Job(Steady(0.090, 10, 11), 30_000);

        var estimate = Estimator.Remaining(job, Start.AddSeconds(9));

        estimate.Source.Should().Be(EstimateSource.Progress);
        estimate.Settled.Should().BeTrue();
        var whole = TimeSpan.FromSeconds(9) + estimate.Likely;
        whole.Should().BeCloseTo(TimeSpan.FromSeconds(2_700), TimeSpan.FromMilliseconds(10));
        V100.For(TimeSpan.FromSeconds(2_700)).ToString().Should().Be("2.295000");
        ((double)(V100.For(whole) - V100.For(TimeSpan.FromSeconds(2_700))).Units).Should().BeInRange(-1e12, 1e12);
    }

    [Theory]
    [InlineData(2, 50, false)] // one stretch, however long, is no proof
    [InlineData(3, 10, false)] // 20 steps are not 100
    [InlineData(3, 50, true)]
    [InlineData(11, 10, true)]
    public void Estimate_settles_with_100_consistent_steps(int points, int stepsEach, bool settled) =>
        Estimator
            .Remaining(Job(Steady(0.09, stepsEach, points), 30_000), Start.AddSeconds(0.09 * stepsEach * (points - 1)))
            .Settled.Should()
            .Be(settled);

    [Fact]
    public void Two_minutes_settle_slow_steps() =>
        Estimator.Remaining(Job(Steady(30, 1, 6), 1_000), Start.AddSeconds(150)).Settled.Should().BeTrue();

    [Fact]
    public void Single_stretch_with_a_warm_up_stays_unsettled()
    {
        // Ten minutes of compilation, then 100 steps of 90 ms: 6 s a step would project 50 hours.
        var job = Job(new ProgressSeries { Points = [new(Start, 0, 30_000), new(Start.AddSeconds(609), 100, 30_000)] });

        var estimate = Estimator.Remaining(job, Start.AddSeconds(609));

        estimate.Settled.Should().BeFalse();
        estimate.Low.Should().Be(TimeSpan.Zero);
    }

    [Fact]
    public void Warm_up_leaves_the_median_after_a_few_reports()
    {
        List<ProgressPoint> points = [new(Start, 0, 30_000)];
        for (var i = 1; i <= 8; i++)
            points.Add(new(Start.AddSeconds(600 + i * 9), i * 100, 30_000));

        var estimate = Estimator.Remaining(Job(new ProgressSeries { Points = points }), Start.AddSeconds(672));

        estimate.Likely.TotalSeconds.Should().BeApproximately(29_200 * 0.09, 1);
        estimate.High.Should().BeGreaterThan(TimeSpan.FromHours(5), "the mean of the whole run keeps the warm-up");
    }

    [Fact]
    public void Job_that_becomes_slow_is_seen_within_a_series()
    {
        var series = Steady(0.09, 50, 400);
        var last = series.Last!.Value;
        for (var i = 1; i <= 32; i++)
            series = series.With(new(last.At.AddSeconds(i * 9), last.Step + i * 50, 30_000));

        Estimator.Remaining(Job(series), series.Last!.Value.At).Detail.Should().StartWith("0.18 s per step");
    }

    [Fact]
    public void Time_since_the_last_report_reduces_the_remaining_time()
    {
        var job = Job(Steady(0.09, 100, 4), 30_000);

        var then = Estimator.Remaining(job, Start.AddSeconds(27));
        var later = Estimator.Remaining(job, Start.AddSeconds(35));

        (then.Likely - later.Likely).Should().Be(TimeSpan.FromSeconds(8));
    }

    [Fact]
    public void Progress_stalled_for_five_minutes_makes_the_estimate_unknown()
    {
        var job = Job(Steady(0.09, 100, 4), 30_000);

        Estimator.Remaining(job, Start.AddSeconds(27 + 300)).IsKnown.Should().BeTrue();
        var stalled = Estimator.Remaining(job, Start.AddSeconds(27 + 301));

        stalled.IsKnown.Should().BeFalse();
        stalled.Stale.Should().BeTrue();
        stalled.Detail.Should().Contain("09:00:27 UTC");
    }

    [Fact]
    public void Slow_steps_have_ten_of_them_before_they_are_a_stall()
    {
        var job = Job(Steady(60, 1, 6), 1_000);

        Estimator.IsStalled(job, Start.AddSeconds(300 + 599)).Should().BeFalse();
        Estimator.IsStalled(job, Start.AddSeconds(300 + 601)).Should().BeTrue();
    }

    [Fact]
    public void Estimate_prefers_progress_then_completions_then_declared_duration()
    {
        var declared = new JobFacts { DeclaredDuration = TimeSpan.FromMinutes(20), RunningSince = Start };
        Estimator
            .Remaining(declared, Start.AddMinutes(5))
            .Should()
            .Match<Estimate>(e => e.Source == EstimateSource.Declared && e.Likely == TimeSpan.FromMinutes(15));

        var counted = declared with
        {
            Pieces =
            [
                new()
                {
                    Total = 10,
                    AtOnce = 1,
                    Ended = 2,
                    Finished = [TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(5)],
                },
            ],
        };
        Estimator
            .Remaining(counted, Start.AddMinutes(10))
            .Should()
            .Match<Estimate>(e => e.Source == EstimateSource.Completions && e.Likely == TimeSpan.FromMinutes(40));

        var moving = counted with { Progress = Steady(0.09, 100, 4), DeclaredSteps = 30_000 };
        Estimator.Remaining(moving, Start.AddSeconds(27)).Source.Should().Be(EstimateSource.Progress);

        Estimator
            .Remaining(declared, Start.AddMinutes(21))
            .Should()
            .Match<Estimate>(e => !e.IsKnown && e.Detail.Contains("expected-duration"));
        Estimator.Remaining(new(), Start).IsKnown.Should().BeFalse();
    }

    [Theory]
    [InlineData("20m", "20m1s", "59s")]
    [InlineData("20m", "21m", null)]
    [InlineData("1h", "1h2m", "1m")]
    [InlineData("10s", "39s", "1s")]
    [InlineData("10s", "41s", null)]
    public void Declared_duration_exceeded_by_less_than_a_twentieth_stays_known(string declared, string runs, string? left)
    {
        var job = new JobFacts { DeclaredDuration = Duration(declared), RunningSince = Start };

        var estimate = Estimator.Remaining(job, Start + Duration(runs));

        if (left is null)
            estimate.IsKnown.Should().BeFalse();
        else
            estimate.Likely.Should().Be(Duration(left));

        static TimeSpan Duration(string text) => GoDuration.TryParse(text, out var duration) ? duration : throw new FormatException(text);
    }

    [Fact]
    public void Deadline_caps_the_high_end_only()
    {
        var job = Job(Steady(0.09, 100, 4), 30_000) with { ActiveDeadline = TimeSpan.FromMinutes(10), RunningSince = Start };
        Estimator.Remaining(job, Start.AddSeconds(27)).High.Should().Be(TimeSpan.FromSeconds(573));

        Estimator.Remaining(new() { ActiveDeadline = TimeSpan.FromMinutes(10), RunningSince = Start }, Start).IsKnown.Should().BeFalse();
    }

    [Fact]
    public void Deadline_counts_from_the_start_of_the_job_and_not_of_its_present_pod()
    {
        var job = new JobFacts
        {
            ActiveDeadline = TimeSpan.FromHours(1),
            DeclaredDuration = TimeSpan.FromHours(10),
            StartedAt = Start,
            RunningSince = Start.AddMinutes(50),
        };

        Estimator.Remaining(job, Start.AddMinutes(55)).High.Should().Be(TimeSpan.FromMinutes(5));
        Estimator
            .Remaining(job with { RunningSince = null }, Start.AddMinutes(52))
            .High.Should()
            .Be(TimeSpan.FromMinutes(8), "between two pods it runs on");
    }

    [Fact]
    public void Suspended_job_starts_at_its_checkpoint_else_at_zero()
    {
        var job = Job(Steady(0.09, 100, 11), 30_000);

        Estimator.AfterResume(job).Likely.TotalSeconds.Should().BeApproximately(2_700, 0.01);
        Estimator.AfterResume(job with { CheckpointStep = 1_000 }).Likely.TotalSeconds.Should().BeApproximately(2_610, 0.01);
        Estimator
            .AfterResume(new() { DeclaredDuration = TimeSpan.FromHours(3), RunningSince = Start })
            .Likely.Should()
            .Be(TimeSpan.FromHours(3));
        Estimator.AfterResume(new()).IsKnown.Should().BeFalse();
    }

    [Fact]
    public void Job_that_was_resumed_is_not_stalled_by_what_its_earlier_run_reported_last()
    {
        var resumed = Start.AddDays(3);
        var job = Job(Steady(0.09, 100, 11), 30_000) with { RunningSince = resumed };

        var estimate = Estimator.Remaining(job, resumed.AddSeconds(60));
        estimate.Stale.Should().BeFalse();
        estimate.Likely.TotalSeconds.Should().BeApproximately(2_640, 0.01, "it began again at zero a minute ago");
        Estimator.Remaining(job with { RunningSince = null }, resumed).Likely.TotalSeconds.Should().BeApproximately(2_700, 0.01);
        Estimator.Remaining(job, resumed.AddSeconds(301)).Stale.Should().BeTrue();
    }

    [Fact]
    public void Restarted_run_is_estimated_from_its_first_report_on_by_the_run_before()
    {
        var again = Start.AddHours(1);
        var job = Job(Steady(0.09, 100, 11).With(new(again.AddSeconds(5), 0, null)), 30_000) with { RunningSince = again };

        Estimator.Remaining(job, again.AddSeconds(5)).Likely.TotalSeconds.Should().BeApproximately(2_700, 0.01);
    }

    [Fact]
    public void Restarted_run_keeps_the_earlier_step_time_until_its_own_settles()
    {
        var again = Start.AddHours(1);
        var series = Steady(0.4, 20, 11);
        for (var i = 0; i < 5; i++)
            series = series.With(new(again.AddSeconds(2 * i), 5 * i, null));
        var job = Job(series, 30_000) with { RunningSince = again, DeclaredDuration = TimeSpan.FromMinutes(20) };

        var estimate = Estimator.Remaining(job, again.AddSeconds(8));

        estimate.Source.Should().Be(EstimateSource.Progress, "measured progress disproves the declared duration");
        estimate.Likely.TotalSeconds.Should().BeApproximately(11_992, 0.01);
    }

    [Fact]
    public void Declared_duration_applies_until_progress_has_settled()
    {
        var job = Job(Steady(0.09, 10, 4), 30_000) with { DeclaredDuration = TimeSpan.FromMinutes(20) };

        Estimator.Remaining(job, Start.AddSeconds(3)).Source.Should().Be(EstimateSource.Declared);
        Estimator.Remaining(job with { Progress = Steady(0.09, 10, 11) }, Start.AddSeconds(9)).Source.Should().Be(EstimateSource.Progress);
    }

    private static ProgressSeries Steady(double secondsPerStep, int stepsEach, int points)
    {
        var series = ProgressSeries.Empty;
        for (var i = 0; i < points; i++)
            series = series.With(new(Start.AddSeconds(secondsPerStep * stepsEach * i), stepsEach * i, null));
        return series;
    }

    private static JobFacts Job(ProgressSeries progress, long? total = null) =>
        new()
        {
            Progress = progress,
            DeclaredSteps = total,
            RunningSince = Start,
        };
}
