using Bursar.Core.Forecast;
using Bursar.Operator.Telemetry;

namespace Bursar.Tests.Unit.Operator.Telemetry;

public sealed class ProgressTrackerTests
{
    private static readonly DateTimeOffset Nine = new(2026, 11, 21, 9, 0, 0, TimeSpan.Zero);

    // A restarted operator sees the annotation before it has read its own memory: its one word once hid all that was known.
    [Fact]
    public void What_was_known_before_a_restart_is_not_hidden_by_the_annotations_last_word()
    {
        var board = new ProgressTracker();
        board.Report("job", new(Nine.AddMinutes(5), 144, 30000));
        board.Restore(
            "job",
            new() { Points = [new(Nine, 1, 30000), new(Nine.AddSeconds(9), 100, 30000), new(Nine.AddSeconds(13), 144, 30000)] }
        );

        var facts = new JobFacts { Progress = board.Series("job") };
        Estimator.AfterResume(facts).Source.Should().Be(EstimateSource.Progress);
        Estimator.AfterResume(facts).Likely.TotalSeconds.Should().BeApproximately(2727, 30);
    }

    // The memory was written at step 100, the job went on to 118 and was suspended; a minute later another replica took over
    // and read the annotation: 18 steps in a minute once made the job seem 15 times as dear, and it never came back.
    [Fact]
    public void The_annotation_read_at_a_take_over_has_no_time_of_its_own()
    {
        var board = new ProgressTracker();
        board.Report("job", new(Nine.AddSeconds(75), 118, 30000));
        board.Restore(
            "job",
            new() { Points = [new(Nine, 1, 30000), new(Nine.AddSeconds(4), 50, 30000), new(Nine.AddSeconds(9), 100, 30000)] }
        );
        Estimator.AfterResume(new() { Progress = board.Series("job") }).High.TotalSeconds.Should().BeLessThan(4000);
    }

    [Fact]
    public void Who_spoke_last_is_who_told_it()
    {
        var board = new ProgressTracker();
        board.Latest("job").ByAgent.Should().BeFalse();
        board.Report("job", "rank-0", new(Nine, 50, 100));
        board.Latest("job").ByAgent.Should().BeTrue();
        board.Report("job", new(Nine.AddSeconds(1), 51, 100));
        board.Latest("job").ByAgent.Should().BeFalse();
    }

    [Fact]
    public void A_gang_is_as_far_as_its_slowest_rank()
    {
        var board = new ProgressTracker();
        board.Report("job", "rank-0", new(Nine, 50, 100));
        board.Report("job", "rank-1", new(Nine, 40, 100));
        board.Series("job").Last!.Value.Step.Should().Be(40);
        board.Forget("job", "rank-1");
        board.Series("job").Last!.Value.Step.Should().Be(50);
    }
}
