using Bursar.Api;
using Bursar.Core.Text;
using Bursar.Operator.Billing;

namespace Bursar.Tests.Unit.Operator.Billing;

public sealed class LedgerCompactorTests
{
    private static readonly DateTimeOffset Now = new(2026, 11, 21, 15, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("Day", null, "2026-11-19T15:00:00Z", "two days are longer")]
    [InlineData("Week", null, "2026-11-15T23:00:00Z", "Monday in Berlin")]
    [InlineData("Month", null, "2026-10-31T23:00:00Z", "the first in Berlin")]
    [InlineData("Quarter", null, "2026-09-30T22:00:00Z", "October's first is in summer time")]
    [InlineData("Year", null, "2025-12-31T23:00:00Z", "a year's budget keeps a year")]
    [InlineData("Rolling", "720h", "2026-10-22T15:00:00Z", "thirty days")]
    public void Facts_are_kept_for_the_length_of_the_windows(string period, string? length, string horizon, string why) =>
        Rfc3339.Format(LedgerCompactor.Horizon([Budget(period, length)], 2, Now)!.Value).Should().Be(horizon, why);

    [Fact]
    public void Longest_window_decides_and_the_option_applies_without_one() =>
        new[] { LedgerCompactor.Horizon([], 35, Now), LedgerCompactor.Horizon([Budget("Day"), Budget("Year"), Budget("Month")], 35, Now) }
            .Should()
            .Equal(Now.AddDays(-35), new DateTimeOffset(2025, 12, 31, 23, 0, 0, TimeSpan.Zero));

    [Fact]
    public void Unreadable_budget_prevents_compaction() =>
        LedgerCompactor.Horizon([Budget("Day"), Budget("Fortnight")], 35, Now).Should().BeNull();

    private static V1Alpha1GpuBudget Budget(string period, string? length = null) =>
        new()
        {
            Metadata = new() { Name = "b", Namespace = "team" },
            Spec = new()
            {
                Limit = new() { Cost = "1" },
                Window = new()
                {
                    Period = period,
                    Length = length,
                    TimeZone = length is null ? "Europe/Berlin" : null,
                },
            },
        };
}
