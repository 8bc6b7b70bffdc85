using System.Numerics;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>Properties over scenarios that FsCheck shrinks: a failure shows the few facts that cause it.</summary>
public sealed class LedgerScenarioTests
{
    private static readonly DateTimeOffset Now = LedgerScenario.At(LedgerScenario.Seconds);

    [Fact]
    public void Node_bill_adds_up_and_equals_a_count_second_by_second() =>
        ForEachScenario(
            (scenario, random) =>
            {
                var ledger = scenario.ToLedger(random);
                var from = random.Next(LedgerScenario.Seconds);
                var to = random.Next(from, LedgerScenario.Seconds + 1);
                BigInteger reserved = 0,
                    unknown = 0;
                for (var node = 0; node < LedgerScenario.Nodes.Count; node++)
                {
                    var bill = ledger.Bill(LedgerScenario.Nodes[node], LedgerScenario.At(from), LedgerScenario.At(to), Now);
                    var counted = scenario.Count(node, from, to);
                    ((BigInteger)bill.Total.Units, (BigInteger)bill.Reserved.Units, (BigInteger)bill.Unallocated.Units)
                        .Should()
                        .Be(
                            (counted.Total, counted.Reserved, counted.Unallocated),
                            "node {0}, {1} to {2} of\n{3}",
                            node,
                            from,
                            to,
                            scenario
                        );
                    (
                        (BigInteger)bill.Unattributed.GetValueOrDefault(NodeBill.NodeLost).Units,
                        (BigInteger)bill.Unattributed.GetValueOrDefault(NodeBill.LabelsUnknown).Units
                    )
                        .Should()
                        .Be((counted.Lost, counted.Unknown), "node {0}, {1} to {2} of\n{3}", node, from, to, scenario);
                    Whole(bill).Should().Be(bill.Total);
                    reserved += counted.Reserved;
                    unknown += counted.Unknown;
                }
                ((BigInteger)Spent(ledger, from, to).Units)
                    .Should()
                    .Be(reserved + unknown, "nodes and namespaces tell of the same pods\n{0}", scenario);
            }
        );

    [Fact]
    public void Node_bill_adds_up_at_odd_milliseconds() =>
        ForEachScenario(
            (scenario, random) =>
            {
                var ledger = scenario.ToLedger(random);
                var edges = Enumerable
                    .Range(0, 5)
                    .Select(_ => LedgerScenario.At(random.Next(LedgerScenario.Seconds * 1000) / 1000.0))
                    .Append(LedgerScenario.At(0))
                    .Append(Now)
                    .Order()
                    .ToArray();
                foreach (var node in LedgerScenario.Nodes)
                {
                    var sum = Amount.Zero;
                    foreach (var (from, to) in edges.Zip(edges.Skip(1)))
                    {
                        var bill = ledger.Bill(node, from, to, Now);
                        Whole(bill).Should().Be(bill.Total, "{0}\n{1}", node, scenario);
                        sum += bill.Total;
                    }
                    sum.Should().Be(ledger.Bill(node, LedgerScenario.At(0), Now, Now).Total);
                }
            }
        );

    [Fact]
    public void Order_and_repetition_of_observations_do_not_matter() =>
        ForEachScenario(
            (scenario, random) => Sums(scenario.ToLedger(random, twice: true)).Should().Be(Sums(scenario.ToLedger(random)), "{0}", scenario)
        );

    /// <summary>
    /// The operator crashes at any moment, also between two writes of one flush. Facts that are replayed come in another order.
    /// </summary>
    [Fact]
    public void Operator_killed_anywhere_is_succeeded_with_the_same_amounts() =>
        ForEachScenario(
            (scenario, random) =>
            {
                var stored = new Dictionary<string, string>();
                var told = scenario.Shuffled(random, twice: true);
                var ledger = new GpuLedger();
                ledger.Install(LedgerScenario.At(0));
                for (var i = 0; i < told.Count; i++)
                {
                    told[i](ledger);
                    if (random.Next(4) > 0)
                        continue;
                    var writes = random.Next(5);
                    LedgerWorld.Write(ledger, stored, _ => writes-- > 0);
                    if (random.Next(2) == 0)
                        continue;
                    ledger = LedgerWorld.Read(stored.Values.OrderBy(_ => random.Next()));
                    ledger.Install(LedgerScenario.At(0));
                    // The API and the journals replay facts that a failed write lost, each in its own order.
                    foreach (var tell in told.Take(i + 1))
                        tell(ledger);
                }
                Sums(ledger).Should().Be(Sums(scenario.ToLedger(random)), "{0}", scenario);
                LedgerWorld.Write(ledger, stored);
                Sums(LedgerWorld.Read(stored.Values)).Should().Be(Sums(ledger));
            }
        );

    [Fact]
    public void Generated_scenarios_contain_losses_and_unknown_times()
    {
        // Properties over empty scenarios would hold as well.
        var scenarios = Scenarios.Generator.Sample(100, 100).Select(facts => new LedgerScenario(facts)).ToArray();
        scenarios.Count(scenario => scenario.Pods > 5).Should().BeGreaterThan(60);
        scenarios.Count(scenario => scenario.HasLosses).Should().BeGreaterThan(60);
        scenarios.Count(scenario => scenario.Count(1, 0, LedgerScenario.Seconds).Unknown > 0).Should().BeGreaterThan(40);
    }

    private static Arbitrary<ScenarioFact[]> Scenarios => ArbMap.Default.ArbFor<ScenarioFact[]>();

    private static void ForEachScenario(Action<LedgerScenario, Random> check) =>
        Prop.ForAll(Scenarios, Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), (facts, seed) => check(new(facts), new(seed)))
            .QuickCheckThrowOnFailure();

    private static Amount Whole(NodeBill bill) =>
        bill.Unattributed.Values.Aggregate(bill.Reserved + bill.Unallocated, (sum, one) => sum + one);

    private static Amount Spent(GpuLedger ledger, int from, int to) =>
        ledger.Spent(LedgerScenario.Namespace, LabelSelector.Everything, LedgerScenario.At(from), LedgerScenario.At(to), Now);

    private static string Sums(GpuLedger ledger)
    {
        var lines = new List<string>();
        foreach (var (from, to) in new[] { (0, LedgerScenario.Seconds), (17, 133), (120, 121) })
        {
            lines.Add($"{from}-{to} {Spent(ledger, from, to).Units}");
            foreach (var node in LedgerScenario.Nodes)
            {
                var bill = ledger.Bill(node, LedgerScenario.At(from), LedgerScenario.At(to), Now);
                lines.Add(
                    $"{node} {from}-{to} {bill.Total.Units} {bill.Reserved.Units} {bill.Unallocated.Units} {bill.UnpricedGpuMs} {string.Join(",", bill.Unattributed.OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => $"{one.Key}={one.Value.Units}"))}"
                );
            }
        }
        lines.AddRange(
            ledger
                .Entries(LedgerScenario.Namespace, LedgerScenario.At(0), Now, Now)
                .Select(entry => $"{entry.PodUid} {entry.Rate} {entry.Gpus} {entry.Share} {entry.From:O} {entry.To:O}")
        );
        return string.Join("\n", lines);
    }
}
