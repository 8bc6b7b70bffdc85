using Bursar.Core.Budgets;
using FsCheck.Fluent;
using NodaTime;

namespace Bursar.Tests.Unit.Core.Budgets;

public sealed class WindowTests
{
    private static readonly WindowPeriod[] Calendar =
    [
        WindowPeriod.Hour,
        WindowPeriod.Day,
        WindowPeriod.Week,
        WindowPeriod.Month,
        WindowPeriod.Quarter,
        WindowPeriod.Year,
    ];

    [Theory]
    [InlineData(WindowPeriod.Hour, "2026-11-21T13", "2026-11-21T12:00:00Z", "2026-11-21T13:00:00Z")]
    [InlineData(WindowPeriod.Day, "2026-11-21", "2026-11-20T23:00:00Z", "2026-11-21T23:00:00Z")]
    [InlineData(WindowPeriod.Week, "2026-W47", "2026-11-15T23:00:00Z", "2026-11-22T23:00:00Z")]
    [InlineData(WindowPeriod.Month, "2026-11", "2026-10-31T23:00:00Z", "2026-11-30T23:00:00Z")]
    [InlineData(WindowPeriod.Quarter, "2026-Q4", "2026-09-30T22:00:00Z", "2026-12-31T23:00:00Z")]
    [InlineData(WindowPeriod.Year, "2026", "2025-12-31T23:00:00Z", "2026-12-31T23:00:00Z")]
    public void Moment_in_Berlin_lies_in_the_expected_window(WindowPeriod period, string key, string start, string end)
    {
        var spec = new WindowSpec(period, "Europe/Berlin");
        Window.At(spec, At("2026-11-21T12:34:56Z")).Should().Be(new Window(At(start), At(end), key));
        Window.IsKeyOf(spec, key).Should().BeTrue();
        Window.NextEdge(spec, At("2026-11-21T12:34:56Z")).Should().Be(At(end));
        Window.NextEdge(spec, At(end)).Should().BeAfter(At(end));
    }

    [Theory]
    [InlineData("2026-03-29T12:00:00Z", 23)]
    [InlineData("2026-10-25T12:00:00Z", 25)]
    [InlineData("2026-10-26T12:00:00Z", 24)]
    public void Days_have_23_to_25_hours(string now, int hours) =>
        Window.At(new(WindowPeriod.Day, "Europe/Berlin"), At(now)).Length.Should().Be(TimeSpan.FromHours(hours));

    [Fact]
    public void Hour_that_clocks_repeat_is_two_windows_with_two_names()
    {
        var spec = new WindowSpec(WindowPeriod.Hour, "Europe/Berlin");
        Window.At(spec, At("2026-10-25T00:30:00Z")).Key.Should().Be("2026-10-25T02");
        Window.At(spec, At("2026-10-25T01:30:00Z")).Key.Should().Be("2026-10-25T02+01:00");
        Window.IsKeyOf(spec, "2026-10-25T02+01:00").Should().BeTrue();
    }

    [Fact]
    public void Clocks_that_shift_by_half_an_hour_make_an_hour_of_ninety_minutes() =>
        // Lord Howe: 02:00 → 01:30 on 2026-04-05.
        Window.At(new(WindowPeriod.Hour, "Australia/Lord_Howe"), At("2026-04-04T14:45:00Z")).Length.Should().Be(TimeSpan.FromMinutes(90));

    [Fact]
    public void Day_whose_midnight_does_not_exist_begins_after_the_jump() =>
        // Cairo: 00:00 → 01:00 on 2026-04-24.
        Window
            .At(new(WindowPeriod.Day, "Africa/Cairo"), At("2026-04-24T12:00:00Z"))
            .Should()
            .Be(new Window(At("2026-04-23T22:00:00Z"), At("2026-04-24T21:00:00Z"), "2026-04-24"));

    [Fact]
    public void Date_that_a_zone_skipped_has_no_window()
    {
        var spec = new WindowSpec(WindowPeriod.Day, "Pacific/Apia"); // no 2011-12-30
        var before = Window.At(spec, At("2011-12-30T09:59:59Z"));
        before.Key.Should().Be("2011-12-29");
        Window.At(spec, before.End).Key.Should().Be("2011-12-31");
        Window.At(spec, before.End).Length.Should().Be(TimeSpan.FromHours(24));
    }

    [Fact]
    public void ISO_week_of_new_year_belongs_to_the_year_of_its_Thursday()
    {
        Window.At(new(WindowPeriod.Week), At("2027-01-02T00:00:00Z")).Key.Should().Be("2026-W53");
        Window.IsKeyOf(new(WindowPeriod.Week), "2026-W53").Should().BeTrue();
        Window.IsKeyOf(new(WindowPeriod.Week), "2027-W53").Should().BeFalse();
    }

    [Fact]
    public void Rolling_window_has_no_edge_and_looks_back()
    {
        var spec = new WindowSpec(WindowPeriod.Rolling, "UTC", TimeSpan.FromHours(168));
        var now = At("2026-11-21T12:00:00Z");
        Window.At(spec, now).Should().Be(new Window(now.AddDays(-7), now, "rolling"));
        Window.NextEdge(spec, now).Should().BeNull();
    }

    [Fact]
    public void Once_window_begins_ends_and_never_returns()
    {
        var start = At("2026-11-01T00:00:00Z");
        var end = At("2026-12-01T00:00:00Z");
        var spec = new WindowSpec(WindowPeriod.Once, "UTC", null, start, end);
        Window.NextEdge(spec, start.AddDays(-1)).Should().Be(start);
        Window.NextEdge(spec, start).Should().Be(end);
        Window.NextEdge(spec, end).Should().BeNull();
        Window.At(spec, end.AddYears(1)).Should().Be(new Window(start, end, "once"));
    }

    [Fact]
    public void Windows_tile_time_in_every_zone()
    {
        var zones = DateTimeZoneProviders.Tzdb.Ids.ToArray();
        zones.Length.Should().BeGreaterThan(400);
        var moments = Gen.Choose(0, 2_000_000_000)
            .Select(second => DateTimeOffset.FromUnixTimeSeconds(second).AddMilliseconds(second % 997));
        foreach (var zone in zones)
        foreach (var now in moments.Sample(4).Concat(Transitions(zone)))
        foreach (var period in Calendar)
            Check(new(period, zone), now);
    }

    private static void Check(WindowSpec spec, DateTimeOffset now)
    {
        var window = Window.At(spec, now);
        var context = $"{spec.Period} {spec.TimeZone} {now:O}";
        if (!window.Contains(now))
            throw new InvalidOperationException($"{context}: {window} does not hold the moment");
        if (Window.At(spec, window.Start) != window)
            throw new InvalidOperationException($"{context}: another window at its start");
        if (Window.At(spec, window.End.AddTicks(-1)) != window)
            throw new InvalidOperationException($"{context}: another window before its end");
        var next = Window.At(spec, window.End);
        if (next.Start != window.End || next.Key == window.Key)
            throw new InvalidOperationException($"{context}: {window} is followed by {next}");
        if (!Window.IsKeyOf(spec, window.Key))
            throw new InvalidOperationException($"{context}: {window.Key} is not taken as a key");
    }

    /// <summary>Times around the last clock changes of the zone, where gaps are most likely.</summary>
    private static IEnumerable<DateTimeOffset> Transitions(string zone) =>
        DateTimeZoneProviders
            .Tzdb[zone]
            .GetZoneIntervals(Instant.FromUtc(1970, 1, 1, 0, 0), Instant.FromUtc(2030, 1, 1, 0, 0))
            .Where(interval => interval.HasStart && interval.Start > Instant.FromUtc(1970, 1, 1, 0, 0))
            .TakeLast(3)
            .SelectMany(interval => new[] { -1, 0, 1, 1800 }.Select(seconds => interval.Start.ToDateTimeOffset().AddSeconds(seconds)));

    [Theory]
    [InlineData(WindowPeriod.Hour, "2026-11-21")]
    [InlineData(WindowPeriod.Hour, "2026-11-21T24")]
    [InlineData(WindowPeriod.Day, "2026-02-29")]
    [InlineData(WindowPeriod.Day, "2026-11")]
    [InlineData(WindowPeriod.Week, "2026-11")]
    [InlineData(WindowPeriod.Week, "2026-W00")]
    [InlineData(WindowPeriod.Month, "2026-13")]
    [InlineData(WindowPeriod.Month, "2026-1")]
    [InlineData(WindowPeriod.Month, "2026-W47")]
    [InlineData(WindowPeriod.Quarter, "2026-Q5")]
    [InlineData(WindowPeriod.Year, "26")]
    [InlineData(WindowPeriod.Year, "")]
    [InlineData(WindowPeriod.Rolling, "2026")]
    [InlineData(WindowPeriod.Once, "rolling")]
    public void Top_up_for_another_kind_of_window_is_detected(WindowPeriod period, string key) =>
        Window.IsKeyOf(new(period), key).Should().BeFalse();

    [Fact]
    public void Impossible_specs_are_refused_with_the_path()
    {
        static string[] Paths(WindowSpec spec) => [.. spec.Validate("spec.window").Select(error => error.Path)];
        Paths(new(WindowPeriod.Month, "Europe/Berlin")).Should().BeEmpty();
        Paths(new(WindowPeriod.Month, "Mars/Olympus")).Should().Equal("spec.window.timeZone");
        Paths(new(WindowPeriod.Month, "")).Should().Equal("spec.window.timeZone");
        Paths(new((WindowPeriod)99)).Should().Equal("spec.window.period");
        Paths(new(WindowPeriod.Rolling)).Should().Equal("spec.window.length");
        Paths(new(WindowPeriod.Rolling, "UTC", TimeSpan.Zero)).Should().Equal("spec.window.length");
        Paths(new(WindowPeriod.Rolling, "UTC", TimeSpan.FromHours(168))).Should().BeEmpty();
        Paths(new(WindowPeriod.Day, "UTC", TimeSpan.FromHours(1))).Should().Equal("spec.window.length");
        Paths(new(WindowPeriod.Once)).Should().Equal("spec.window.start", "spec.window.end");
        Paths(new(WindowPeriod.Once, "UTC", null, At("2026-01-02T00:00:00Z"), At("2026-01-01T00:00:00Z")))
            .Should()
            .Equal("spec.window.end");
        Paths(new(WindowPeriod.Day, "UTC", null, At("2026-01-02T00:00:00Z"))).Should().Equal("spec.window.start");
    }

    private static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
}
