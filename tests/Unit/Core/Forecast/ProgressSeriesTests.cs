using Bursar.Core.Forecast;

namespace Bursar.Tests.Unit.Core.Forecast;

public sealed class ProgressSeriesTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Repeated_step_and_older_report_add_no_point()
    {
        var series = ProgressSeries.Empty.With(At(0, 10)).With(At(5, 10)).With(At(3, 20));

        series.Points.Should().Equal(At(0, 10), At(3, 20));
        series.With(At(2, 30)).Should().BeSameAs(series);
    }

    [Fact]
    public void Step_that_goes_back_starts_the_series_anew() =>
        ProgressSeries.Empty.With(At(0, 10)).With(At(5, 20)).With(At(9, 4)).Points.Should().Equal(At(9, 4));

    [Fact]
    public void Earlier_run_is_kept_until_the_new_one_has_a_step_time()
    {
        var series = ProgressSeries.Empty.With(At(0, 0)).With(At(5, 50)).With(At(10, 100)).With(At(99, 0));

        series.Earlier.Should().HaveCount(3);
        series.With(At(100, 3)).With(At(101, 1)).Earlier.Should().HaveCount(3, "a run without a step time does not replace it");
    }

    [Fact]
    public void Total_that_is_reported_later_is_recorded() =>
        ProgressSeries
            .Empty.With(new(Start, 10, null))
            .With(new(Start.AddSeconds(1), 10, 500))
            .Points.Should()
            .Equal(new ProgressPoint(Start, 10, 500));

    [Fact]
    public void Long_series_keeps_its_first_points_and_the_last_ones_and_some_of_all_between()
    {
        var series = ProgressSeries.Empty;
        for (var i = 0; i < 1_000; i++)
            series = series.With(At(i, i));

        series.Points.Should().HaveCount(ProgressSeries.MaxPoints);
        series.Points.Take(2).Select(p => p.Step).Should().Equal(0, 1);
        series
            .Points.TakeLast(ProgressSeries.Recent + 1)
            .Select(p => p.Step)
            .Should()
            .Equal(Enumerable.Range(983, 17).Select(i => (long)i));
        series
            .Points.Zip(series.Points.Skip(1), (one, next) => next.Step - one.Step)
            .Max()
            .Should()
            .BeLessThan(200, "a hole in the middle would hide what came back there");
    }

    private static ProgressPoint At(double seconds, long step) => new(Start.AddSeconds(seconds), step, null);
}
