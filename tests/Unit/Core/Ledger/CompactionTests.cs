using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Core.Reports;
using Bursar.Core.Text;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>Compacted days report the same as the facts that they replace.</summary>
public sealed class CompactionTests
{
    // The world covers four minutes around midnight; pods that do not end in it run on.
    private static readonly DateTimeOffset Now = LedgerWorld.Zero.AddDays(6);
    private static readonly DateTimeOffset Third = new(2026, 10, 27, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Report_is_the_same_after_compaction() =>
        ForEachWorld(
            (world, _) =>
            {
                var (facts, compacted) = (world.Told(), world.Told());
                compacted.Compact(Third, Now).Should().BeTrue();
                var stored = new Dictionary<string, string>();
                LedgerWorld.Write(compacted, stored);

                Reports(LedgerWorld.Read(stored.Values)).Should().Be(Reports(facts));
            }
        );

    [Fact]
    public void Time_that_windows_still_reach_is_charged_as_before() =>
        ForEachWorld(
            (world, random) =>
            {
                var (facts, compacted) = (world.Told(), world.Told());
                compacted.Compact(Third, Now);
                var from = Third.AddMilliseconds(random.Next(100_000_000));
                foreach (var ns in LedgerWorld.Namespaces)
                {
                    compacted
                        .Spent(ns, LedgerWorld.Team("nlp"), from, Now, Now)
                        .Should()
                        .Be(facts.Spent(ns, LedgerWorld.Team("nlp"), from, Now, Now));
                    compacted
                        .RatePerHour(ns, LabelSelector.Everything, Now)
                        .Should()
                        .Be(facts.RatePerHour(ns, LabelSelector.Everything, Now));
                }
                foreach (var node in world.NodeNames)
                    compacted.Bill(node, from, Now, Now).Should().BeEquivalentTo(facts.Bill(node, from, Now, Now));
                compacted.DetailSince.Should().Be(Third);
            }
        );

    [Fact]
    public void Crash_between_two_writes_counts_each_day_once() =>
        ForEachWorld(
            (world, random) =>
            {
                var stored = new Dictionary<string, string>();
                var ledger = world.Told();
                LedgerWorld.Write(ledger, stored);
                for (var attempt = 0; attempt < 6; attempt++)
                {
                    ledger.Compact(Third, Now);
                    // The partial write that precedes the suspension of a new pod.
                    if (random.Next(2) == 0)
                    {
                        ledger.Observe(
                            world.Observations[0] with
                            {
                                Uid = $"late-{attempt}",
                                ScheduledAt = Now.AddDays(1),
                                FinishedAt = null,
                                GoneAt = null,
                                IsGone = false,
                                ObservedAt = Now.AddDays(1),
                            }
                        );
                        LedgerWorld.Write(ledger, stored, ledger.ArrivalShards(world.Observations[0].Workload.Namespace), _ =>
                            random.Next(3) > 0
                        );
                    }
                    else
                    {
                        LedgerWorld.Write(ledger, stored, _ => random.Next(3) > 0);
                    }
                    Reports(LedgerWorld.Read(stored.Values)).Should().Be(Reports(world.Told()), "a report is complete at every moment");
                    ledger = AsOperator(stored);
                    // The API lists pods that ended long ago until their objects are deleted.
                    foreach (var last in world.Observations.GroupBy(one => one.Uid).Select(pod => pod.MaxBy(one => one.ObservedAt)!))
                        ledger.Observe(last);
                }
                LedgerWorld.Write(ledger, stored);
                ledger.Compact(Third, Now);
                LedgerWorld.Write(ledger, stored);
                Reports(LedgerWorld.Read(stored.Values)).Should().Be(Reports(world.Told()));
                Shards(stored)
                    .Where(shard => shard.Kind == LedgerShard.PodsKind)
                    .SelectMany(shard => shard.Pods!)
                    .Should()
                    .NotContain(pod => (pod.Finished ?? pod.Gone) <= Third.ToUnixTimeMilliseconds());
            }
        );

    [Fact]
    public void Days_are_summed_a_week_at_a_time_and_never_the_last_two()
    {
        var ledger = new LedgerWorld(1).Told();
        var now = LedgerWorld.Zero.AddDays(20);

        ledger.Compact(now, now).Should().BeTrue();
        ledger.DetailSince.Should().Be(new DateTimeOffset(2026, 10, 31, 0, 0, 0, TimeSpan.Zero));
        while (ledger.Compact(now, now)) { }
        ledger.DetailSince.Should().Be(new DateTimeOffset(2026, 11, 12, 0, 0, 0, TimeSpan.Zero), "the day of now is the 13th");
    }

    [Fact]
    public void Sums_are_forgotten_with_their_objects_when_they_are_old()
    {
        var stored = new Dictionary<string, string>();
        var ledger = new LedgerWorld(1).Told();
        ledger.Compact(Third, Now);
        LedgerWorld.Write(ledger, stored);
        stored
            .Keys.Where(name => name.StartsWith("day.", StringComparison.Ordinal))
            .Should()
            .BeEquivalentTo("day.2026-10-24-0", "day.2026-10-25-0", "day.2026-10-26-0");

        ledger = AsOperator(stored);
        ledger.SumsSince.Should().Be(LedgerWorld.Zero);
        ledger.ForgetSums(Third.AddDays(-1)).Should().BeTrue();
        LedgerWorld.Write(ledger, stored);

        stored.Keys.Where(name => name.StartsWith("day.", StringComparison.Ordinal)).Should().BeEquivalentTo("day.2026-10-26-0");
        var read = LedgerWorld.Read(stored.Values);
        read.SumsSince.Should().Be(Third.AddDays(-1));
        CostReport
            .Create(read, new(LedgerWorld.Zero, Now, ReportBy.Day), Now, _ => null)
            .From.Should()
            .Be(Third.AddDays(-1), "a report does not begin before what is kept");
        ledger.ForgetSums(Third.AddDays(-1)).Should().BeFalse();
    }

    [Fact]
    public void Day_with_many_workloads_is_stored_in_objects_of_bounded_size()
    {
        var ledger = new GpuLedger();
        ledger.Install(Third);
        ledger.Reprice("T4", new(500_000_000), Third);
        for (var i = 0; i < 1000; i++)
        {
            ledger.Observe(
                new()
                {
                    Uid = $"00000000-0000-0000-0000-{i:000000000000}",
                    Pod = $"train-{i}",
                    Workload = new("team-a", "Job", $"train-of-some-length-{i}", $"10000000-0000-0000-0000-{i:000000000000}"),
                    Class = WorkloadClass.Training,
                    Labels = new Dictionary<string, string>(),
                    Node = "n1",
                    Product = "T4",
                    Gpus = 1,
                    ScheduledAt = Third.AddHours(1),
                    FinishedAt = Third.AddHours(2),
                    ObservedAt = Third.AddHours(2),
                }
            );
        }
        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(ledger, stored);
        ledger.Compact(Third.AddDays(1), Third.AddDays(9));
        LedgerWorld.Write(ledger, stored);

        stored.Keys.Count(name => name.StartsWith("day.2026-10-27-", StringComparison.Ordinal)).Should().BeGreaterThan(2);
        stored.Keys.Should().NotContain(name => name.StartsWith("team-a-", StringComparison.Ordinal));
        stored.Values.Should().OnlyContain(json => json.Length <= GpuLedger.MaxShardBytes);
        LedgerWorld
            .Read(stored.Values)
            .SummedWork("team-a", Third, Third.AddDays(1))
            .Should()
            .HaveCount(1000)
            .And.OnlyContain(work => work.Spent.ToString() == "0.500000");
    }

    /// <summary>Loads a ledger as its writer does: without the sums.</summary>
    private static GpuLedger AsOperator(Dictionary<string, string> stored) =>
        GpuLedger.Load(Shards(stored).Where(shard => shard.Kind != LedgerShard.DayKind));

    private static IEnumerable<LedgerShard> Shards(Dictionary<string, string> stored) =>
        stored.Values.Select(json => JsonSerializer.Deserialize(json, LedgerJson.Default.LedgerShard)!);

    private static string Reports(GpuLedger ledger)
    {
        var lines = new List<string>();
        foreach (var by in Enum.GetValues<ReportBy>())
        {
            foreach (
                var (from, to) in new[]
                {
                    (LedgerWorld.Zero, Now),
                    (LedgerWorld.Zero, Third.AddDays(-1)),
                    (Third.AddDays(-2), Third.AddDays(1)),
                }
            )
            {
                var report = CostReport.Create(ledger, new(from, to, by), Now, _ => null);
                lines.Add($"{by} {from:O} {to:O} {report.Total.Units} {report.Unallocated?.Units} {report.NodeLost?.Units}");
                lines.AddRange(
                    report
                        .Rows.Select(row =>
                            $"{row.Day} {row.Namespace} {row.Workload} {row.Model} {row.Spent.Units} {row.ReservedGpuMs} {row.UnpricedGpuMs} {row.WholeDays.Spent.Units} {JsonSerializer.Serialize(row.WholeDays.Usage)}"
                        )
                        .Where(line => !line.Contains(" 0 0 0 0 ", StringComparison.Ordinal))
                        .Order(StringComparer.Ordinal)
                );
            }
        }
        return string.Join("\n", lines);
    }

    private static void ForEachWorld(Action<LedgerWorld, Random> check) =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed => check(new LedgerWorld(seed), new Random(seed)))
            .QuickCheckThrowOnFailure();
}
