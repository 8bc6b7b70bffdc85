using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>Slices and slots of cards cost their part of the price of the card, and the costs of a card add up.</summary>
public sealed class SliceTests
{
    private const string Card = "NVIDIA-A100-SXM4-40GB";
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly DeviceShare Slice = new(15, 112);

    [Fact]
    public void Slice_costs_its_part_rounded_down_to_a_nano()
    {
        var ledger = Priced(4, GpuHourPrice.FromDecimal(2.745m));
        ledger.Observe(Pod("p", Slice, units: 2));
        var end = Start.AddHours(1);
        // 2.745 × 15/112 = 0.36763392857…
        ledger.RatePerHour("ns", LabelSelector.Everything, Start.AddMinutes(1)).ToString().Should().Be("0.735267856");
        ledger
            .Spent("ns", LabelSelector.Everything, Start, end, end)
            .Should()
            .Be((new GpuHourPrice(367_633_928) * 2).For(TimeSpan.FromHours(1)));
        var spend = ledger.SpentByWorkload("ns", LabelSelector.Everything, Start, end, end).Single();
        spend.ReservedGpuMs.Should().Be(3_600_000L * 2 * 15 / 112, "slices are not cards in GPU-seconds either");
        var entry = ledger.Entries("ns", Start, end, end).Single();
        (entry.Rate, entry.Gpus, entry.Share, entry.Product).Should().Be((new GpuHourPrice(367_633_928), 2, Slice, Card));

        var bill = ledger.Bill("n1", Start, end, end);
        bill.Total.Should().Be((GpuHourPrice.FromDecimal(2.745m) * 4).For(TimeSpan.FromHours(1)));
        (bill.Reserved + bill.Unallocated).Should().Be(bill.Total);
    }

    [Fact]
    public void Slots_of_a_card_never_cost_more_than_it_and_the_rest_is_unallocated()
    {
        var ledger = Priced(1, new GpuHourPrice(1_000_000_000));
        for (var i = 0; i < 3; i++)
            ledger.Observe(Pod($"p{i}", new(1, 3)));
        var end = Start.AddHours(1);
        var bill = ledger.Bill("n1", Start, end, end);
        bill.Reserved.Should().Be(new HourlyCost(999_999_999).For(TimeSpan.FromHours(1)));
        bill.Unallocated.Should().Be(new HourlyCost(1).For(TimeSpan.FromHours(1)));
    }

    [Fact]
    public void Unknown_share_is_unpriced_until_it_is_known()
    {
        var ledger = Priced(1, new GpuHourPrice(1_000_000_000));
        ledger.Observe(Pod("p", DeviceShare.Unknown) with { Product = "nvidia.com/mig-9g.1gb of " + Card });
        var end = Start.AddHours(1);
        ledger.Spent("ns", LabelSelector.Everything, Start, end, end).Should().Be(Amount.Zero);
        ledger.UnpricedProducts().Should().Equal("nvidia.com/mig-9g.1gb of " + Card);
        ledger.SpentByWorkload("ns", LabelSelector.Everything, Start, end, end).Single().UnpricedGpuMs.Should().Be(3_600_000);
        ledger.Observe(Pod("p", new(1, 2)) with { ObservedAt = Start.AddMinutes(30) }).Should().BeTrue();
        ledger.Spent("ns", LabelSelector.Everything, Start, end, end).Should().Be(new HourlyCost(500_000_000).For(TimeSpan.FromHours(1)));
        // Once known, the share stays when the node is repartitioned.
        ledger.Observe(Pod("p", new(1, 4)) with { ObservedAt = Start.AddMinutes(40) }).Should().BeFalse();
    }

    [Fact]
    public void Planned_price_applies_from_its_date_and_can_be_replaced()
    {
        var ledger = Priced(1, new GpuHourPrice(1_000));
        ledger.Observe(Pod("p", DeviceShare.Whole));
        ledger
            .Reprice(
                Card,
                new GpuHourPrice(1_000),
                Start.AddHours(1),
                [(Start.AddHours(2), new GpuHourPrice(2_000)), (Start.AddHours(3), new GpuHourPrice(3_000))]
            )
            .Should()
            .BeTrue();
        ledger
            .Reprice(
                Card,
                new GpuHourPrice(1_000),
                Start.AddMinutes(61),
                [(Start.AddHours(2), new GpuHourPrice(2_000)), (Start.AddHours(3), new GpuHourPrice(3_000))]
            )
            .Should()
            .BeFalse("nothing has changed");
        ledger.RateOf(Card, Start.AddHours(2).AddMilliseconds(-1)).Should().Be(new GpuHourPrice(1_000));
        ledger.RateOf(Card, Start.AddHours(2)).Should().Be(new GpuHourPrice(2_000));
        ledger = Reload(ledger);
        var end = Start.AddHours(4);
        ledger
            .Spent("ns", LabelSelector.Everything, Start, end, end)
            .Should()
            .Be(new HourlyCost(1_000 + 1_000 + 2_000 + 3_000).For(TimeSpan.FromHours(1)));
        ledger.Entries("ns", Start, end, end).Should().HaveCount(3);
        ledger.Reprice(Card, new GpuHourPrice(1_000), Start.AddHours(1.5), []).Should().BeTrue();
        ledger.Spent("ns", LabelSelector.Everything, Start, end, end).Should().Be(new HourlyCost(4_000).For(TimeSpan.FromHours(1)));
    }

    [Fact]
    public void Node_that_changes_its_class_keeps_its_past()
    {
        var ledger = Priced(1, new GpuHourPrice(1_000));
        ledger.Observe(Pod("p", new(1, 2)));
        ledger.Reprice(Card + " [capacityType=spot]", new GpuHourPrice(500), Start.AddHours(1), []);
        ledger.ObserveNode("n1", Card + " [capacityType=spot]", 1, Start.AddHours(1));
        var end = Start.AddHours(2);
        ledger.Spent("ns", LabelSelector.Everything, Start, end, end).Should().Be(new HourlyCost(500 + 250).For(TimeSpan.FromHours(1)));
        var bill = ledger.Bill("n1", Start, end, end);
        bill.Total.Should().Be(new HourlyCost(1_500).For(TimeSpan.FromHours(1)));
        (bill.Reserved + bill.Unallocated).Should().Be(bill.Total);
    }

    [Fact]
    public void Currency_is_stored()
    {
        var ledger = new GpuLedger();
        ledger.SetCurrency("EUR").Should().BeTrue();
        ledger.SetCurrency("EUR").Should().BeFalse();
        Reload(ledger).Currency.Should().Be("EUR");
    }

    /// <summary>
    /// Conservation with mixed cards, slices and slots, changing prices and classes, and a lost node. For every
    /// interval reserved + unallocated + unattributed = total, nothing is negative, and a restart changes nothing.
    /// </summary>
    [Fact]
    public void Node_bill_adds_up_for_any_mix_of_slices()
    {
        DeviceShare[] shares =
        [
            DeviceShare.Whole,
            Slice,
            new(13, 28),
            new(15, 28),
            new(1, 3),
            new(1, 7),
            new(15, 224),
            new(33, 100),
            new(125, 1024),
            DeviceShare.Unknown,
        ];
        var pod =
            from share in Gen.Elements(shares)
            from units in Gen.Choose(1, 3)
            from begin in Gen.Choose(0, 100)
            from length in Gen.Choose(0, 100)
            from open in Gen.Elements(true, false)
            select (share, units, begin, open ? (int?)null : begin + length);
        var change =
            from at in Gen.Choose(1, 150)
            from nano in Gen.Choose(1, 2_000_000_000)
            from spot in Gen.Elements(true, false)
            select (at, nano, spot);
        var world =
            from pods in pod.ListOf()
            from changes in change.ListOf(3)
            from lost in Gen.Elements<int?>(null, 40, 90)
            from cards in Gen.Choose(1, 8)
            select (pods, changes, lost, cards);
        Prop.ForAll(world.ToArbitrary(), given =>
            {
                var (pods, changes, lost, cards) = given;
                var ledger = Priced(cards, new GpuHourPrice(2_745_000_001));
                var i = 0;
                foreach (var (share, units, begin, close) in pods)
                {
                    var seen = Pod($"p{i++}", share, units) with
                    {
                        ScheduledAt = Start.AddSeconds(begin),
                        ObservedAt = Start.AddSeconds(begin + 1),
                    };
                    ledger.Observe(seen);
                    if (close is { } at)
                        ledger.Observe(seen with { FinishedAt = Start.AddSeconds(at), ObservedAt = Start.AddSeconds(at + 1) });
                }
                foreach (var (at, nano, spot) in changes)
                {
                    var name = spot ? Card + " [capacityType=spot]" : Card;
                    ledger.Reprice(name, new(nano), Start.AddSeconds(at));
                    ledger.ObserveNode("n1", name, cards, Start.AddSeconds(at));
                }
                if (lost is { } away)
                {
                    ledger.MarkNodeLost("n1", Start.AddSeconds(away));
                    ledger.MarkNodeBack("n1", Start.AddSeconds(away + 13));
                }
                var again = Reload(ledger);
                foreach (var (from, to) in new[] { (0, 200), (17, 93), (50, 51) })
                {
                    var (begin, end) = (Start.AddSeconds(from), Start.AddSeconds(to));
                    var bill = ledger.Bill("n1", begin, end, end);
                    bill.Should().BeEquivalentTo(again.Bill("n1", begin, end, end));
                    (bill.Reserved + bill.Unallocated + bill.Unattributed.Values.Aggregate(Amount.Zero, (sum, one) => sum + one))
                        .Should()
                        .Be(bill.Total);
                    bill.Reserved.Should().Be(ledger.Spent("ns", LabelSelector.Everything, begin, end, end));
                    bill.Unallocated.IsNegative.Should().BeFalse();
                }
            })
            .QuickCheckThrowOnFailure();
    }

    /// <summary>The order in which a pod and its node are observed does not matter.</summary>
    [Fact]
    public void Observations_of_a_pod_in_any_order_give_the_same_share()
    {
        PodObservation[] sights =
        [
            Pod("p", DeviceShare.Whole, 2) with
            {
                Product = "",
                ObservedAt = Start.AddSeconds(1),
            },
            Pod("p", DeviceShare.Unknown) with
            {
                Product = "x of " + Card,
                ObservedAt = Start.AddSeconds(2),
            },
            Pod("p", Slice, 3) with
            {
                ObservedAt = Start.AddSeconds(3),
            },
            Pod("p", new(1, 2)) with
            {
                ObservedAt = Start.AddSeconds(4),
            },
        ];
        Prop.ForAll(Gen.Shuffle(sights).ToArbitrary(), order =>
            {
                var ledger = Priced(4, new GpuHourPrice(1_000_000));
                foreach (var sight in order)
                    ledger.Observe(sight);
                var entry = ledger.Entries("ns", Start, Start.AddHours(1), Start.AddHours(1)).Single();
                return (entry.Share, entry.Gpus) == (Slice, 3);
            })
            .QuickCheckThrowOnFailure();
    }

    private static GpuLedger Priced(int cards, GpuHourPrice rate)
    {
        var ledger = new GpuLedger();
        ledger.Install(Start.AddDays(-1));
        ledger.Reprice(Card, rate, Start.AddDays(-1));
        ledger.ObserveNode("n1", Card, cards, Start.AddDays(-1));
        return ledger;
    }

    private static GpuLedger Reload(GpuLedger ledger) =>
        LedgerWorld.Read(ledger.DirtyShards().Select(shard => JsonSerializer.Serialize(shard, LedgerJson.Default.LedgerShard)));

    private static PodObservation Pod(string uid, DeviceShare share, int units = 1) =>
        new()
        {
            Uid = uid,
            Pod = $"train-{uid}",
            Workload = new("ns", "Job", "train", "j1"),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string>(),
            Node = "n1",
            Product = Card,
            Gpus = units,
            Share = share,
            ScheduledAt = Start,
            ObservedAt = Start.AddSeconds(1),
        };
}
