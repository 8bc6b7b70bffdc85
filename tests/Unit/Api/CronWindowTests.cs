using System.Globalization;
using Bursar.Api;

namespace Bursar.Tests.Unit.Api;

public sealed class CronWindowTests
{
    [Theory]
    // Working hours in Berlin (UTC+1 in winter); 2026-11-20 is a Friday.
    [InlineData("0 8 * * 1-5", "0 20 * * 1-5", "Europe/Berlin", "2026-11-20T06:59:59Z", false, "2026-11-20T07:00:00Z")]
    [InlineData("0 8 * * 1-5", "0 20 * * 1-5", "Europe/Berlin", "2026-11-20T07:00:00Z", true, "2026-11-20T19:00:00Z")]
    [InlineData("0 8 * * 1-5", "0 20 * * 1-5", "Europe/Berlin", "2026-11-20T19:00:00Z", false, "2026-11-23T07:00:00Z")]
    [InlineData("0 8 * * MON-FRI", "0 20 * * MON-FRI", "Europe/Berlin", "2026-11-21T12:00:00Z", false, "2026-11-23T07:00:00Z")]
    // The window spans midnight.
    [InlineData("0 22 * * *", "0 6 * * *", "UTC", "2026-11-20T23:00:00Z", true, "2026-11-21T06:00:00Z")]
    [InlineData("0 22 * * *", "0 6 * * *", "UTC", "2026-11-20T07:00:00Z", false, "2026-11-20T22:00:00Z")]
    // An end without its own start: KEDA is active on Saturday, because its next end comes before its next start. Here Friday's window has
    // ended.
    [InlineData("30 6 * * 1-5", "10 22 * * *", "Europe/Prague", "2026-11-28T10:00:00Z", false, "2026-11-28T21:10:00Z")]
    [InlineData("30 6 * * 1-5", "10 22 * * *", "Europe/Prague", "2026-11-27T10:00:00Z", true, "2026-11-27T21:10:00Z")]
    [InlineData("30 6 * * 1-5", "10 22 * * *", "Europe/Prague", "2026-11-30T05:30:00Z", true, "2026-11-30T21:10:00Z")]
    // Several starts in one window: KEDA pauses before each of them.
    [InlineData("*/10 8-18 * * *", "0 20 * * *", "UTC", "2026-11-20T08:05:00Z", true, "2026-11-20T08:10:00Z")]
    // A window that ends on Friday evening, and one that starts at the previous end.
    [InlineData("0 8 * * 1", "0 20 * * 5", "UTC", "2026-11-25T23:00:00Z", true, "2026-11-27T20:00:00Z")]
    [InlineData("0 8 * * *", "0 8,20 * * *", "UTC", "2026-11-20T12:00:00Z", true, "2026-11-20T20:00:00Z")]
    // Half-hour zones, and steps and lists.
    [InlineData("30 9 * * *", "0 18 * * *", "Asia/Kolkata", "2026-11-20T04:00:00Z", true, "2026-11-20T12:30:00Z")]
    [InlineData("0,30 * * * *", "15,45 * * * *", "UTC", "2026-11-20T04:10:00Z", true, "2026-11-20T04:15:00Z")]
    [InlineData("*/20 * * * *", "5/20 * * * *", "UTC", "2026-11-20T04:10:00Z", false, "2026-11-20T04:20:00Z")]
    // Sunday is 0 and 7 (2026-11-22 is one).
    [InlineData("0 0 * * 0", "0 12 * * 7", "UTC", "2026-11-22T06:00:00Z", true, "2026-11-22T12:00:00Z")]
    // With both a day of the month and of the week, either matches. The 15th is a Sunday; Mondays match too.
    [InlineData("0 8 15 * 1", "0 20 15 * 1", "UTC", "2026-11-15T09:00:00Z", true, "2026-11-15T20:00:00Z")]
    [InlineData("0 8 15 * 1", "0 20 15 * 1", "UTC", "2026-11-23T09:00:00Z", true, "2026-11-23T20:00:00Z")]
    [InlineData("0 8 15 * 1", "0 20 15 * 1", "UTC", "2026-11-24T09:00:00Z", false, "2026-11-30T08:00:00Z")]
    // Quartz: seconds first, Sunday is 1, the last Friday of a month.
    [InlineData("30 0 8 ? * 2-6", "0 0 20 ? * 2-6", "UTC", "2026-11-20T08:00:29Z", false, "2026-11-20T08:00:30Z")]
    [InlineData("0 0 8 ? * 6L", "0 0 20 ? * 6L", "UTC", "2026-11-27T09:00:00Z", true, "2026-11-27T20:00:00Z")]
    [InlineData("0 0 8 ? * 6L", "0 0 20 ? * 6L", "UTC", "2026-11-20T09:00:00Z", false, "2026-11-27T08:00:00Z")]
    // Years in the past, and a window that began and never ends.
    [InlineData("0 0 8 * * ? 2025", "0 0 20 * * ? 2025", "UTC", "2026-11-20T09:00:00Z", false, null)]
    [InlineData("0 0 8 1 1 ? 2026", "0 0 20 1 1 ? 2020", "UTC", "2026-11-20T09:00:00Z", true, null)]
    [InlineData("0 0 8 1 1 ? 2020", "0 0 20 * * ?", "UTC", "2026-11-20T09:00:00Z", false, "2026-11-20T20:00:00Z")]
    [InlineData("0 0 8 1 1 ? 2030", "0 0 20 1 1 ? 2020", "UTC", "2026-11-20T09:00:00Z", false, "2030-01-01T08:00:00Z")]
    // Spring in Berlin: 2026-03-29, 02:00 is 03:00, at 01:00 UTC. A skipped local time means the moment of the clock change.
    [InlineData("30 2 * * *", "0 4 * * *", "Europe/Berlin", "2026-03-29T00:59:59Z", false, "2026-03-29T01:00:00Z")]
    [InlineData("30 2 * * *", "0 4 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", true, "2026-03-29T02:00:00Z")]
    [InlineData("0 1 * * *", "30 2 * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", true, "2026-03-29T01:00:00Z")]
    [InlineData("0 1 * * *", "30 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", false, "2026-03-29T23:00:00Z")]
    // A window that lies completely within the skipped hour.
    [InlineData("10 2 * * *", "50 2 * * *", "Europe/Berlin", "2026-03-29T00:30:00Z", false, "2026-03-29T01:00:00Z")]
    [InlineData("10 2 * * *", "50 2 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", false, "2026-03-30T00:10:00Z")]
    // Autumn in Berlin: 2026-10-25, 03:00 is 02:00 again, at 01:00 UTC. A repeated local time means its first occurrence.
    [InlineData("30 2 * * *", "0 4 * * *", "Europe/Berlin", "2026-10-25T00:29:59Z", false, "2026-10-25T00:30:00Z")]
    [InlineData("30 2 * * *", "0 4 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", true, "2026-10-25T03:00:00Z")]
    [InlineData("0 1 * * *", "30 2 * * *", "Europe/Berlin", "2026-10-25T00:29:59Z", true, "2026-10-25T00:30:00Z")]
    [InlineData("0 1 * * *", "30 2 * * *", "Europe/Berlin", "2026-10-25T01:10:00Z", false, "2026-10-26T00:00:00Z")]
    public void Window_is_active_from_start_to_end(string start, string end, string zone, string now, bool active, string? edge)
    {
        var window = CronWindow.TryParse(start, end, zone, out string error);
        error.Should().BeEmpty();
        window!.IsActive(At(now)).Should().Be(active);
        window.NextEdge(At(now)).Should().Be(edge is null ? null : At(edge));
    }

    [Theory]
    [InlineData("0 8 * * *", "0 20 * * *", "Mars/Olympus", "timezone: no such time zone")]
    [InlineData("0 8 * *", "0 20 * * *", "UTC", "start: ")]
    [InlineData("0 8 * * *", "0 25 * * *", "UTC", "end: ")]
    [InlineData("0 8 * * *", "0 8 * * *", "UTC", "start and end are the same")]
    [InlineData("", "0 8 * * *", "UTC", "start: ")]
    [InlineData("@every 5m", "0 8 * * *", "UTC", "start: ")]
    [InlineData("x y z a b", "0 8 * * *", "UTC", "start: ")]
    public void Unreadable_window_is_refused(string start, string end, string zone, string reason)
    {
        CronWindow.TryParse(start, end, zone, out string error).Should().BeNull();
        error.Should().Contain(reason);
    }

    [Fact]
    public void Daily_window_in_Berlin_opens_and_closes_once_a_day_for_a_year()
    {
        var window = CronWindow.TryParse("0 8 * * *", "0 20 * * *", "Europe/Berlin", out _)!;
        var now = At("2026-01-01T00:00:00Z");
        var (edges, active) = (0, TimeSpan.Zero);
        while (window.NextEdge(now) is { } edge && edge < At("2027-01-01T00:00:00Z"))
        {
            if (window.IsActive(now))
                active += edge - now;
            window.IsActive(edge).Should().Be(!window.IsActive(edge.AddSeconds(-1)));
            now = edge;
            edges++;
        }
        edges.Should().Be(2 * 365);
        active.Should().Be(TimeSpan.FromHours(12 * 365));
    }

    private static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture);
}
