using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;
using Bursar.Core.Usage;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Core.Ledger;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Reports;

public sealed class CostReportTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly GpuHourPrice V100 = GpuHourPrice.FromDecimal(3.06m);

    /// <summary>For every grouping, the rows plus unallocated time equal the bill of the nodes exactly.</summary>
    [Fact]
    public void Every_grouping_adds_up_to_the_bills_of_the_nodes() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
            {
                var ledger = new LedgerWorld(seed).Told();
                var now = LedgerWorld.At(LedgerWorld.Seconds);
                var (a, b) = (new Random(seed).Next(LedgerWorld.Seconds), new Random(~seed).Next(LedgerWorld.Seconds + 60));
                var (from, to) = (LedgerWorld.At(Math.Min(a, b)), LedgerWorld.At(Math.Max(a, b)));
                foreach (var by in Enum.GetValues<ReportBy>())
                {
                    var report = CostReport.Create(ledger, new(from, to, by), now, _ => null);
                    (Sum(report.Rows) + report.Unallocated!.Value + report.NodeLost!.Value)
                        .Should()
                        .Be(report.Total, "by {0}, seed {1}", by, seed);
                    var ofNamespaces = LedgerWorld.Namespaces.Aggregate(Amount.Zero, (sum, ns) =>
                        sum + CostReport.Create(ledger, new(from, to, by, ns), now, _ => null).Total
                    );
                    ofNamespaces.Should().Be(Sum(report.Rows), "by {0}, seed {1}", by, seed);
                }
                return true;
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Report_by_day_divides_at_midnight_UTC()
    {
        var ledger = Ledger();
        ledger.Observe(Pod("p", "train") with { ScheduledAt = Start.AddHours(23), FinishedAt = Start.AddHours(26) });
        ledger.Record(
            Report(
                new UsageInterval
                {
                    From = Start.AddHours(23),
                    To = Start.AddHours(26),
                    BusyMs = 3 * 1_800_000,
                    EnergyMj = 9,
                }
            ),
            null
        );

        var report = CostReport.Create(ledger, new(Start, Start.AddDays(7), ReportBy.Day, "team"), Start.AddDays(7), _ => null);

        report
            .Rows.Select(row => (row.Day, row.Namespace, row.Spent.ToString(2)))
            .Should()
            .Equal(("2026-11-01", "team", "3.06"), ("2026-11-02", "team", "6.12"));
        report
            .Rows.Select(row => (row.WholeDays.Usage.MeasuredMs, row.WholeDays.Usage.BusyMs, row.WholeDays.Usage.EnergyMj))
            .Should()
            .Equal((3_600_000L, 1_800_000L, 3L), (7_200_000L, 3_600_000L, 6L));
        report.Rows.Select(row => row.WholeDays.Spent).Should().Equal(report.Rows.Select(row => row.Spent));
        report.Total.ToString(2).Should().Be("9.18");
    }

    [Fact]
    public void Unit_costs_are_those_of_the_whole_days_that_the_interval_touches()
    {
        var ledger = Ledger();
        ledger.Observe(Pod("yesterday", "chat") with { ScheduledAt = Start.AddDays(-1), FinishedAt = Start.AddHours(-1) });
        ledger.Observe(Pod("p", "chat"));
        ledger.Record(
            Report(
                new UsageInterval
                {
                    From = Start,
                    To = Start.AddHours(2),
                    BusyMs = 1_800_000,
                    EnergyMj = 720_000_000,
                },
                ("llama", 2_000_000, 1_060_000)
            ),
            null
        );
        var now = Start.AddHours(2);

        var row = CostReport.Create(ledger, new(Start.AddHours(1), now, ReportBy.Workload, "team"), now, _ => null).Rows.Single();

        row.Spent.Should().Be((V100 * 1).For(TimeSpan.FromHours(1)));
        var done = row.WholeDays;
        done.Spent.Should().Be((V100 * 1).For(TimeSpan.FromHours(2)));
        done.Measured.Should().Be(1);
        done.Activity.Should().Be(0.25);
        done.Idle.ToString().Should().Be("4.590000");
        UnitCosts.PerThousandTokens(done)!.Value.ToString().Should().Be("0.002000");
        UnitCosts.PerThousandPrompt(done)!.Value.ToString().Should().Be("0.003060");
        UnitCosts.PerThousandGenerated(done)!.Value.ToString(9).Should().Be("0.005773585");
        UnitCosts.PerGpuHour(done)!.Value.ToString(2).Should().Be("3.06");
        UnitCosts.JoulesPerToken(done).Should().BeApproximately(0.2353, 0.0001);
        UnitCosts.PerStep(done).Should().BeNull("no steps were reported");
    }

    [Fact]
    public void Workloads_models_share_its_cost_by_their_tokens()
    {
        var ledger = Ledger();
        ledger.Observe(Pod("p", "chat"));
        ledger.Observe(Pod("q", "train"));
        ledger.Record(
            Report(
                new UsageInterval
                {
                    From = Start,
                    To = Start.AddHours(1),
                    BusyMs = 10,
                },
                ("small", 100, 0),
                ("large", 150, 50)
            ),
            null
        );
        var now = Start.AddHours(1);

        var report = CostReport.Create(ledger, new(Start, now, ReportBy.Model, "team"), now, _ => null);

        report.Rows.Select(row => (row.Model, row.Spent.ToString(2))).Should().Equal(("", "3.06"), ("large", "2.04"), ("small", "1.02"));
        report.Total.ToString(2).Should().Be("6.12");
    }

    [Fact]
    public void Cost_per_token_counts_serving_workloads_only()
    {
        var ledger = Ledger();
        ledger.Observe(Pod("p", "chat"));
        ledger.Observe(Pod("q", "train"));
        ledger.Record(
            Report(
                new UsageInterval
                {
                    From = Start,
                    To = Start.AddHours(1),
                    BusyMs = 10,
                    EnergyMj = 3_060_000,
                },
                ("m", 3_060_000, 0)
            ),
            null
        );
        var now = Start.AddHours(1);

        foreach (var by in (ReportBy[])[ReportBy.Namespace, ReportBy.Day])
        {
            var row = CostReport.Create(ledger, new(Start, now, by, "team"), now, _ => null).Rows.Single();
            row.Spent.ToString(2).Should().Be("6.12");
            UnitCosts.PerThousandTokens(row.WholeDays)!.Value.ToString().Should().Be("0.001000");
            UnitCosts.JoulesPerToken(row.WholeDays).Should().BeApproximately(0.001, 1e-9);
        }
    }

    /// <summary>The step of the founding paper: 85 ms on a V100 at 3.06 USD/h; ten thousand steps cost about 0.72 USD.</summary>
    [Fact]
    public void Training_step_of_85_ms_costs_7_23e_5()
    {
        var ledger = Ledger();
        ledger.Observe(Pod("p", "train") with { FinishedAt = Start.AddSeconds(850) });

        var life = CostReport
            .Create(ledger, new(Start, Start.AddDays(1), ReportBy.Workload), Start.AddDays(1), uid => uid == "uid-train" ? 10_000 : null)
            .Rows.Single()
            .WholeDays;

        life.Spent.ToString().Should().Be("0.722500");
        UnitCosts.PerStep(life)!.Value.ToString(9).Should().Be("0.000072250");
    }

    [Fact]
    public void Slices_idle_time_costs_the_part_that_it_is_billed_as()
    {
        // A seventh of a GPU over seven hours, measured all the time, half idle.
        var done = new WholeDayUsage
        {
            Spent = (V100 * 1).For(TimeSpan.FromHours(1)),
            ReservedGpuMs = 3_600_000,
            Serving = default,
            Usage = UsageSums.None with { MeasuredMs = 7 * 3_600_000, BusyMs = 7 * 1_800_000 },
        };

        done.Idle.ToString().Should().Be("1.530000");
        done.Measured.Should().Be(1);
    }

    [Theory]
    [InlineData(0.75, 2_000, 1, "0.000416667", "a query of two seconds on an A10")]
    [InlineData(4.00, 1, 1, "0.000001111", "a millisecond of an A100")]
    [InlineData(2.00, 3_600_000, 500, "0.004000000", "two an hour, half a thousand units")]
    public void Unit_costs_equal_those_of_the_founding_paper(double rate, long milliseconds, long units, string cost, string what)
    {
        var spent = HourlyCost.FromDecimal((decimal)rate).For(TimeSpan.FromMilliseconds(milliseconds));
        var life = new WholeDayUsage
        {
            Spent = spent,
            ReservedGpuMs = milliseconds,
            Usage = UsageSums.None,
            Serving = default,
            Training = (units, spent),
        };

        UnitCosts.PerStep(life)!.Value.ToString(9).Should().Be(cost, what);
    }

    private static Amount Sum(IReadOnlyList<ReportRow> rows) => rows.Aggregate(Amount.Zero, (sum, row) => sum + row.Spent);

    private static GpuLedger Ledger()
    {
        var ledger = new GpuLedger();
        ledger.Install(Start);
        ledger.ObserveNode("n1", "Tesla-V100", 8, Start);
        ledger.Reprice("Tesla-V100", V100, Start);
        return ledger;
    }

    private static PodObservation Pod(string name, string job) =>
        new()
        {
            Uid = name,
            Pod = name,
            Workload = new("team", "Job", job, $"uid-{job}"),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string>(),
            Node = "n1",
            Product = "Tesla-V100",
            Gpus = 1,
            ScheduledAt = Start,
            ObservedAt = Start,
        };

    private static UsageReport Report(UsageInterval interval, params (string Model, long Prompt, long Generated)[] tokens) =>
        new()
        {
            Node = "n1",
            Epoch = "e",
            First = 1,
            Next = 2 + tokens.Length,
            Intervals = [interval with { Seq = 1, PodUid = "p", Namespace = "team", Pod = "p", Device = "GPU-0" }],
            Tokens =
            [
                .. tokens.Select(
                    (t, i) =>
                        new TokenSample
                        {
                            Seq = 2 + i,
                            PodUid = "p",
                            Model = t.Model,
                            Prompt = t.Prompt,
                            Generated = t.Generated,
                            At = interval.To,
                        }
                ),
            ],
        };
}
