using Bursar.Core.Budgets;

namespace Bursar.Tests.Unit.Core.Budgets;

public sealed class ReleaseMarkTests
{
    private static readonly DateTimeOffset At = new(2026, 11, 29, 18, 0, 0, TimeSpan.Zero);
    private static readonly WindowSpec Month = new(WindowPeriod.Month);

    [Fact]
    public void Mark_round_trips_through_its_annotation() =>
        ReleaseMark.Parse(new ReleaseMark(3, At).ToString()).Should().Be(new ReleaseMark(3, At));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("true")]
    [InlineData("3")]
    [InlineData("@2026-11-29T18:00:00Z")]
    [InlineData("-3@2026-11-29T18:00:00Z")]
    [InlineData("3@yesterday")]
    public void Text_that_cannot_be_read_releases_nothing(string? text) => ReleaseMark.Parse(text).Should().BeNull();

    [Fact]
    public void Mark_is_valid_for_its_spec_and_its_window_only()
    {
        var mark = new ReleaseMark(3, At);
        mark.Holds(3, Month, At.AddDays(1)).Should().BeTrue();
        mark.Holds(4, Month, At.AddDays(1)).Should().BeFalse("the spec changed");
        mark.Holds(3, Month, At.AddDays(3)).Should().BeFalse("the window is over");
        mark.Holds(3, new WindowSpec(WindowPeriod.Rolling) { Length = TimeSpan.FromDays(7) }, At.AddDays(30))
            .Should()
            .BeTrue("a rolling window has no end");
    }
}
