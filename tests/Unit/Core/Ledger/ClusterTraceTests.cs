using System.Globalization;
using System.Numerics;
using System.Text.Json;
using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Reports;
using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>
/// Tasks in the format of a production trace, through the ledger and through a plain count that shares no code with the product. The count
/// uses whole numbers of nano-currency × thousandths of a GPU × seconds, the units of the ledger.
/// </summary>
public sealed class ClusterTraceTests
{
    // The trace has no dates. These put a leap day and the clock change of spring into it.
    private static readonly DateTimeOffset Start = new(2024, 2, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset SummerTime = new(2024, 3, 31, 1, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(2_500_000_000)]
    [InlineData(3_060_000_000)]
    [InlineData(1_000)] // the least rate of which a thousandth is a whole nano
    public void Every_row_at_one_rate_is_a_plain_count_over_the_rows(long nano)
    {
        var trace = new Trace();
        var ledger = trace.Ledger(nano);
        foreach (var (_, seen) in trace.Events)
            ledger.Observe(seen);

        var total = trace.Rows.Aggregate(BigInteger.Zero, (sum, row) => sum + row.Units(0, long.MaxValue, nano));
        total.Should().BeGreaterThan(0);
        Everything(ledger, trace).Should().Be(total);
        (
            (BigInteger)
                trace
                    .Namespaces.Aggregate(Amount.Zero, (sum, ns) =>
                        ledger
                            .SpentByWorkload(ns, LabelSelector.Everything, Start, trace.End, trace.End)
                            .Aggregate(sum, (s, one) => s + one.Spent)
                    )
                    .Units
        )
            .Should()
            .Be(total);
        trace
            .Rows.Count(row => row.Gpus > 0 && row.Scheduled is null)
            .Should()
            .BeGreaterThan(100, "what never ran has to be there to cost nothing");
    }

    [Fact]
    public void Days_and_windows_equal_the_plain_count()
    {
        const long nano = 2_500_000_000;
        var trace = new Trace();
        var ledger = trace.Ledger(nano);
        foreach (var (_, seen) in trace.Events)
            ledger.Observe(seen);

        // Days in UTC also sum to the whole.
        var sum = BigInteger.Zero;
        for (var day = 0L; day < trace.LastSecond; day += 86_400)
            sum += Check(day, day + 86_400);
        sum.Should().Be(Everything(ledger, trace));

        // Days of a budget in Berlin, of which one has 23 hours. The plain count uses the rule: UTC+1, and UTC+2 from the last Sunday of
        // March on.
        var spec = new WindowSpec(WindowPeriod.Day, "Europe/Berlin");
        var at = Start;
        var hours = new HashSet<double>();
        while (at < trace.End)
        {
            var window = Window.At(spec, at);
            var local = window.Start + TimeSpan.FromHours(window.Start < SummerTime ? 1 : 2);
            var next = local.AddDays(1);
            var to = next - TimeSpan.FromHours(next - TimeSpan.FromHours(1) <= SummerTime ? 1 : 2);
            window.End.Should().Be(to);
            hours.Add(window.Length.TotalHours);
            Check((long)(window.Start - Start).TotalSeconds, (long)(to - Start).TotalSeconds);
            at = window.End;
        }
        hours.Should().BeEquivalentTo([24.0, 23.0]);

        // Windows with random edges, most of them within running tasks.
        var random = new Random(20240229);
        for (var i = 0; i < 100; i++)
        {
            var from = random.NextInt64(trace.LastSecond);
            Check(from, from + random.NextInt64(1, 3_000_000));
        }

        BigInteger Check(long from, long to)
        {
            var whole = BigInteger.Zero;
            foreach (var ns in trace.Namespaces)
            {
                var counted = trace
                    .Rows.Where(row => row.Namespace == ns)
                    .Aggregate(BigInteger.Zero, (sum, row) => sum + row.Units(from, to, nano));
                ((BigInteger)ledger.Spent(ns, LabelSelector.Everything, Start.AddSeconds(from), Start.AddSeconds(to), trace.End).Units)
                    .Should()
                    .Be(counted, "{0} from {1} to {2}", ns, from, to);
                whole += counted;
            }
            return whole;
        }
    }

    [Fact]
    public void Node_bills_add_up_and_together_equal_all_workloads()
    {
        const long nano = 3_060_000_000;
        var trace = new Trace();
        var ledger = trace.Ledger(nano);
        foreach (var (_, seen) in trace.Events)
            ledger.Observe(seen);

        foreach (var (from, to) in new[] { (0L, trace.LastSecond), (86_399, 12_345_678), (11_000_001, 11_000_002) })
        {
            var reserved = BigInteger.Zero;
            foreach (var (node, gpus) in trace.Nodes)
            {
                var bill = ledger.Bill(node, Start.AddSeconds(from), Start.AddSeconds(to), trace.End);
                var counted = trace
                    .Rows.Where(row => row.Node == node)
                    .Aggregate(BigInteger.Zero, (sum, row) => sum + row.Units(from, to, nano));
                ((BigInteger)bill.Total.Units).Should().Be(new BigInteger(gpus) * 1000 * (to - from) * nano);
                ((BigInteger)bill.Reserved.Units).Should().Be(counted);
                (bill.Reserved + bill.Unallocated).Should().Be(bill.Total);
                bill.Unattributed.Should().BeEmpty();
                bill.UnpricedGpuMs.Should().Be(0);
                reserved += counted;
            }
            reserved.Should().Be(trace.Rows.Aggregate(BigInteger.Zero, (sum, row) => sum + row.Units(from, to, nano)));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Order_repetition_and_a_restart_change_no_amount(int seed)
    {
        const long nano = 2_500_000_000;
        var random = new Random(seed);
        var trace = new Trace();
        var told = trace
            .Events.Select(one => one.Seen)
            .Concat(trace.Events.Select(one => one.Seen).Where(_ => random.Next(3) == 0))
            .ToArray();
        random.Shuffle(told);

        var ledger = trace.Ledger(nano);
        var stored = new Dictionary<string, string>();
        for (var i = 0; i < told.Length; i++)
        {
            ledger.Observe(told[i]);
            if (i != told.Length / 3 && i != told.Length / 2)
                continue;
            LedgerWorld.Write(ledger, stored);
            ledger = LedgerWorld.Read(stored.Values.OrderBy(_ => random.Next()));
        }
        Everything(ledger, trace).Should().Be(trace.Rows.Aggregate(BigInteger.Zero, (sum, row) => sum + row.Units(0, long.MaxValue, nano)));

        LedgerWorld.Write(ledger, stored);
        stored.Values.Should().OnlyContain(json => json.Length <= GpuLedger.MaxShardBytes);
        Everything(LedgerWorld.Read(stored.Values), trace).Should().Be(Everything(ledger, trace));
    }

    /// <summary>
    /// The life of an operator: events of a day, a flush, now and then a restart, compaction of old days. The report includes all of them.
    /// </summary>
    [Fact]
    public void Compacted_days_equal_the_plain_count_of_each_day()
    {
        const long nano = 3_060_000_000;
        var random = new Random(149);
        var trace = new Trace();
        var ledger = trace.Ledger(nano);
        var stored = new Dictionary<string, string>();
        var next = 0;
        for (var day = 0L; day < trace.LastSecond; day += 86_400)
        {
            for (; next < trace.Events.Count && trace.Events[next].At < day + 86_400; next++)
                ledger.Observe(trace.Events[next].Seen);
            var now = Start.AddSeconds(day + 86_400);
            ledger.Compact(now.AddDays(-random.Next(2, 20)), now);
            var writes = random.Next(3) == 0 ? random.Next(4) : int.MaxValue;
            LedgerWorld.Write(ledger, stored, _ => writes-- > 0);
            if (random.Next(10) > 0)
                continue;
            // The writer does not read the sums. The API lists again what the last flush missed.
            ledger = GpuLedger.Load(Shards(stored).Where(shard => shard.Kind != LedgerShard.DayKind));
            ledger.Install(Start);
            ledger.Reprice("one-rate", new(nano), Start);
            foreach (var (node, gpus) in trace.Nodes)
                ledger.ObserveNode(node, "one-rate", gpus, Start);
            foreach (var (_, seen) in trace.Events.Take(next))
                ledger.Observe(seen);
        }
        for (; next < trace.Events.Count; next++)
            ledger.Observe(trace.Events[next].Seen);
        LedgerWorld.Write(ledger, stored);

        var read = GpuLedger.Load(Shards(stored));
        read.DetailSince.Should().BeAfter(Start.AddDays(100), "the days were summed");
        var report = CostReport.Create(read, new(Start, trace.End, ReportBy.Day), trace.End, _ => null);
        ((BigInteger)report.Total.Units)
            .Should()
            .Be(
                trace.Nodes.Aggregate(BigInteger.Zero, (sum, node) => sum + node.Gpus) * 1000 * trace.LastSecond * nano,
                "the nodes' whole time"
            );
        var days = report
            .Rows.GroupBy(row => row.Day, StringComparer.Ordinal)
            .ToDictionary(
                rows => rows.Key,
                rows => rows.Aggregate(BigInteger.Zero, (sum, row) => sum + row.Spent.Units),
                StringComparer.Ordinal
            );
        for (var day = 0L; day < trace.LastSecond; day += 86_400)
            days.GetValueOrDefault(Start.AddSeconds(day).ToString("yyyy-MM-dd", CultureInfo.InvariantCulture))
                .Should()
                .Be(trace.Rows.Aggregate(BigInteger.Zero, (sum, row) => sum + row.Units(day, day + 86_400, nano)), "day {0}", day / 86_400);

        static IEnumerable<LedgerShard> Shards(Dictionary<string, string> stored) =>
            stored.Values.Select(json => JsonSerializer.Deserialize(json, LedgerJson.Default.LedgerShard)!);
    }

    [Fact]
    public void Indivisible_rate_is_rounded_down_by_less_than_a_nano_per_unit()
    {
        const long nano = 1_234_567_891;
        var trace = new Trace();
        var ledger = trace.Ledger(nano);
        foreach (var (_, seen) in trace.Events)
            ledger.Observe(seen);

        var exact = trace.Rows.Aggregate(BigInteger.Zero, (sum, row) => sum + row.Units(0, long.MaxValue, nano));
        var unitMs = trace
            .Rows.Where(row => row.Scheduled is not null)
            .Aggregate(BigInteger.Zero, (sum, row) => sum + new BigInteger(row.Gpus) * 1000 * (row.Deleted - row.Scheduled!.Value));
        (exact - Everything(ledger, trace)).Should().BeGreaterThanOrEqualTo(0).And.BeLessThan(unitMs);
        // Exactly as the rounding rule gives.
        Everything(ledger, trace)
            .Should()
            .Be(
                trace
                    .Rows.Where(row => row.Scheduled is not null)
                    .Aggregate(BigInteger.Zero, (sum, row) =>
                        sum + new BigInteger(nano) * row.Milli / 1000 * row.Gpus * 1000 * (row.Deleted - row.Scheduled!.Value)
                    )
            );
    }

    private static BigInteger Everything(GpuLedger ledger, Trace trace) =>
        trace.Namespaces.Aggregate(BigInteger.Zero, (sum, ns) =>
            sum + ledger.Spent(ns, LabelSelector.Everything, Start, trace.End, trace.End).Units
        );

    /// <summary>A row of the trace: number of GPUs, thousandths of each, and first and last second.</summary>
    private sealed record Row(string Name, int Gpus, int Milli, string Namespace, string Phase, long Deleted, long? Scheduled)
    {
        public string Node { get; set; } = "";

        /// <summary>num_gpu × gpu_milli / 1000 GPUs × the seconds in [from, to) × the rate, in nano × thousandths × seconds.</summary>
        public BigInteger Units(long from, long to, long nano) =>
            Scheduled is { } began && Math.Min(Deleted, to) - Math.Max(began, from) is > 0 and var seconds
                ? new BigInteger(Gpus) * Milli * seconds * nano
                : BigInteger.Zero;
    }

    private sealed class Trace
    {
        private static readonly string[] Teams = ["team-a", "team-b", "team-c"];

        public Trace()
        {
            var rows = SyntheticTraces.Tasks();
            Rows =
            [
                .. rows.Select(f => new Row(
                    f[0],
                    Int(f[3]),
                    Int(f[4]),
                    Teams[Int(f[0][^4..]) % 3],
                    f[7],
                    Int(f[9]),
                    f[10].Length > 0 ? Int(f[10]) : null
                )),
            ];
            LastSecond = Rows.Max(row => row.Deleted);
            Place([.. SyntheticTraces.Nodes()]);
            foreach (var row in Rows)
            {
                // The pod as the operator would read it from the API; a row that was never scheduled gives no observation.
                var pod = Pod(row, ended: false);
                if (PodTimes.ScheduledAt(pod) is not { } scheduled)
                    continue;
                var first = new PodObservation
                {
                    Uid = row.Name,
                    Pod = row.Name,
                    Workload = new(row.Namespace, "Pod", row.Name, row.Name),
                    Class = WorkloadClass.Interactive,
                    Labels = new Dictionary<string, string>(),
                    Node = row.Node,
                    Gpus = row.Gpus,
                    Share = new(row.Milli, 1000),
                    ScheduledAt = scheduled,
                    ObservedAt = scheduled,
                };
                var gone = Start.AddSeconds(row.Deleted);
                var finished = PodTimes.FinishedAt(Pod(row, ended: true));
                Events.Add((row.Scheduled!.Value, first));
                Events.Add(
                    (
                        row.Deleted,
                        first with
                        {
                            FinishedAt = finished,
                            GoneAt = finished is null ? gone : null,
                            IsGone = true,
                            ObservedAt = gone,
                        }
                    )
                );
            }
            Events.Sort((a, b) => a.At.CompareTo(b.At));
        }

        public Row[] Rows { get; }

        public List<(long At, PodObservation Seen)> Events { get; } = [];

        public IReadOnlyList<(string Name, int Gpus)> Nodes { get; private set; } = [];

        public IReadOnlyList<string> Namespaces => Teams;

        public long LastSecond { get; }

        public DateTimeOffset End => Start.AddSeconds(LastSecond);

        public GpuLedger Ledger(long nano)
        {
            var ledger = new GpuLedger();
            ledger.Install(Start);
            ledger.Reprice("one-rate", new(nano), Start);
            foreach (var (node, gpus) in Nodes)
                ledger.ObserveNode(node, "one-rate", gpus, Start);
            return ledger;
        }

        /// <summary>
        /// Places each task on the first node with free GPUs while it runs; unused nodes are left out.
        /// </summary>
        private void Place((string Name, int Gpus)[] nodes)
        {
            var free = nodes.Select(node => node.Gpus * 1000).ToArray();
            var running = new PriorityQueue<(int Node, int Milli), long>();
            var used = 0;
            foreach (var row in Rows.Where(row => row.Scheduled is not null && row.Gpus > 0).OrderBy(row => row.Scheduled))
            {
                while (running.TryPeek(out var ended, out var at) && at <= row.Scheduled)
                {
                    running.Dequeue();
                    free[ended.Node] += ended.Milli;
                }
                var milli = row.Gpus * row.Milli;
                var node = Array.FindIndex(free, room => room >= milli);
                if (node < 0)
                    throw new InvalidOperationException($"no node has room for {row.Name}");
                free[node] -= milli;
                used = Math.Max(used, node + 1);
                row.Node = nodes[node].Name;
                running.Enqueue((node, milli), row.Deleted);
            }
            Nodes = nodes[..used];
        }

        private static V1Pod Pod(Row row, bool ended) =>
            new()
            {
                Metadata = new()
                {
                    Name = row.Name,
                    Namespace = row.Namespace,
                    Uid = row.Name,
                },
                Spec = row.Scheduled is null
                    ? V1PodSpec.Empty
                    : new() { NodeName = row.Node.Length > 0 ? row.Node : "a-node-without-gpus" },
                Status = row.Scheduled is not { } scheduled
                    ? new() { Phase = row.Phase }
                    : new()
                    {
                        Phase = ended ? row.Phase : "Running",
                        Conditions =
                        [
                            new()
                            {
                                Type = "PodScheduled",
                                Status = "True",
                                LastTransitionTime = Start.AddSeconds(scheduled),
                            },
                        ],
                        ContainerStatuses =
                            ended && row.Phase != "Running"
                                ?
                                [
                                    new()
                                    {
                                        Name = "main",
                                        State = new() { Terminated = new() { FinishedAt = Start.AddSeconds(row.Deleted) } },
                                    },
                                ]
                                : [],
                    },
            };

        private static int Int(string text) => int.Parse(text, CultureInfo.InvariantCulture);
    }
}
