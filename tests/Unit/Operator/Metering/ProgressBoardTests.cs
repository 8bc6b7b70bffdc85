using Bursar.Core.Forecast;
using Bursar.Operator.Metering;

namespace Bursar.Tests.Unit.Operator.Metering;

public sealed class ProgressBoardTests
{
    private static readonly DateTimeOffset Nine = new(2026, 11, 21, 9, 0, 0, TimeSpan.Zero);

    // A restarted operator sees the annotation before it has read its own memory: its one word once hid all that was known.
    [Fact]
    public void What_was_known_before_a_restart_is_not_hidden_by_the_annotations_last_word()
    {
        var board = new ProgressBoard();
        board.Report("job", new(Nine.AddMinutes(5), 144, 30000));
        board.Restore("job", new() { Points = [new(Nine, 1, 30000), new(Nine.AddSeconds(9), 100, 30000), new(Nine.AddSeconds(13), 144, 30000)] });

        var facts = new JobFacts { Progress = board.Series("job") };
        Estimator.AfterResume(facts).Source.Should().Be(EstimateSource.Progress);
        Estimator.AfterResume(facts).Mid.TotalSeconds.Should().BeApproximately(2727, 30);
    }

    [Fact]
    public void A_gang_is_as_far_as_its_slowest_rank()
    {
        var board = new ProgressBoard();
        board.Report("job", "rank-0", new(Nine, 50, 100));
        board.Report("job", "rank-1", new(Nine, 40, 100));
        board.Series("job").Last!.Value.Step.Should().Be(40);
        board.Forget("job", "rank-1");
        board.Series("job").Last!.Value.Step.Should().Be(50);
    }
}
