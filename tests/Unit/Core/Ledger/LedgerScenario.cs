using System.Globalization;
using System.Numerics;
using System.Text;
using Bursar.Core.Ledger;
using Bursar.Core.Usage;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>
/// One fact of a <see cref="LedgerScenario"/>; every combination of bytes is valid, so that a scenario can be shortened anywhere.
/// </summary>
public readonly record struct ScenarioFact(byte What, byte Where, byte When, byte Long, byte Much);

/// <summary>
/// Some minutes of a small cluster as a list of facts that FsCheck can draw and, when one fails, shorten to the few that matter: pods
/// with whole cards, slices and slots, pods that only an agent's journal knows, prices that change, nodes that are lost or change
/// their devices. A ledger observes them in any order; an independent count goes second by second without the code of the ledger.
/// </summary>
public sealed class LedgerScenario
{
    public const int Seconds = 256;
    public const string Namespace = "team";
    private const int NodeCount = 3;
    private static readonly DateTimeOffset Zero = new(2028, 2, 28, 23, 58, 0, TimeSpan.Zero); // two minutes before a leap day
    private static readonly (int Parts, int Of)[] Shares = [(1, 1), (1, 1), (1, 7), (3, 7), (1, 4), (2, 3), (460, 1000)];
    private static readonly string[] Products = ["card", "board"];

    private readonly List<Pod> _pods = [];
    private readonly List<(int Product, int At, long Nano)> _prices = [];
    private readonly List<(int Node, int At, int Gpus)> _capacities = [];
    private readonly List<(int Node, int From, int To)> _losses = [];

    private sealed record Pod(int Number, int Node, int Gpus, int Share, int From, int To, bool Open, bool Finished, bool Known)
    {
        public string Uid => $"pod-{Number}";

        public bool Holds(int second) => From <= second && (Open || second < To);
    }

    public LedgerScenario(IReadOnlyList<ScenarioFact> facts)
    {
        for (var node = 0; node < NodeCount; node++)
            _capacities.Add((node, 0, 4));
        for (var product = 0; product < Products.Length; product++)
            _prices.Add((product, 0, 1_234_567_891 * (product + 1)));
        foreach (var fact in facts)
        {
            var (node, at) = (fact.Where % NodeCount, (int)fact.When);
            switch (fact.What % 8)
            {
                case 0 or 1 or 2:
                    _pods.Add(
                        new(
                            _pods.Count,
                            node,
                            1 + fact.Much % 3,
                            fact.Much / 3 % Shares.Length,
                            at,
                            Math.Min(at + fact.Long, Seconds),
                            Open: fact.Where % 4 == 3,
                            Finished: fact.Where / 4 % 2 == 0,
                            Known: true
                        )
                    );
                    break;
                case 3:
                    // Only the journal reports the pod and each of its devices.
                    if (at < Seconds - 1)
                        _pods.Add(
                            new(
                                _pods.Count,
                                node,
                                1 + fact.Much % 2,
                                0,
                                at,
                                Math.Min(at + 1 + fact.Long, Seconds),
                                Open: false,
                                Finished: false,
                                Known: false
                            )
                        );
                    break;
                case 4 or 5:
                    if (at > 0 && !_prices.Exists(price => price.Product == fact.Where % 2 && price.At == at))
                        _prices.Add((fact.Where % 2, at, fact.Much * 97_654_321L + fact.Long));
                    break;
                case 6:
                    if (at > 0 && !_capacities.Exists(one => one.Node == node && one.At == at))
                        _capacities.Add((node, at, fact.Much % 9));
                    break;
                default:
                    if (fact.Long > 0 && !_losses.Exists(loss => loss.Node == node && at <= loss.To && loss.From <= at + fact.Long))
                        _losses.Add((node, at, at + fact.Long));
                    break;
            }
        }
        Tellings = [.. PodTellings(), .. PriceTellings(), .. NodeTellings()];
    }

    /// <summary>
    /// Lists of observations. The order within a list is fixed; lists may be interleaved in any way.
    /// </summary>
    public IReadOnlyList<IReadOnlyList<Action<GpuLedger>>> Tellings { get; }

    public static IReadOnlyList<string> Nodes => [.. Enumerable.Range(0, NodeCount).Select(NodeName)];

    public static DateTimeOffset At(double second) => Zero.AddSeconds(second);

    public int Pods => _pods.Count;

    public bool HasLosses => _losses.Count > 0;

    /// <summary>All observations, interleaved at random; with <paramref name="twice"/>, some of them twice.</summary>
    public GpuLedger ToLedger(Random random, bool twice = false)
    {
        var ledger = new GpuLedger();
        ledger.Install(Zero);
        foreach (var tell in Shuffled(random, twice))
            tell(ledger);
        return ledger;
    }

    public List<Action<GpuLedger>> Shuffled(Random random, bool twice)
    {
        var queues = Tellings.Where(one => one.Count > 0).Select(one => new Queue<Action<GpuLedger>>(one)).ToList();
        var order = new List<Action<GpuLedger>>();
        while (queues.Count > 0)
        {
            var queue = queues[random.Next(queues.Count)];
            var tell = queue.Dequeue();
            order.Add(tell);
            if (twice && random.Next(3) == 0)
                order.Add(tell);
            if (queue.Count == 0)
                queues.Remove(queue);
        }
        return order;
    }

    /// <summary>A node's seconds [from, to) counted one by one: total, reserved, lost, and the part of pods with unknown labels.</summary>
    public (BigInteger Total, BigInteger Reserved, BigInteger Unallocated, BigInteger Lost, BigInteger Unknown) Count(
        int node,
        int from,
        int to
    )
    {
        BigInteger total = 0,
            reserved = 0,
            unallocated = 0,
            lost = 0,
            unknown = 0;
        for (var second = from; second < to; second++)
        {
            var nano = _prices.Where(price => price.Product == node % 2 && price.At <= second).MaxBy(price => price.At).Nano;
            var gpus = _capacities.Where(one => one.Node == node && one.At <= second).MaxBy(one => one.At).Gpus;
            BigInteger parts = 0,
                of = 1,
                held = 0,
                strange = 0;
            foreach (var pod in _pods.Where(pod => pod.Node == node && pod.Holds(second)))
            {
                var share = Shares[pod.Share];
                (parts, of) = (parts * share.Of + of * share.Parts * pod.Gpus, of * share.Of);
                var cost = new BigInteger(nano) * share.Parts / share.Of * pod.Gpus;
                if (pod.Known)
                    held += cost;
                else
                    strange += cost;
            }
            var whole = new BigInteger(nano) * BigInteger.Max(gpus, (parts + of - 1) / of);
            total += whole;
            if (_losses.Exists(loss => loss.Node == node && loss.From <= second && second < loss.To))
                lost += whole;
            else
                (reserved, unknown, unallocated) = (reserved + held, unknown + strange, unallocated + whole - held - strange);
        }
        return (total * 1000, reserved * 1000, unallocated * 1000, lost * 1000, unknown * 1000);
    }

    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (var pod in _pods)
            text.AppendLine(pod.ToString());
        foreach (var price in _prices)
            text.AppendLine(CultureInfo.InvariantCulture, $"price {price}");
        foreach (var capacity in _capacities)
            text.AppendLine(CultureInfo.InvariantCulture, $"capacity {capacity}");
        foreach (var loss in _losses)
            text.AppendLine(CultureInfo.InvariantCulture, $"loss {loss}");
        return text.ToString();
    }

    private static string NodeName(int node) => $"node-{node}";

    private IEnumerable<IReadOnlyList<Action<GpuLedger>>> PodTellings()
    {
        foreach (var pod in _pods.Where(pod => pod.Known))
        {
            var share = Shares[pod.Share];
            var first = new PodObservation
            {
                Uid = pod.Uid,
                Pod = pod.Uid,
                Workload = new(Namespace, "Job", $"job-{pod.Number % 4}", $"job-{pod.Number % 4}"),
                Class = WorkloadClass.Training,
                Labels = new Dictionary<string, string>(),
                Node = NodeName(pod.Node),
                Product = Products[pod.Node % 2],
                Gpus = pod.Gpus,
                Share = new(share.Parts, share.Of),
                ScheduledAt = At(pod.From),
                ObservedAt = At(pod.From),
            };
            // Two observations of one pod may come in any order, so each is a list of its own.
            yield return [ledger => ledger.Observe(first)];
            if (pod.Open)
                continue;
            var end = At(Math.Max(pod.From, pod.To));
            var last = first with
            {
                FinishedAt = pod.Finished ? end : null,
                GoneAt = pod.Finished ? null : end,
                IsGone = true,
                ObservedAt = end,
            };
            yield return [ledger => ledger.Observe(last)];
        }
        for (var node = 0; node < NodeCount; node++)
        {
            var (name, entries) = (NodeName(node), new List<UsageInterval>());
            foreach (var pod in _pods.Where(pod => !pod.Known && pod.Node == node))
                for (var device = 0; device < pod.Gpus; device++)
                    entries.Add(
                        new()
                        {
                            Seq = entries.Count + 1,
                            PodUid = pod.Uid,
                            Namespace = Namespace,
                            Pod = pod.Uid,
                            Device = $"GPU-{device}",
                            From = At(pod.From),
                            To = At(pod.To),
                            BusyMs = 1,
                        }
                    );
            yield return
            [
                .. entries.Select(
                    (_, i) =>
                        (Action<GpuLedger>)(
                            ledger =>
                                ledger.Record(
                                    new()
                                    {
                                        Node = name,
                                        Epoch = "e",
                                        First = 1,
                                        Next = i + 2,
                                        Intervals = [.. entries.Take(i + 1)],
                                    },
                                    null
                                )
                        )
                ),
            ];
        }
    }

    private IEnumerable<IReadOnlyList<Action<GpuLedger>>> PriceTellings() =>
        Products.Select(
            (product, number) =>
                (IReadOnlyList<Action<GpuLedger>>)
                    [
                        .. _prices
                            .Where(price => price.Product == number)
                            .OrderBy(price => price.At)
                            .Select(price => (Action<GpuLedger>)(ledger => ledger.Reprice(product, new(price.Nano), At(price.At)))),
                    ]
        );

    private IEnumerable<IReadOnlyList<Action<GpuLedger>>> NodeTellings()
    {
        for (var node = 0; node < NodeCount; node++)
        {
            var (name, product) = (NodeName(node), Products[node % 2]);
            yield return
            [
                .. _capacities
                    .Where(one => one.Node == node)
                    .OrderBy(one => one.At)
                    .Select(one => (Action<GpuLedger>)(ledger => ledger.ObserveNode(name, product, one.Gpus, At(one.At)))),
            ];
            yield return
            [
                .. _losses
                    .Where(loss => loss.Node == node)
                    .OrderBy(loss => loss.From)
                    .SelectMany(loss =>
                        (Action<GpuLedger>[])
                            [ledger => ledger.MarkNodeLost(name, At(loss.From)), ledger => ledger.MarkNodeBack(name, At(loss.To))]
                    ),
            ];
        }
    }
}
