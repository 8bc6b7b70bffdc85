using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Core.Ledger;

public sealed class GpuLedgerTests
{
    private const string V100 = "Tesla-V100-SXM2-16GB";
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly GpuHourPrice Price = new(3_060_000_000);

    [Fact]
    public void Founding_example_costs_2_295()
    {
        var ledger = Priced();
        ledger.Observe(Pod("p") with { FinishedAt = Start.AddSeconds(2700) });
        Spent(ledger, Start.AddDays(1)).ToString().Should().Be("2.295000");
    }

    [Fact]
    public void Time_before_the_installation_is_not_charged()
    {
        var ledger = new GpuLedger();
        ledger.Install(Start.AddMinutes(30)).Should().BeTrue();
        ledger.Install(Start).Should().BeFalse();
        ledger.Installed.Should().Be(Start.AddMinutes(30));
        ledger.Reprice(V100, Price, Start);
        ledger.Observe(Pod("p"));
        Spent(ledger, Start.AddMinutes(90)).Should().Be((Price * 1).For(TimeSpan.FromHours(1)));
    }

    [Fact]
    public void Pod_of_the_second_of_the_installation_is_charged_whole()
    {
        var ledger = new GpuLedger();
        ledger.Install(Start.AddMilliseconds(340));
        ledger.Reprice(V100, Price, Start);
        ledger.Observe(Pod("p") with { FinishedAt = Start.AddSeconds(12) });
        Spent(ledger, Start.AddMinutes(1)).Should().Be((Price * 1).For(TimeSpan.FromSeconds(12)));
    }

    [Fact]
    public void New_price_applies_from_its_time_and_changes_no_past_cost()
    {
        var ledger = Priced();
        ledger.Observe(Pod("p"));
        ledger.Reprice(V100, new(1_000_000_000), Start.AddHours(1));
        Spent(ledger, Start.AddHours(3)).ToString().Should().Be("5.060000");
        ledger
            .Entries("ns", Start, Start.AddHours(3), Start.AddHours(3))
            .Select(entry => (entry.From, entry.To, entry.Rate))
            .Should()
            .Equal((Start, Start.AddHours(1), Price), (Start.AddHours(1), null, new GpuHourPrice(1_000_000_000)));
        ledger.RatePerHour("ns", LabelSelector.Everything, Start.AddHours(2)).Should().Be(new HourlyCost(1_000_000_000));
    }

    [Fact]
    public void Time_without_a_price_is_reported_and_charged_later()
    {
        var ledger = new GpuLedger();
        ledger.Install(Start);
        ledger.ObserveNode("n1", V100, 4, Start);
        ledger.Observe(Pod("p"));
        Spent(ledger, Start.AddHours(1)).Should().Be(Amount.Zero);
        ledger
            .SpentByWorkload("ns", LabelSelector.Everything, Start, Start.AddHours(1), Start.AddHours(1))
            .Single()
            .UnpricedGpuMs.Should()
            .Be(3_600_000);
        ledger.Bill("n1", Start, Start.AddHours(1), Start.AddHours(1)).UnpricedGpuMs.Should().Be(4 * 3_600_000);
        ledger.UnpricedProducts().Should().Equal(V100);
        ledger.Reprice(V100, Price, Start.AddHours(1));
        ledger.UnpricedProducts().Should().BeEmpty();
        ledger.CurrentRate(V100).Should().Be(Price);
        Spent(ledger, Start.AddHours(1)).ToString().Should().Be("3.060000");
    }

    [Fact]
    public void Product_that_is_seen_later_applies_from_the_beginning()
    {
        var ledger = Priced();
        ledger.Observe(Pod("p") with { Product = "" });
        ledger.ObserveNode("n1", "", 1, Start);
        Spent(ledger, Start.AddHours(1)).Should().Be(Amount.Zero);
        ledger.ObserveNode("n1", V100, 1, Start.AddMinutes(5));
        Spent(ledger, Start.AddHours(1)).ToString().Should().Be("3.060000");
        ledger.ObserveNode("n1", "", 1, Start.AddMinutes(10)).Should().BeFalse();
    }

    [Fact]
    public void Lost_node_is_charged_to_its_last_heartbeat_and_after_its_return()
    {
        var ledger = Priced();
        ledger.ObserveNode("n1", V100, 2, Start);
        ledger.Observe(Pod("p"));
        ledger.MarkNodeLost("n1", Start.AddMinutes(10)).Should().BeTrue();
        ledger.MarkNodeLost("n1", Start.AddMinutes(10)).Should().BeFalse();
        Spent(ledger, Start.AddMinutes(60)).Should().Be((Price * 1).For(TimeSpan.FromMinutes(10)));
        ledger.RatePerHour("ns", LabelSelector.Everything, Start.AddMinutes(60)).Should().Be(HourlyCost.Zero);
        ledger.MarkNodeBack("n1", Start.AddMinutes(60));
        ledger.MarkNodeLost("n1", Start.AddMinutes(10)).Should().BeFalse("it was alive after that");
        Spent(ledger, Start.AddMinutes(70)).Should().Be((Price * 1).For(TimeSpan.FromMinutes(20)));
        var bill = ledger.Bill("n1", Start, Start.AddMinutes(70), Start.AddMinutes(70));
        bill.Unattributed.Should().ContainSingle().Which.Value.Should().Be((Price * 2).For(TimeSpan.FromMinutes(50)));
        bill.Total.Should().Be((Price * 2).For(TimeSpan.FromMinutes(70)));
    }

    [Fact]
    public void Containers_end_counts_before_the_objects()
    {
        var ledger = Priced();
        ledger.Observe(Pod("p") with { GoneAt = Start.AddMinutes(12), ObservedAt = Start.AddMinutes(12) });
        Spent(ledger, Start.AddHours(1)).Should().Be((Price * 1).For(TimeSpan.FromMinutes(12)));
        ledger.Observe(Pod("p") with { FinishedAt = Start.AddMinutes(10), ObservedAt = Start.AddMinutes(11) });
        Spent(ledger, Start.AddHours(1)).Should().Be((Price * 1).For(TimeSpan.FromMinutes(10)));
        ledger.Observe(Pod("p") with { GoneAt = Start.AddMinutes(30), ObservedAt = Start.AddMinutes(30) }).Should().BeFalse();
        ledger.OpenPods().Should().BeEmpty();
    }

    [Fact]
    public void Labels_are_those_of_the_first_observation()
    {
        var ledger = Priced();
        ledger.Observe(Pod("p") with { FinishedAt = Start.AddHours(1) });
        ledger.Observe(
            Pod("p") with
            {
                Labels = new Dictionary<string, string> { ["team"] = "other" },
                ObservedAt = Start.AddMinutes(5),
            }
        );
        ledger
            .Spent("ns", LedgerWorld.Team("nlp"), Start, Start.AddDays(1), Start.AddDays(1))
            .Should()
            .Be((Price * 1).For(TimeSpan.FromHours(1)));
        ledger.Spent("ns", LedgerWorld.Team("other"), Start, Start.AddDays(1), Start.AddDays(1)).Should().Be(Amount.Zero);
    }

    [Fact]
    public void Workload_without_devices_is_not_recorded()
    {
        var ledger = Priced();
        ledger.Observe(Pod("p") with { Gpus = 0 }).Should().BeFalse();
        ledger.Namespaces().Should().BeEmpty();
    }

    [Fact]
    public void Report_read_twice_counts_once_and_the_cursor_follows_what_is_written()
    {
        var ledger = Priced();
        ledger.Observe(Pod("p"));
        var report = Report("e1", 1, 3, [Interval(1, "p", 0, 1000, 400), Interval(3, "p", 1000, 2000, 900)], [Tokens(2, "p", 10, 5)]);
        ledger.Record(report, null).Applied.Should().Be(3);
        ledger.Record(report, null).Should().BeEquivalentTo(new { Applied = 0, Repeated = 3 });
        ledger.Record(report, new("e1", 9)).Refused.Should().BeTrue();
        ledger.Cursor("n1").Should().Be(new JournalCursor("e1", 3));
        ledger.DurableCursor("n1").Should().BeNull("nothing is written yet, so the agent must keep everything");
        LedgerWorld.Write(ledger, []);
        ledger.DurableCursor("n1").Should().Be(new JournalCursor("e1", 3));
        Usage(ledger).Should().BeEquivalentTo(new UsageSums(2000, 1300, 0, 0, new Dictionary<string, TokenSums> { ["m"] = new(10, 0, 5) }));
    }

    [Fact]
    public void Crash_after_the_pods_were_written_and_before_the_cursor_counts_nothing_twice()
    {
        var stored = new Dictionary<string, string>();
        var ledger = Priced();
        ledger.Observe(Pod("p"));
        LedgerWorld.Write(ledger, stored);
        var report = Report("e1", 1, 2, [Interval(1, "p", 0, 1000, 400), Interval(2, "p", 1000, 2000, 900)], []);
        ledger.Record(report, null);
        LedgerWorld.Write(ledger, stored, shard => shard.Kind != LedgerShard.NodesKind);
        ledger = LedgerWorld.Read(stored.Values);
        ledger.Cursor("n1").Should().BeNull();
        ledger.Record(report, null).Repeated.Should().Be(2);
        Usage(ledger).BusyMs.Should().Be(1300);
    }

    [Fact]
    public void Measurements_alone_are_no_urgent_write_and_cursors_wait_for_them()
    {
        var stored = new Dictionary<string, string>();
        var ledger = Priced();
        ledger.ObserveNode("n1", V100, 4, Start);
        ledger.Observe(Pod("p"));
        LedgerWorld.Write(ledger, stored);
        var report = Report("e1", 1, 2, [Interval(1, "p", 0, 1000, 400), Interval(2, null, 0, 500, 0)], []);
        ledger.Record(report, null);
        ledger.IsDirty.Should().BeTrue();
        ledger.DirtyShards(factsOnly: true).Should().BeEmpty();

        // The fact about the node is written but its cursor is not, because the sums of the pod are not stored yet.
        ledger.MarkNodeLost("n1", Start.AddMinutes(1));
        var node = ledger.DirtyShards(factsOnly: true).Single();
        stored[node.Name] = JsonSerializer.Serialize(node, LedgerJson.Default.LedgerShard);
        ledger.MarkWritten(node.Name, node.Revision);
        ledger.DurableCursor("n1").Should().BeNull();
        var crashed = LedgerWorld.Read(stored.Values);
        crashed.Record(report, null).Applied.Should().Be(1);
        Usage(crashed).BusyMs.Should().Be(400);
        crashed.UnattributedMs("n1").Should().Equal(new Dictionary<string, long> { ["unknown-pod"] = 500 });

        ledger.IsDirty.Should().BeTrue();
        LedgerWorld.Write(ledger, stored);
        ledger.DurableCursor("n1").Should().Be(new JournalCursor("e1", 2));
        ledger.IsDirty.Should().BeFalse();
    }

    [Fact]
    public void Gaps_are_reported_and_old_epochs_are_ignored()
    {
        var ledger = Priced();
        ledger.Observe(Pod("p"));
        ledger.Record(Report("e1", 1, 1, [Interval(1, "p", 0, 1000, 100)], []), null).Gap.Should().BeNull();
        ledger.Record(Report("e1", 5, 5, [Interval(5, "p", 1000, 2000, 100)], []), new("e1", 1)).Gap.Should().Contain("2 to 4");
        ledger.Record(Report("e2", 1, 1, [Interval(1, "p", 2000, 3000, 100)], []), new("e1", 5)).Gap.Should().Contain("reset");
        ledger.Record(Report("e1", 1, 9, [Interval(9, "p", 0, 1000, 100)], []), null).Applied.Should().Be(0);
        Usage(ledger).BusyMs.Should().Be(300);
        Usage(ledger).IdleMs.Should().Be(2700);
    }

    [Fact]
    public void Agent_report_counts_for_pods_of_its_own_node_only()
    {
        var ledger = Priced();
        ledger.Observe(Pod("p") with { Node = "n2" });
        ledger
            .Record(Report("e1", 1, 2, [Interval(1, "p", 0, 1000, 400), Interval(2, null, 0, 500, 100)], [Tokens(3, "p", 10, 5)]), null)
            .Unattributed.Should()
            .Be(3);
        Usage(ledger).Should().BeEquivalentTo(UsageSums.None);
        ledger.UnattributedMs("n1").Should().BeEquivalentTo(new Dictionary<string, long> { ["foreign-pod"] = 1000, ["unknown-pod"] = 500 });
    }

    [Fact]
    public void Restarted_token_counters_are_summed()
    {
        var ledger = Priced();
        ledger.Observe(Pod("p"));
        ledger.Record(Report("e1", 1, 3, [], [Tokens(1, "p", 100, 50), Tokens(2, "p", 120, 60), Tokens(3, "p", 5, 1)]), null);
        Usage(ledger).Tokens["m"].Should().Be(new TokenSums(125, 0, 61));
    }

    [Fact]
    public void Pod_known_by_its_journal_alone_counts_without_a_selector_only()
    {
        var ledger = Priced();
        ledger.ObserveNode("n1", V100, 4, Start);
        ledger.Record(
            Report("e1", 1, 2, [Interval(1, "ghost", 0, 60_000, 60_000), Interval(2, "ghost", 0, 60_000, 60_000, "GPU-2")], []),
            null
        );
        var end = Start.AddMinutes(2);
        ledger.Spent("ns", LabelSelector.Everything, Start, end, end).Should().Be((Price * 2).For(60_000));
        ledger.Spent("ns", LedgerWorld.Team("nlp"), Start, end, end).Should().Be(Amount.Zero);
        var bill = ledger.Bill("n1", Start, end, end);
        bill.Reserved.Should().Be(Amount.Zero);
        bill.Unattributed[NodeBill.LabelsUnknown].Should().Be((Price * 2).For(60_000));
        (bill.Unallocated + (Price * 2).For(60_000)).Should().Be(bill.Total);

        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(ledger, stored);
        var read = LedgerWorld.Read(stored.Values);
        read.Spent("ns", LabelSelector.Everything, Start, end, end).Should().Be((Price * 2).For(60_000));
        // Data of the API replaces that of the journal.
        read.Observe(Pod("ghost") with { Gpus = 1 });
        read.Spent("ns", LedgerWorld.Team("nlp"), Start, end, end).Should().Be((Price * 1).For(120_000));
    }

    [Fact]
    public void Shards_stay_small_enough_for_objects_of_the_API()
    {
        var ledger = Priced();
        ledger.ObserveNode("n1", V100, 8, Start);
        for (var i = 0; i < 3_000; i++)
        {
            var uid = $"{i:x8}-0000-4000-8000-000000000000";
            var pod = Pod(uid) with
            {
                Pod = $"a-rather-long-name-of-a-training-job-{i}-abcde",
                Workload = new("ns", "Job", $"a-rather-long-name-of-a-training-job-{i / 2}", $"{i / 2:x8}-1111-4000-8000-000000000000"),
                Class = i % 10 == 0 ? WorkloadClass.Inference : WorkloadClass.Training,
                Labels = Enumerable.Range(0, i % 12).ToDictionary(n => $"example.com/label-{n}", n => $"value-{n}-{i}"),
                FinishedAt = Start.AddHours(1),
                GoneAt = Start.AddHours(2),
            };
            ledger.Observe(pod);
            ledger.Record(
                Report(
                    "0f8fad5b-d9cb-469f-a165-70867728950e",
                    1,
                    i * 5 + 4,
                    [Interval(i * 5 + 1, uid, 0, 3_600_000, 3_000_000) with { EnergyMj = 1_000_000_000 }],
                    pod.Class == WorkloadClass.Inference
                        ?
                        [
                            .. Enumerable
                                .Range(0, 3)
                                .Select(m => Tokens(i * 5 + 2 + m, uid, 123_456_789, 123_456_789) with { Model = $"meta-llama/Llama-{m}" }),
                        ]
                        : []
                ),
                null
            );
        }
        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(ledger, stored);
        stored.Count.Should().BeInRange(10, 60);
        stored.Values.Should().OnlyContain(json => json.Length < GpuLedger.MaxShardBytes);
        stored.Keys.Should().Contain("ns-2026-11-01-0").And.Contain("bursar.base").And.Contain("nodes.2026-11-01-0");
        Spent(LedgerWorld.Read(stored.Values), Start.AddDays(1)).Should().Be((Price * 3_000).For(3_600_000));
    }

    [Fact]
    public void Pod_stored_in_two_shards_is_one_pod()
    {
        var ledger = Priced();
        ledger.Observe(Pod("p"));
        var open = ledger.DirtyShards();
        ledger.Observe(Pod("p") with { FinishedAt = Start.AddMinutes(30) });
        var twin = open.Single(shard => shard.Kind == LedgerShard.PodsKind) with { Name = "ns-2026-11-01-1", Index = 1 };
        var read = GpuLedger.Load([.. ledger.DirtyShards(), twin]);
        Spent(read, Start.AddHours(5)).Should().Be((Price * 1).For(TimeSpan.FromMinutes(30)));
        read.DirtyShards().Single().Pods.Should().BeEmpty();
    }

    [Fact]
    public void Models_beyond_the_eighth_are_summed_together_and_count_apart()
    {
        var ledger = Priced();
        ledger.Observe(Pod("p"));
        // Ten models with very different counters, reported in turn; each grows by one per turn.
        var samples = Enumerable
            .Range(0, 30)
            .Select(i => Tokens(i + 1, "p", 0, i % 10 * 1000 + i / 10) with { Model = $"m{i % 10}" })
            .ToArray();
        ledger.Record(Report("e", 1, 15, [], samples[..15]), null);
        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(ledger, stored);
        ledger = LedgerWorld.Read(stored.Values);
        ledger.Record(Report("e", 1, 30, [], samples), null);

        var tokens = Usage(ledger).Tokens;
        tokens.Should().HaveCount(9);
        tokens["m3"].Generated.Should().Be(3002);
        tokens["other"].Generated.Should().Be(8002 + 9002, "the ninth and the tenth");
    }

    [Theory]
    [InlineData(null, 1000, 300)]
    [InlineData(UsageInterval.NotRequested, 1000, 300)]
    [InlineData("mig-activity-unknown", 0, 0)]
    public void Unmeasured_time_is_not_idle_time(string? reason, long measured, long busy)
    {
        var ledger = Priced();
        ledger.Observe(Pod("p"));
        ledger.Record(Report("e", 1, 1, [Interval(1, "p", 0, 1000, 300) with { Reason = reason, EnergyMj = 5 }], []), null);
        Usage(ledger)
            .Should()
            .BeEquivalentTo(
                new
                {
                    MeasuredMs = measured,
                    BusyMs = busy,
                    EnergyMj = 5L,
                }
            );
    }

    [Fact]
    public void Members_may_be_called_from_many_threads()
    {
        var ledger = Priced();
        Parallel.For(0, 64, i =>
        {
            ledger.Observe(Pod($"p{i}") with { FinishedAt = Start.AddHours(1) });
            ledger.Spent("ns", LabelSelector.Everything, Start, Start.AddHours(2), Start.AddHours(2));
            ledger.DirtyShards();
        });
        Spent(ledger, Start.AddHours(2)).Should().Be((Price * 1).For(TimeSpan.FromHours(64)));
    }

    [Fact]
    public void Pods_that_are_not_stored_yet_are_stored_before_their_end()
    {
        var stored = new Dictionary<string, string>();
        var ledger = Priced();
        ledger.Observe(Pod("p"));
        ledger.ArrivalShards("elsewhere").Should().BeEmpty();
        ledger.ArrivalShards("ns").Select(shard => shard.Kind).Should().Equal(LedgerShard.BaseKind, LedgerShard.PodsKind);
        LedgerWorld.Write(ledger, stored, ledger.ArrivalShards("ns"));
        Spent(LedgerWorld.Read(stored.Values), Start.AddHours(1)).Should().Be(Spent(ledger, Start.AddHours(1)));
        ledger.ArrivalShards("ns").Should().BeEmpty();

        ledger.Observe(Pod("p") with { FinishedAt = Start.AddMinutes(1) });
        ledger.ArrivalShards("ns").Should().BeEmpty("it is stored, and the API reports the end");
        ledger.Observe(Pod("q"));
        ledger.ArrivalShards("ns").Should().ContainSingle().Which.Pods.Should().HaveCount(2);
    }

    private static GpuLedger Priced()
    {
        var ledger = new GpuLedger();
        ledger.Install(Start.AddDays(-1));
        ledger.Reprice(V100, Price, Start.AddDays(-1));
        return ledger;
    }

    private static Amount Spent(GpuLedger ledger, DateTimeOffset now) =>
        ledger.Spent("ns", LabelSelector.Everything, Start.AddDays(-30), now, now);

    private static UsageSums Usage(GpuLedger ledger) =>
        ledger.SpentByWorkload("ns", LabelSelector.Everything, Start, Start.AddHours(1), Start.AddHours(1)).Single().Usage;

    private static PodObservation Pod(string uid) =>
        new()
        {
            Uid = uid,
            Pod = $"train-{uid}",
            Workload = new("ns", "Job", "train", "j1"),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string> { ["team"] = "nlp" },
            Node = "n1",
            Product = V100,
            Gpus = 1,
            ScheduledAt = Start,
            ObservedAt = Start.AddSeconds(1),
        };

    private static UsageReport Report(string epoch, long first, long last, UsageInterval[] intervals, TokenSample[] tokens) =>
        new()
        {
            Node = "n1",
            Epoch = epoch,
            First = first,
            Next = last + 1,
            Intervals = intervals,
            Tokens = tokens,
        };

    private static UsageInterval Interval(long seq, string? uid, int fromMs, int toMs, long busy, string device = "GPU-1") =>
        new()
        {
            Seq = seq,
            PodUid = uid,
            Namespace = "ns",
            Pod = $"train-{uid}",
            Container = "main",
            Device = device,
            From = Start.AddMilliseconds(fromMs),
            To = Start.AddMilliseconds(toMs),
            BusyMs = busy,
        };

    private static TokenSample Tokens(long seq, string uid, long prompt, long generated) =>
        new()
        {
            Seq = seq,
            PodUid = uid,
            Model = "m",
            Prompt = prompt,
            Generated = generated,
            At = Start,
        };
}
