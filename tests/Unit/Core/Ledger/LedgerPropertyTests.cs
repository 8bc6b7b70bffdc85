using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

public sealed class LedgerPropertyTests
{
    private static readonly DateTimeOffset Now = LedgerWorld.At(LedgerWorld.Seconds);

    [Fact]
    public void Charges_of_budgets_equal_a_count_second_by_second() =>
        ForEachWorld(
            (world, random) =>
            {
                var ledger = world.Told();
                var from = random.Next(LedgerWorld.Seconds);
                var to = random.Next(from, LedgerWorld.Seconds + 1);
                foreach (var ns in LedgerWorld.Namespaces)
                {
                    ledger
                        .Spent(ns, LabelSelector.Everything, LedgerWorld.At(from), LedgerWorld.At(to), Now)
                        .Should()
                        .Be(world.Spent(ns, null, null, from, to));
                    var nlp = ledger.Spent(ns, LedgerWorld.Team("nlp"), LedgerWorld.At(from), LedgerWorld.At(to), Now);
                    nlp.Should().Be(world.Spent(ns, "nlp", null, from, to));
                    ledger
                        .OutsideSelectors(ns, [LedgerWorld.Team("nlp")], LedgerWorld.At(from), LedgerWorld.At(to), Now)
                        .Should()
                        .Be(world.Spent(ns, "cv", null, from, to));
                    Sum(
                            ledger
                                .SpentByWorkload(ns, LedgerWorld.Team("nlp"), LedgerWorld.At(from), LedgerWorld.At(to), Now)
                                .Select(one => one.Spent)
                        )
                        .Should()
                        .Be(nlp);
                    Sum(
                            ledger
                                .Entries(ns, LedgerWorld.At(from), LedgerWorld.At(to), Now)
                                .Select(entry => (entry.Rate!.Value * entry.Gpus).For((entry.To ?? Now) - entry.From))
                        )
                        .Should()
                        .Be(world.Spent(ns, null, null, from, to));
                }
            }
        );

    [Fact]
    public void Limits_on_products_divide_the_whole_and_GPU_hours_equal_the_reserved_time() =>
        ForEachWorld(
            (world, random) =>
            {
                var ledger = world.Told();
                var (from, to) = (LedgerWorld.At(0), LedgerWorld.At(random.Next(1, LedgerWorld.Seconds + 1)));
                foreach (var ns in LedgerWorld.Namespaces)
                foreach (var unit in (UsageUnit[])[UsageUnit.Cost, UsageUnit.GpuHours])
                {
                    Amount Spent(string? product) => ledger.Spent(ns, LabelSelector.Everything, from, to, Now, new(unit, product));
                    var entries = ledger.Entries(ns, from, to, Now);
                    var byProduct = entries
                        .Select(entry => PriceClassName.ProductOf(entry.Product))
                        .Distinct()
                        .ToDictionary(one => one, Spent);
                    Sum(byProduct.Values).Should().Be(Spent(null));
                    foreach (var (product, spent) in byProduct)
                        Sum(
                                ledger
                                    .SpentByWorkload(ns, LabelSelector.Everything, from, to, Now, new(unit, product))
                                    .Select(one => one.Spent)
                            )
                            .Should()
                            .Be(spent);
                    if (unit == UsageUnit.GpuHours)
                        Spent(null)
                            .Should()
                            .Be(Sum(entries.Select(one => (GpuHourPrice.FromDecimal(1) * one.Gpus).For((one.To ?? Now) - one.From))));
                }
            }
        );

    [Fact]
    public void Node_bill_adds_up_for_every_interval() =>
        ForEachWorld(
            (world, random) =>
            {
                var ledger = world.Told();
                var from = random.Next(LedgerWorld.Seconds);
                var to = random.Next(from, LedgerWorld.Seconds + 1);
                foreach (var node in world.NodeNames)
                {
                    var bill = ledger.Bill(node, LedgerWorld.At(from), LedgerWorld.At(to), Now);
                    (bill.Reserved + bill.Unallocated + Sum(bill.Unattributed.Values)).Should().Be(bill.Total);
                    var counted = world.Bill(node, from, to);
                    bill.Total.Should().Be(counted.Total);
                    bill.Unallocated.Should().Be(counted.Unallocated);
                    bill.Unattributed.GetValueOrDefault(NodeBill.NodeLost).Should().Be(counted.Lost);
                    bill.Reserved.Should().Be(world.Spent(null, null, node, from, to));
                    bill.UnpricedGpuMs.Should().Be(0);
                }
            }
        );

    [Fact]
    public void Cutting_an_interval_changes_no_sum() =>
        ForEachWorld(
            (world, random) =>
            {
                var ledger = world.Told();
                // At odd milliseconds, at which there are no other events.
                var cuts = Enumerable
                    .Range(0, 6)
                    .Select(_ => LedgerWorld.Zero.AddMilliseconds(random.Next(LedgerWorld.Seconds * 1000)))
                    .Append(LedgerWorld.Zero)
                    .Append(Now)
                    .Order()
                    .ToArray();
                foreach (var ns in LedgerWorld.Namespaces)
                    Sum(cuts.Zip(cuts.Skip(1), (from, to) => ledger.Spent(ns, LabelSelector.Everything, from, to, Now)))
                        .Should()
                        .Be(ledger.Spent(ns, LabelSelector.Everything, LedgerWorld.Zero, Now, Now));
                foreach (var node in world.NodeNames)
                    Sum(cuts.Zip(cuts.Skip(1), (from, to) => ledger.Bill(node, from, to, Now).Total))
                        .Should()
                        .Be(ledger.Bill(node, LedgerWorld.Zero, Now, Now).Total);
            }
        );

    [Fact]
    public void Order_and_repetition_of_observations_do_not_matter() =>
        ForEachWorld(
            (world, random) =>
            {
                var expected = LedgerWorld.Sums(world.Told(), Now);
                var ledger = world.Told();
                foreach (var observation in world.Observations.Concat(world.Observations).OrderBy(_ => random.Next()))
                    ledger.Observe(observation);
                LedgerWorld.Sums(ledger, Now).Should().Be(expected);

                // Pods come before all other facts, in any order.
                var reversed = new GpuLedger();
                foreach (var observation in world.Observations.OrderBy(_ => random.Next()))
                    reversed.Observe(observation);
                foreach (var operation in world.Operations)
                    operation(reversed);
                LedgerWorld.Sums(reversed, Now).Should().Be(expected);
            }
        );

    [Fact]
    public void Replaying_observations_is_idempotent() =>
        ForEachWorld(
            (world, _) =>
            {
                var ledger = world.Told();
                LedgerWorld.Write(ledger, []);
                foreach (var operation in world.Operations)
                    operation(ledger);
                ledger.IsDirty.Should().BeFalse();
            }
        );

    [Fact]
    public void Ledger_round_trips_at_any_moment() =>
        ForEachWorld(
            (world, random) =>
            {
                var stored = new Dictionary<string, string>();
                var ledger = new GpuLedger();
                foreach (var operation in world.Operations)
                {
                    operation(ledger);
                    if (random.Next(3) > 0)
                        continue;
                    LedgerWorld.Write(ledger, stored);
                    ledger = LedgerWorld.Read(stored.Values.OrderBy(_ => random.Next()));
                    ledger.IsDirty.Should().BeFalse();
                }
                LedgerWorld.Sums(ledger, Now).Should().Be(LedgerWorld.Sums(world.Told(), Now));
            }
        );

    [Fact]
    public void Crash_between_two_writes_loses_nothing_after_the_next_list() =>
        ForEachWorld(
            (world, random) =>
            {
                var stored = new Dictionary<string, string>();
                var ledger = new GpuLedger();
                for (var i = 0; i < world.Operations.Count; i++)
                {
                    world.Operations[i](ledger);
                    if (random.Next(3) > 0)
                        continue;
                    LedgerWorld.Write(ledger, stored, _ => random.Next(3) > 0); // the flush stops at the first failed write
                    if (random.Next(2) > 0)
                        continue;
                    ledger = LedgerWorld.Read(stored.Values.OrderBy(_ => random.Next()));
                    for (var again = 0; again <= i; again++)
                        world.Operations[again](ledger);
                }
                LedgerWorld.Sums(ledger, Now).Should().Be(LedgerWorld.Sums(world.Told(), Now));
                LedgerWorld.Write(ledger, stored);
                LedgerWorld.Sums(LedgerWorld.Read(stored.Values), Now).Should().Be(LedgerWorld.Sums(world.Told(), Now));
            }
        );

    [Fact]
    public void Rolling_sum_is_the_spending_of_its_window() =>
        ForEachWorld(
            (world, random) =>
            {
                var ledger = world.Told();
                var length = TimeSpan.FromSeconds(random.Next(1, 100));
                foreach (var ns in LedgerWorld.Namespaces)
                {
                    var segments = ledger.Segments(ns, LabelSelector.Everything, LedgerWorld.Zero, Now);
                    RollingSum.At(segments, length, Now).Should().Be(ledger.Spent(ns, LabelSelector.Everything, Now - length, Now, Now));
                }
            }
        );

    private static Amount Sum(IEnumerable<Amount> amounts) => amounts.Aggregate(Amount.Zero, (a, b) => a + b);

    [Fact]
    public void Generated_worlds_contain_workloads_and_losses()
    {
        // Properties over empty worlds would hold as well.
        var worlds = Enumerable.Range(0, 100).Select(seed => new LedgerWorld(seed)).ToArray();
        worlds.Count(world => world.Spent(null, null, null, 0, LedgerWorld.Seconds) > Amount.Zero).Should().BeGreaterThan(90);
        worlds
            .Count(world => world.NodeNames.Any(node => world.Bill(node, 0, LedgerWorld.Seconds).Lost > Amount.Zero))
            .Should()
            .BeGreaterThan(50);
        worlds
            .Count(world =>
                world.Told().Entries("team-a", LedgerWorld.Zero, Now, Now).GroupBy(entry => entry.PodUid).Any(pod => pod.Count() > 1)
            )
            .Should()
            .BeGreaterThan(30);
    }

    private static void ForEachWorld(Action<LedgerWorld, Random> check) =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed => check(new LedgerWorld(seed), new Random(seed)))
            .QuickCheckThrowOnFailure();
}
