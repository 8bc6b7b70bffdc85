using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>Clocks that are wrong, jump or go back. Only times of the API decide amounts.</summary>
public sealed class ClockTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 21, 8, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset End = Start.AddHours(2);
    private static readonly GpuHourPrice V100 = GpuHourPrice.FromDecimal(3.06m);

    /// <summary>An interval by the clock of a node, which may be hours off in either direction; it may end before it begins.</summary>
    public readonly record struct Wild(short FromSeconds, short ToSeconds, sbyte Hours, byte Busy);

    [Fact]
    public void Node_clock_changes_no_amount_of_a_pod_that_the_API_knows() =>
        Prop.ForAll(ArbMap.Default.ArbFor<Wild[]>(), intervals =>
            {
                var ledger = Ledger();
                ledger.Observe(Pod(Start) with { FinishedAt = End });
                ledger.Record(Report(intervals), null);

                Check(ledger, (V100 * 1).For(End - Start));
                // Usage counts for the days of the node's clock.
                var usage = ledger
                    .SpentByWorkload("ns", LabelSelector.Everything, Start.AddDays(-10), Start.AddDays(10), Start.AddDays(10))
                    .Single()
                    .Usage;
                usage.MeasuredMs.Should().BeGreaterThanOrEqualTo(0);
                usage.BusyMs.Should().Be(intervals.Sum(wild => (long)wild.Busy));
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Journal_with_a_wrong_clock_is_replaced_by_the_API_times() =>
        Prop.ForAll(ArbMap.Default.ArbFor<Wild[]>(), intervals =>
            {
                var ledger = Ledger();
                ledger.Record(Report(intervals), null);
                Check(ledger, expected: null);
                ledger
                    .Spent("ns", LabelSelector.Everything, Start, End, End)
                    .Should()
                    .BeLessThanOrEqualTo((V100 * 1).For(End - Start), "no clock makes an interval longer than it is");

                ledger.Observe(Pod(Start.AddMinutes(5)) with { FinishedAt = Start.AddMinutes(50) });
                Check(ledger, (V100 * 1).For(TimeSpan.FromMinutes(45)));
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Operator_clock_changes_no_amount() =>
        Prop.ForAll(ArbMap.Default.ArbFor<int[]>(), seconds =>
            {
                var ledger = Ledger();
                var first = Pod(Start.AddMinutes(5));
                var last = first with { FinishedAt = Start.AddMinutes(50) };
                ledger.Observe(first);
                foreach (var at in seconds)
                    ledger.Observe((at % 2 == 0 ? first : last) with { ObservedAt = Start.AddSeconds(at * 1_000L) });
                ledger.Observe(last);
                Check(ledger, (V100 * 1).For(TimeSpan.FromMinutes(45)));
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void End_before_the_beginning_is_an_end_at_the_beginning()
    {
        // The clock of the node was set back between the pod's scheduling (API server) and its end (node).
        var ledger = Ledger();
        ledger.Observe(Pod(Start.AddMinutes(30)) with { FinishedAt = Start.AddMinutes(10) });
        Check(ledger, Amount.Zero);
    }

    private static void Check(GpuLedger ledger, Amount? expected)
    {
        var spent = ledger.Spent("ns", LabelSelector.Everything, Start, End, End);
        if (expected is { } amount)
            spent.Should().Be(amount);
        foreach (var (from, to) in new[] { (Start, End), (Start.AddMinutes(17), Start.AddMinutes(33)) })
        {
            var bill = ledger.Bill("n1", from, to, End);
            bill.Total.Should().Be((V100 * 4).For(to - from));
            bill.Unattributed.Values.Aggregate(bill.Reserved + bill.Unallocated, (sum, one) => sum + one).Should().Be(bill.Total);
            (bill.Reserved + bill.Unattributed.GetValueOrDefault(NodeBill.LabelsUnknown))
                .Should()
                .Be(ledger.Spent("ns", LabelSelector.Everything, from, to, End));
        }
    }

    private static GpuLedger Ledger()
    {
        var ledger = new GpuLedger();
        ledger.Install(Start.AddDays(-10));
        ledger.Reprice("V100", V100, Start);
        ledger.ObserveNode("n1", "V100", 4, Start);
        return ledger;
    }

    private static PodObservation Pod(DateTimeOffset scheduled) =>
        new()
        {
            Uid = "p",
            Pod = "p",
            Workload = new("ns", "Job", "job", "job"),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string>(),
            Node = "n1",
            Gpus = 1,
            ScheduledAt = scheduled,
            ObservedAt = Start,
        };

    private static UsageReport Report(Wild[] intervals) =>
        new()
        {
            Node = "n1",
            Epoch = "e",
            First = 1,
            Next = intervals.Length + 1,
            Intervals =
            [
                .. intervals.Select(
                    (wild, i) =>
                        new UsageInterval
                        {
                            Seq = i + 1,
                            PodUid = "p",
                            Namespace = "ns",
                            Pod = "p",
                            Device = "GPU-0",
                            From = Start.AddHours(wild.Hours).AddSeconds(wild.FromSeconds),
                            To = Start.AddHours(wild.Hours).AddSeconds(wild.ToSeconds),
                            BusyMs = wild.Busy,
                        }
                ),
            ],
        };
}
