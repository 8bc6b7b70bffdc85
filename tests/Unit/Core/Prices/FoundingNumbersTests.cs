using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Reports;

namespace Bursar.Tests.Unit.Core.Prices;

/// <summary>Examples of the founding articles at their rates.</summary>
public sealed class FoundingNumbersTests
{
    [Theory]
    [InlineData("NVIDIA-A10", 2_000, "0.000417")] // a query of two seconds: $0.0004
    [InlineData("Tesla-V100-SXM2-16GB", 85, "0.000072")] // a training step: $7.23e-5
    [InlineData("Tesla-V100-SXM2-16GB", 850_000, "0.722500")] // ten thousand of them: about $0.72
    [InlineData("Tesla-V100-SXM2-16GB", 2_700_000, "2.295000")] // the runaway job
    [InlineData("NVIDIA-A100-SXM4-80GB", 1, "0.000001")] // a millisecond: $1.11e-6
    public void Founding_examples_cost_time_times_rate(string product, long milliseconds, string cost) =>
        (DefaultPriceBook.Founding.RateFor(product)!.Value * 1).For(milliseconds).ToString().Should().Be(cost);

    [Fact]
    public void Units_below_a_millionth_are_exact()
    {
        // 7.225e-5 and 1.1111e-6 of a dollar: units are nano-dollars × 3,600,000.
        (DefaultPriceBook.Founding.RateFor("Tesla-V100-SXM2-16GB")!.Value * 1)
            .For(85)
            .Units.Should()
            .Be((Int128)72_250 * Amount.UnitsPerNano);
        (DefaultPriceBook.Founding.RateFor("NVIDIA-A100-SXM4-80GB")!.Value * 1).For(1).Units.Should().Be((Int128)4_000_000_000);
        DefaultPriceBook.Founding.RateFor("NVIDIA-A10G").Should().BeNull();
        DefaultPriceBook.Founding.RateFor("Tesla-T4").Should().Be(GpuHourPrice.FromDecimal(0.5m));
        DefaultPriceBook.Founding.RateFor("NVIDIA-H100-PCIe").Should().Be(GpuHourPrice.FromDecimal(2));
    }

    /// <summary>
    /// The same examples through the ledger: a pod, the price of its node, its usage, and its line in the report.
    /// </summary>
    [Theory]
    [InlineData("NVIDIA-A10", 0.75, 2_000, 0, 0, "0.000416667", null)] // a query: $0.0004
    [InlineData("Tesla-V100-SXM2-16GB", 3.06, 85, 1, 0, "0.000072250", "0.000072250")] // a step: $7.23e-5
    [InlineData("Tesla-V100-SXM2-16GB", 3.06, 850_000, 10_000, 0, "0.722500000", "0.000072250")] // 10,000 of them: $0.72
    [InlineData("Tesla-V100-SXM2-16GB", 3.06, 2_700_000, 30_000, 0, "2.295000000", "0.000076500")] // the runaway job
    [InlineData("NVIDIA-A100-SXM4-80GB", 4.00, 1, 0, 0, "0.000001111", null)] // a millisecond: $1.11e-6
    [InlineData("Tesla-T4", 0.50, 3_600_000, 0, 100_000, "0.500000000", "0.005000000")] // an hour of a T4 that made 100,000 tokens: the cost of a token follows from the time
    public void Founding_examples_are_the_same_in_the_ledger_and_the_report(
        string product,
        double perHour,
        long milliseconds,
        long steps,
        long tokens,
        string cost,
        string? each
    )
    {
        var start = new DateTimeOffset(2026, 11, 21, 9, 0, 0, TimeSpan.Zero);
        var end = start.AddMilliseconds(milliseconds);
        var rate = DefaultPriceBook.Founding.RateFor(product)!.Value;
        rate.Should().Be(GpuHourPrice.FromDecimal((decimal)perHour));
        var ledger = new GpuLedger();
        ledger.Install(start);
        ledger.Reprice(product, rate, start);
        ledger.ObserveNode("gpu-1", product, 1, start);
        ledger.Observe(
            new()
            {
                Uid = "p",
                Pod = "p",
                Workload = new("team", "Job", "work", "work"),
                Class = WorkloadClass.Training,
                Labels = new Dictionary<string, string>(),
                Node = "gpu-1",
                Gpus = 1,
                ScheduledAt = start,
                FinishedAt = end,
                ObservedAt = start,
            }
        );
        ledger.Record(
            new()
            {
                Node = "gpu-1",
                Epoch = "e",
                First = 1,
                Next = 3,
                Intervals =
                [
                    new()
                    {
                        Seq = 1,
                        PodUid = "p",
                        Namespace = "team",
                        Pod = "p",
                        Device = "GPU-0",
                        From = start,
                        To = end,
                        BusyMs = milliseconds,
                    },
                ],
                Tokens =
                [
                    new()
                    {
                        Seq = 2,
                        PodUid = "p",
                        Model = "m",
                        Prompt = tokens / 3,
                        Generated = tokens - tokens / 3,
                        At = end,
                    },
                ],
            },
            null
        );

        var line = CostReport.Create(ledger, new(start, end, ReportBy.Workload), end, _ => steps > 0 ? steps : null).Rows.Single();

        line.Spent.ToString(9).Should().Be(cost);
        var unit = steps > 0 ? UnitCosts.PerStep(line.WholeDays) : UnitCosts.PerThousandTokens(line.WholeDays);
        (unit?.ToString(9)).Should().Be(each);
    }
}
