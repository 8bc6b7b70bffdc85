using Bursar.Core.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Text;

public sealed class ValueTextTests
{
    [Theory]
    [InlineData("0", 0)]
    [InlineData("90s", 90_000)]
    [InlineData("2h30m", 9_000_000)]
    [InlineData("1.5h", 5_400_000)]
    [InlineData("100ms", 100)]
    [InlineData(".5s", 500)]
    [InlineData("1.s", 1_000)]
    [InlineData("-1m", -60_000)]
    [InlineData("+1m", 60_000)]
    [InlineData("168h", 604_800_000)]
    [InlineData("1500us", 1.5)]
    [InlineData("1µs", 0.001)]
    [InlineData("1h1h", 7_200_000)]
    public void Durations_are_read_as_Go_reads_them(string text, double milliseconds)
    {
        GoDuration.TryParse(text, out var duration).Should().BeTrue();
        duration.TotalMilliseconds.Should().Be(milliseconds);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("s")]
    [InlineData("-")]
    [InlineData(".s")]
    [InlineData("1 d")]
    [InlineData("d")]
    [InlineData("200000d")]
    [InlineData("1 h")]
    [InlineData("1.2.3s")]
    [InlineData("1h-1m")]
    [InlineData("9999999999h")]
    [InlineData("1H")]
    public void Invalid_duration_is_refused(string? text) => GoDuration.TryParse(text, out _).Should().BeFalse();

    [Theory]
    [InlineData("90s", "1m30s")]
    [InlineData("150m", "2h30m")]
    [InlineData("0s", "0s")]
    [InlineData("1500ms", "1.5s")]
    [InlineData("0.1s", "100ms")]
    [InlineData("5m", "5m")]
    [InlineData("1.5ms", "1.5ms")]
    [InlineData("300ns", "300ns")]
    [InlineData("-36h", "-36h")]
    public void Durations_have_one_form(string text, string canonical)
    {
        GoDuration.TryParse(text, out var duration);
        GoDuration.Format(duration).Should().Be(canonical);
    }

    [Fact]
    public void Written_duration_reads_the_same() =>
        Prop.ForAll(ArbMap.Default.ArbFor<long>(), ticks =>
            {
                var duration = new TimeSpan(ticks % (long.MaxValue / 200));
                return GoDuration.TryParse(GoDuration.Format(duration), out var read) && read == duration;
            })
            .QuickCheckThrowOnFailure();

    [Theory]
    [InlineData("1500m", "1.5")]
    [InlineData("1.5Gi", "1610612736")]
    [InlineData("1536Mi", "1610612736")]
    [InlineData("2k", "2000")]
    [InlineData("12e6", "12000000")]
    [InlineData("12E-3", "0.012")]
    [InlineData("1E", "1000000000000000000")]
    [InlineData("100n", "0.0000001")]
    [InlineData("0.1n", "0.000000001")]
    [InlineData("-8", "-8")]
    [InlineData(".5", "0.5")]
    [InlineData("8.", "8")]
    [InlineData("16Ei", "9223372036854775807")]
    [InlineData("1e30", "9223372036854775807")]
    public void Quantities_are_read_by_value(string text, string value)
    {
        KubernetesQuantity.TryParse(text, out var quantity).Should().BeTrue();
        quantity.Value.Should().Be(decimal.Parse(value, System.Globalization.CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("")]
    [InlineData("K")]
    [InlineData("1K")]
    [InlineData("1ki")]
    [InlineData("1 Gi")]
    [InlineData("1.2.3")]
    [InlineData("--1")]
    [InlineData("1e")]
    [InlineData("1e+")]
    [InlineData("1mm")]
    public void Invalid_quantity_is_refused(string text) => KubernetesQuantity.TryParse(text, out _).Should().BeFalse();

    [Fact]
    public void Whole_numbers_of_quantities_are_rounded_up()
    {
        KubernetesQuantity.TryParse("1500m", out var quantity);
        quantity.ToInt64().Should().Be(2);
    }

    [Theory]
    [InlineData("*H100*", "NVIDIA-H100-80GB-HBM3", true)]
    [InlineData("*h100*", "NVIDIA-H100-80GB-HBM3", true)]
    [InlineData("*H100", "NVIDIA-H100-80GB-HBM3", false)]
    [InlineData("Tesla-?4", "Tesla-T4", true)]
    [InlineData("Tesla-?4", "Tesla-T40", false)]
    [InlineData("*", "", true)]
    [InlineData("?", "", false)]
    [InlineData("", "", true)]
    [InlineData("", "x", false)]
    [InlineData("a*b*c", "aXXbYYbZZc", true)]
    [InlineData("a**c", "ac", true)]
    public void Globs_match_the_whole_text(string pattern, string text, bool matches) => Glob.IsMatch(pattern, text).Should().Be(matches);

    [Fact]
    public void Hostile_glob_is_matched_quickly() =>
        Glob.IsMatch(string.Concat(Enumerable.Repeat("*a", 200)) + "b", new string('a', 5_000)).Should().BeFalse();

    [Theory]
    [InlineData("2026-11-21T10:08:57Z", "2026-11-21T10:08:57Z")]
    [InlineData("2026-11-21T11:08:57.1239+01:00", "2026-11-21T10:08:57.123Z")]
    [InlineData("2026-11-21T10:08:57.120456789Z", "2026-11-21T10:08:57.120Z")]
    public void Moments_are_UTC_with_whole_milliseconds(string text, string shown)
    {
        Rfc3339.TryParse(text, out var moment).Should().BeTrue();
        Rfc3339.Format(Rfc3339.Truncate(moment)).Should().Be(shown);
    }

    [Theory]
    [InlineData("2026-11-21")]
    [InlineData("2026-11-21T10:08:57")]
    [InlineData("2026-11-21 10:08:57Z")]
    [InlineData("2026-13-21T10:08:57Z")]
    [InlineData("2026-11-21T25:08:57Z")]
    [InlineData("2026-11-21T10:08:57.Z")]
    [InlineData("2026-11-21T10:08:57+0100")]
    public void Invalid_timestamp_is_refused(string text) => Rfc3339.TryParse(text, out _).Should().BeFalse();
}
