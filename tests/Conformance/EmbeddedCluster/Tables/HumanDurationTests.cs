using Bursar.Sandbox.Tables;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Tables;

public sealed class HumanDurationTests
{
    private const int Minute = 60;
    private const int Hour = 60 * Minute;
    private const int Day = 24 * Hour;

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(-1, "0s")]
    [InlineData(-2, "<invalid>")]
    [InlineData(119, "119s")]
    [InlineData(120, "2m")]
    [InlineData((5 * Minute) + 12, "5m12s")]
    [InlineData((10 * Minute) + 30, "10m")]
    [InlineData((3 * Hour) - 1, "179m")]
    [InlineData(3 * Hour, "3h")]
    [InlineData((3 * Hour) + (7 * Minute), "3h7m")]
    [InlineData(9 * Hour, "9h")]
    [InlineData((2 * Day) - 1, "47h")]
    [InlineData((2 * Day) + (4 * Hour), "2d4h")]
    [InlineData((9 * Day) + (4 * Hour), "9d")]
    [InlineData(730 * Day, "2y")]
    [InlineData(735 * Day, "2y5d")]
    [InlineData(365 * 9 * Day, "9y")]
    public void Duration_shows_at_most_two_units(int seconds, string expected) =>
        HumanDuration.Format(TimeSpan.FromSeconds(seconds)).Should().Be(expected);
}
