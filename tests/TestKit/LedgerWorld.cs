using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.State;
using Bursar.Core.Text;
using Bursar.Core.Usage;

namespace Bursar.Tests.TestKit;

/// <summary>
/// A small cluster's history made from a seed, recorded in a ledger operation by operation, and priced a second time by brute force, second
/// by second from the plain facts. Every event falls on a whole second, so that the second result is exact.
/// </summary>
public sealed class LedgerWorld
{
    public const int Seconds = 240;
    public static readonly DateTimeOffset Zero = new(2026, 10, 24, 23, 58, 0, TimeSpan.Zero); // over midnight UTC
    private static readonly string[] Products = ["NVIDIA-H100-80GB-HBM3", "Tesla-T4"];
    public static readonly string[] Namespaces = ["team-a", "team-b"];

    private readonly List<PodFacts> _pods = [];
    private readonly List<NodeFacts> _nodes = [];
    private readonly List<(string Product, int At, long Nano)> _prices = [];

    /// <summary>The operator's observations, in the order of time.</summary>
    public List<Action<GpuLedger>> Operations { get; } = [];

    /// <summary>The observations of pods.</summary>
    public List<PodObservation> Observations { get; } = [];

    public IReadOnlyList<string> NodeNames => [.. _nodes.Select(node => node.Name)];

    public static DateTimeOffset At(double second) => Zero.AddSeconds(second);

    public LedgerWorld(int seed)
    {
        var random = new Random(seed);
        var told = new List<(int At, int Order, Action<GpuLedger> Tell)>();
        void Tell(int at, Action<GpuLedger> tell) => told.Add((at, told.Count, tell));

        foreach (var product in Products)
        {
            var at = 0;
            for (var change = random.Next(5); change >= 0; change--)
            {
                var (when, nano) = (at, random.NextInt64(1, 20_000_000_000));
                _prices.Add((product, when, nano));
                Tell(when, ledger => ledger.Reprice(product, new(nano), At(when)));
                at += random.Next(1, 80);
            }
        }
        for (var n = 0; n < 3; n++)
        {
            var node = new NodeFacts($"node-{n}", Products[random.Next(Products.Length)], random.Next(1, 9), random.Next(0, 20));
            _nodes.Add(node);
            Tell(node.From, ledger => ledger.ObserveNode(node.Name, node.Product, node.Gpus, At(node.From)));
            if (random.Next(3) == 0)
            {
                node.Fewer = (random.Next(30, 200), node.Gpus - 1);
                Tell(node.Fewer.Value.At, ledger =>
                    ledger.ObserveNode(node.Name, node.Product, node.Fewer.Value.Gpus, At(node.Fewer.Value.At))
                );
            }
            var clock = 25;
            while (random.Next(2) == 0 && clock < Seconds - 30)
            {
                var from = clock + random.Next(1, 30);
                var to = from + random.Next(1, 40);
                clock = to + 1;
                var ends = random.Next(4) > 0;
                node.Lost.Add((from, ends ? to : null));
                // The loss is noticed later than the last proof of life.
                Tell(Math.Min(to, from + 3), ledger => ledger.MarkNodeLost(node.Name, At(from)));
                if (!ends)
                    break;
                Tell(to, ledger => ledger.MarkNodeBack(node.Name, At(to)));
            }
        }
        for (var p = 0; p < random.Next(1, 14); p++)
        {
            var node = _nodes[random.Next(_nodes.Count)];
            var pod = new PodFacts(
                $"uid-{seed}-{p}",
                Namespaces[random.Next(2)],
                $"job-{random.Next(5)}",
                node,
                random.Next(1, 4),
                random.Next(0, Seconds - 1),
                random.Next(2) == 0 ? "nlp" : "cv"
            );
            if (random.Next(4) > 0)
                pod.To = pod.From + random.Next(0, 150);
            pod.Finished = random.Next(2) == 0;
            _pods.Add(pod);
            var seen = Math.Min(Seconds, pod.From + random.Next(0, 4));
            var first = pod.Observation(seen, end: false);
            Observations.Add(first);
            Tell(seen, ledger => ledger.Observe(first));
            if (pod.To is not { } end || end > Seconds)
                continue;
            var last = pod.Observation(Math.Max(end, seen) + 1, end: true);
            Observations.Add(last);
            Tell(Math.Max(end, seen) + 1, ledger => ledger.Observe(last));
        }
        foreach (var node in _nodes)
            Measure(node, random, Tell);
        Operations.Add(ledger => ledger.Install(At(0)));
        Operations.AddRange(told.OrderBy(one => one.At).ThenBy(one => one.Order).Select(one => one.Tell));
    }

    /// <summary>The node's agent is asked now and then, each time telling all that its journal holds.</summary>
    private void Measure(NodeFacts node, Random random, Action<int, Action<GpuLedger>> tell)
    {
        var journal = new List<UsageInterval>();
        for (var from = 0; from + 10 <= Seconds; from += 10)
        {
            foreach (var pod in _pods.Where(pod => pod.Node == node && pod.Holds(from) && pod.Holds(from + 9)))
                journal.Add(
                    new()
                    {
                        Seq = journal.Count + 1,
                        PodUid = pod.Uid,
                        Namespace = pod.Namespace,
                        Pod = pod.Job,
                        Device = "GPU-0",
                        From = At(from),
                        To = At(from + 10),
                        BusyMs = random.Next(10_000),
                        EnergyMj = random.Next(1_000),
                    }
                );
            if (random.Next(4) == 0)
                continue; // not asked this time
            var report = new UsageReport
            {
                Node = node.Name,
                Epoch = $"journal-of-{node.Name}",
                First = 1,
                Next = journal.Count + 1,
                Intervals = [.. journal],
            };
            tell(from + 10, ledger => ledger.Record(report, null));
        }
    }

    public GpuLedger Told()
    {
        var ledger = new GpuLedger();
        foreach (var operation in Operations)
            operation(ledger);
        return ledger;
    }

    public static LabelSelector Team(string team) => new() { MatchLabels = new Dictionary<string, string> { ["team"] = team } };

    /// <summary>Returns the cost of the selected pods in [from, to), second by second.</summary>
    public Amount Spent(string? ns, string? team, string? node, int from, int to)
    {
        Int128 units = 0;
        for (var second = from; second < to; second++)
            foreach (var pod in _pods)
                if (
                    (ns is null || pod.Namespace == ns)
                    && (team is null || pod.Team == team)
                    && (node is null || pod.Node.Name == node)
                    && pod.Holds(second)
                    && !pod.Node.IsLost(second)
                )
                    units += (Int128)Price(pod.Node.Product, second) * pod.Gpus * 1000;
        return new(units);
    }

    /// <summary>The node's bill by brute force: total, unallocated, lost.</summary>
    public (Amount Total, Amount Unallocated, Amount Lost) Bill(string name, int from, int to)
    {
        var node = _nodes.Single(one => one.Name == name);
        Int128 total = 0,
            unallocated = 0,
            lost = 0;
        for (var second = from; second < to; second++)
        {
            var held = _pods.Where(pod => pod.Node == node && pod.Holds(second)).Sum(pod => pod.Gpus);
            var present = Math.Max(held, node.GpusAt(second));
            var price = (Int128)Price(node.Product, second) * 1000;
            total += price * present;
            if (node.IsLost(second))
                lost += price * present;
            else
                unallocated += price * (present - held);
        }
        return (new(total), new(unallocated), new(lost));
    }

    private long Price(string product, int second) =>
        _prices.Where(price => price.Product == product && price.At <= second).MaxBy(price => price.At).Nano;

    /// <summary>Every sum a person could ask for, as text: two ledgers that agree here agree.</summary>
    public static string Sums(GpuLedger ledger, DateTimeOffset now)
    {
        var lines = new List<string>();
        foreach (var ns in Namespaces)
        {
            foreach (var (from, to) in new[] { (0, Seconds), (17, 133), (120, 121) })
            {
                lines.Add($"{ns} {from}-{to} all {ledger.Spent(ns, LabelSelector.Everything, At(from), At(to), now).Units}");
                lines.Add($"{ns} {from}-{to} nlp {ledger.Spent(ns, Team("nlp"), At(from), At(to), now).Units}");
                lines.AddRange(
                    ledger
                        .SpentByWorkload(ns, LabelSelector.Everything, At(from), At(to), now)
                        .Select(one =>
                            $"{ns} {from}-{to} {one.Workload.Name} {one.Spent.Units} {one.ReservedGpuMs} {one.Gpus} {one.RatePerHour} {JsonSerializer.Serialize(one.Usage)}"
                        )
                );
            }
            lines.AddRange(ledger.Entries(ns, At(0), At(Seconds), now).Select(entry => entry.ToString()));
        }
        foreach (var node in ledger.Nodes())
        {
            var bill = ledger.Bill(node, At(0), At(Seconds), now);
            lines.Add($"{node} {bill.Total} {bill.Reserved} {bill.Unallocated} {string.Join(",", bill.Unattributed)}");
        }
        return string.Join("\n", lines);
    }

    /// <summary>Writes what is dirty as JSON and reads it back, as the API server would keep it.</summary>
    public static void Write(GpuLedger ledger, Dictionary<string, string> stored, Func<LedgerShard, bool>? succeeds = null) =>
        Write(ledger, stored, ledger.DirtyShards(), succeeds);

    public static void Write(
        GpuLedger ledger,
        Dictionary<string, string> stored,
        IReadOnlyList<LedgerShard> shards,
        Func<LedgerShard, bool>? succeeds = null
    ) => Write(ledger.MarkWritten, stored, shards, succeeds);

    public static void Write(OperatorState state, Dictionary<string, string> stored, Func<LedgerShard, bool>? succeeds = null) =>
        Write(state.MarkWritten, stored, state.DirtyShards(), succeeds);

    private static void Write(
        Action<string, long> markWritten,
        Dictionary<string, string> stored,
        IReadOnlyList<LedgerShard> shards,
        Func<LedgerShard, bool>? succeeds
    )
    {
        foreach (var shard in shards)
        {
            if (succeeds is not null && !succeeds(shard))
                return;
            if (shard.IsEmpty)
                stored.Remove(shard.Name);
            else
                stored[shard.Name] = JsonSerializer.Serialize(shard, LedgerJson.Default.LedgerShard);
            markWritten(shard.Name, shard.Revision);
        }
    }

    public static GpuLedger Read(IEnumerable<string> stored) => GpuLedger.Load(Shards(stored));

    public static OperatorState ReadState(IEnumerable<string> stored) => OperatorState.Load(Shards(stored));

    private static IEnumerable<LedgerShard> Shards(IEnumerable<string> stored) =>
        stored.Select(json => JsonSerializer.Deserialize(json, LedgerJson.Default.LedgerShard)!);

    private sealed record NodeFacts(string Name, string Product, int Gpus, int From)
    {
        public (int At, int Gpus)? Fewer { get; set; }

        public List<(int From, int? To)> Lost { get; } = [];

        public bool IsLost(int second) => Lost.Exists(loss => loss.From <= second && !(loss.To <= second));

        public int GpusAt(int second) =>
            second < From ? 0
            : Fewer is { } fewer && second >= fewer.At ? fewer.Gpus
            : Gpus;
    }

    private sealed record PodFacts(string Uid, string Namespace, string Job, NodeFacts Node, int Gpus, int From, string Team)
    {
        public int? To { get; set; }

        public bool Finished { get; set; }

        public bool Holds(int second) => From <= second && !(To <= second);

        public PodObservation Observation(int seen, bool end) =>
            new()
            {
                Uid = Uid,
                Pod = $"{Job}-{Uid}",
                Workload = new(Namespace, "Job", Job, $"{Namespace}-{Job}"),
                Class = WorkloadClass.Training,
                Labels = new Dictionary<string, string> { ["team"] = Team },
                Node = Node.Name,
                Product = Node.Product,
                Gpus = Gpus,
                ScheduledAt = At(From),
                FinishedAt = end && Finished ? At(To!.Value) : null,
                GoneAt = end && !Finished ? At(To!.Value) : null,
                ObservedAt = At(seen),
            };
    }
}
