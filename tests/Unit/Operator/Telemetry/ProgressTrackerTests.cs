using Bursar.Core.Forecast;
using Bursar.Operator.Telemetry;

namespace Bursar.Tests.Unit.Operator.Telemetry;

public sealed class ProgressTrackerTests
{
    private static readonly DateTimeOffset Nine = new(2026, 11, 21, 9, 0, 0, TimeSpan.Zero);

    // A restarted operator sees the annotation before it has read its stored progress. That one point once hid all stored ones.
    [Fact]
    public void Progress_restored_after_a_restart_outranks_the_latest_annotation()
    {
        var tracker = new ProgressTracker();
        tracker.Report("job", new(Nine.AddMinutes(5), 144, 30000));
        tracker.Restore(
            "job",
            new() { Points = [new(Nine, 1, 30000), new(Nine.AddSeconds(9), 100, 30000), new(Nine.AddSeconds(13), 144, 30000)] }
        );

        var facts = new JobFacts { Progress = tracker.Series("job") };
        Estimator.AfterResume(facts).Source.Should().Be(EstimateSource.Progress);
        Estimator.AfterResume(facts).Likely.TotalSeconds.Should().BeApproximately(2727, 30);
    }

    // Progress was stored at step 100; the job reached step 118 and was suspended. A minute later another replica took over and read
    // the annotation. 18 steps in a minute once made the job seem 15 times as expensive, so it never resumed.
    [Fact]
    public void Annotation_read_at_a_take_over_adds_no_point_in_time()
    {
        var tracker = new ProgressTracker();
        tracker.Report("job", new(Nine.AddSeconds(75), 118, 30000));
        tracker.Restore(
            "job",
            new() { Points = [new(Nine, 1, 30000), new(Nine.AddSeconds(4), 50, 30000), new(Nine.AddSeconds(9), 100, 30000)] }
        );
        Estimator.AfterResume(new() { Progress = tracker.Series("job") }).High.TotalSeconds.Should().BeLessThan(4000);
    }

    [Fact]
    public void Latest_progress_names_its_source()
    {
        var tracker = new ProgressTracker();
        tracker.Latest("job").ByAgent.Should().BeFalse();
        tracker.Report("job", "rank-0", new(Nine, 50, 100));
        tracker.Latest("job").ByAgent.Should().BeTrue();
        tracker.Report("job", new(Nine.AddSeconds(1), 51, 100));
        tracker.Latest("job").ByAgent.Should().BeFalse();
    }

    [Fact]
    public void Progress_of_a_gang_is_that_of_its_slowest_rank()
    {
        var tracker = new ProgressTracker();
        tracker.Report("job", "rank-0", new(Nine, 50, 100));
        tracker.Report("job", "rank-1", new(Nine, 40, 100));
        tracker.Series("job").Last!.Value.Step.Should().Be(40);
        tracker.Forget("job", "rank-1");
        tracker.Series("job").Last!.Value.Step.Should().Be(50);
    }
}
