using Bursar.Demo;

namespace Bursar.Tests.Unit.Demo;

public sealed class DemoCommandTests
{
    [Theory]
    [InlineData("--speed 60 --once", true)]
    [InlineData("--speed 0", false)]
    [InlineData("--speed -1", false)]
    [InlineData("--speed NaN", false)]
    [InlineData("--speed fast", false)]
    public void Demo_speed_is_a_positive_number(string line, bool right) =>
        (DemoCommand.Create().Parse(line).Errors.Count == 0).Should().Be(right);

    [Theory]
    [InlineData("2026-11-21T11:00:00Z")]
    [InlineData("2026-11-30T23:59:59Z")]
    [InlineData("2026-12-01T00:00:00Z")]
    [InlineData("2026-03-01T00:30:00Z")]
    [InlineData("2027-01-01T12:00:00Z")]
    public void Demo_starts_in_the_past_a_week_before_the_end_of_its_month(string wall)
    {
        var now = DateTimeOffset.Parse(wall);

        var start = DemoWorld.StartOf(now);

        start.Should().BeOnOrBefore(now.AddHours(-12));
        start.AddDays(7).Month.Should().Be(start.Month);
    }
}
