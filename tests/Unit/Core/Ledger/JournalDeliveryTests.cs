using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>
/// Measurements reach the ledger exactly once, although answers are lost, late, repeated or partial, writes fail midway and the operator is
/// killed. A journal drops acknowledged entries, so a ledger that acknowledged too much would lack them.
/// </summary>
public sealed class JournalDeliveryTests
{
    private const string Namespace = "team";
    private static readonly DateTimeOffset Start = new(2026, 10, 25, 0, 30, 0, TimeSpan.Zero); // the hour that is repeated at the end of European summer time
    private static readonly DateTimeOffset End = Start.AddDays(90);

    public readonly record struct Step(byte What, byte Which, byte Much);

    [Fact]
    public void Usage_counts_once_however_it_is_delivered() =>
        Prop.ForAll(ArbMap.Default.ArbFor<Step[]>(), steps =>
            {
                var nodes = new[] { new Node("node-0"), new Node("node-1") };
                var pods = Enumerable.Range(0, 6).Select(Pod).ToArray();
                var disturbed = new Operator(pods);
                var late = new List<(UsageReport Report, JournalCursor? After)>();
                foreach (var (what, which, much) in steps)
                {
                    var node = nodes[which % nodes.Length];
                    switch (what % 10)
                    {
                        case 0 or 1 or 2:
                            node.Measure(pods[which % pods.Length], much);
                            break;
                        case 3:
                            node.Count(pods[which % pods.Length], much);
                            break;
                        case 4 or 5:
                            var (report, after) = disturbed.Ask(node, 1 + much % 5);
                            disturbed.Ledger.Record(report, after);
                            if (much % 3 == 0)
                                late.Add((report, after)); // arrives again later
                            break;
                        case 6:
                            late.Add(disturbed.Ask(node, 1 + much % 5)); // the answer is slow or lost
                            break;
                        case 7 when late.Count > 0:
                            disturbed.Ledger.Record(late[much % late.Count].Report, late[much % late.Count].After);
                            break;
                        case 8:
                            var writes = much % 4;
                            LedgerWorld.Write(disturbed.Ledger, disturbed.Stored, _ => writes-- > 0);
                            break;
                        default:
                            disturbed.Restart();
                            break;
                    }
                }
                disturbed.Settle(nodes);

                var undisturbed = new Operator(pods);
                foreach (var node in nodes)
                    undisturbed.Ledger.Record(node.Everything(), null);
                Usage(disturbed.Ledger).Should().Be(Usage(undisturbed.Ledger));
                nodes.Should().OnlyContain(node => node.Kept == 0, "what is written is forgotten");
                // The plain sums of all measurements.
                var sums = disturbed.Ledger.SpentByWorkload(Namespace, LabelSelector.Everything, Start, End, End);
                sums.Sum(one => one.Usage.BusyMs).Should().Be(nodes.Sum(node => node.Busy));
                sums.Sum(one => one.Usage.EnergyMj).Should().Be(nodes.Sum(node => node.Energy));
                sums.SelectMany(one => one.Usage.Tokens.Values)
                    .Sum(tokens => tokens.Generated)
                    .Should()
                    .Be(nodes.Sum(node => node.Generated));
            })
            .Check(Config.QuickThrowOnFailure.WithMaxTest(100).WithEndSize(150));

    private static PodObservation Pod(int number) =>
        new()
        {
            Uid = $"pod-{number}",
            Pod = $"pod-{number}",
            Workload = new(Namespace, "Job", $"job-{number % 2}", $"job-{number % 2}"),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string>(),
            Node = $"node-{number % 2}",
            Gpus = 1,
            ScheduledAt = Start,
            ObservedAt = Start,
        };

    /// <summary>Sums of the whole and of each day.</summary>
    private static string Usage(GpuLedger ledger)
    {
        var lines = new List<string>();
        void Add(DateTimeOffset from, DateTimeOffset to) =>
            lines.AddRange(
                ledger
                    .SpentByWorkload(Namespace, LabelSelector.Everything, from, to, End)
                    .Select(one =>
                        $"{from:O} {one.Workload.Name} {one.Spent.Units} {one.ReservedGpuMs} {JsonSerializer.Serialize(one.Usage)}"
                    )
            );
        Add(Start, End);
        for (var day = new DateTimeOffset(Start.UtcDateTime.Date, TimeSpan.Zero); day < End; day = day.AddDays(1))
            Add(day, day.AddDays(1));
        return string.Join("\n", lines);
    }

    /// <summary>A ledger, its stored objects, and the polling of an operator, which starts from the written cursor.</summary>
    private sealed class Operator
    {
        private readonly PodObservation[] _pods;

        public Operator(PodObservation[] pods)
        {
            this._pods = pods;
            Ledger = Known(new());
        }

        public GpuLedger Ledger { get; private set; }

        public Dictionary<string, string> Stored { get; } = [];

        public (UsageReport Report, JournalCursor? After) Ask(Node node, int entries)
        {
            var after = Ledger.DurableCursor(node.Name);
            return (node.Answer(after, entries), after);
        }

        public void Restart() => Ledger = Known(LedgerWorld.Read(Stored.Values));

        /// <summary>Polls until nothing is left and writes everything, as an undisturbed leader does.</summary>
        public void Settle(IReadOnlyList<Node> nodes)
        {
            foreach (var node in nodes)
            {
                while (true)
                {
                    var (report, after) = Ask(node, 7);
                    var outcome = Ledger.Record(report, after);
                    outcome.Gap.Should().BeNull();
                    LedgerWorld.Write(Ledger, Stored);
                    if (Ledger.DurableCursor(node.Name)?.Seq == node.Last)
                        break;
                }
                Ask(node, 1); // acknowledges the rest
            }
        }

        private GpuLedger Known(GpuLedger ledger)
        {
            ledger.Install(Start);
            ledger.Reprice("", new(3_060_000_000), Start);
            foreach (var pod in _pods)
                ledger.Observe(pod);
            return ledger;
        }
    }

    /// <summary>A node whose journal is a list: entries are numbered and kept until they are acknowledged.</summary>
    private sealed class Node(string name)
    {
        private readonly List<(long Seq, UsageInterval? Interval, TokenSample? Tokens)> _all = [];
        private readonly Dictionary<string, long> _counters = [];
        private long _acknowledged;
        private DateTimeOffset _clock = Start;

        public string Name => name;

        public long Last => _all.Count;

        public int Kept => (int)(_all.Count - _acknowledged);

        public long Busy { get; private set; }

        public long Energy { get; private set; }

        public long Generated { get; private set; }

        public void Measure(PodObservation pod, int much)
        {
            if (pod.Node != name)
                return;
            // Now and then nothing happens for most of a day, so days close on their own; some intervals span midnight.
            if (much % 8 == 7)
                _clock += TimeSpan.FromHours(much / 8 % 24);
            var from = _clock;
            _clock += TimeSpan.FromSeconds(much % 8 == 6 ? 60 * much : 10);
            _all.Add(
                (
                    _all.Count + 1,
                    new()
                    {
                        Seq = _all.Count + 1,
                        PodUid = pod.Uid,
                        Namespace = Namespace,
                        Pod = pod.Pod,
                        Device = "GPU-0",
                        From = from,
                        To = _clock,
                        BusyMs = much * 39,
                        EnergyMj = much * 7,
                    },
                    null
                )
            );
            Busy += much * 39;
            Energy += much * 7;
        }

        /// <summary>The counter of a server grows, or restarts with the server.</summary>
        public void Count(PodObservation pod, int much)
        {
            if (pod.Node != name)
                return;
            var before = _counters.GetValueOrDefault(pod.Uid);
            var grown = much % 4 == 0 && before > 0 ? much % (int)Math.Min(before, 100) : before + much;
            Generated += grown >= before ? grown - before : grown;
            _counters[pod.Uid] = grown;
            _all.Add(
                (
                    _all.Count + 1,
                    null,
                    new()
                    {
                        Seq = _all.Count + 1,
                        PodUid = pod.Uid,
                        Model = "m",
                        Prompt = 1,
                        Generated = grown,
                        At = _clock,
                    }
                )
            );
        }

        public UsageReport Answer(JournalCursor? after, int entries)
        {
            if (after is not null)
                _acknowledged = Math.Max(_acknowledged, after.Seq);
            // Acknowledged entries are dropped.
            var first = Math.Max(after?.Seq ?? 0, _acknowledged) + 1;
            return Report(first, [.. _all.Where(entry => entry.Seq >= first).Take(entries)]);
        }

        public UsageReport Everything() => Report(1, _all);

        private UsageReport Report(long first, IReadOnlyList<(long Seq, UsageInterval? Interval, TokenSample? Tokens)> entries) =>
            new()
            {
                Node = name,
                Epoch = $"journal-of-{name}",
                First = first,
                Next = first + entries.Count,
                Intervals = [.. entries.Select(entry => entry.Interval).OfType<UsageInterval>()],
                Tokens = [.. entries.Select(entry => entry.Tokens).OfType<TokenSample>()],
            };
    }
}
