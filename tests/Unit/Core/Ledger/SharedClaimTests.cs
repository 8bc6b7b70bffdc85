using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>Devices of a claim are divided among the pods that use it, at each moment and to the nano.</summary>
public sealed class SharedClaimTests
{
    private const string Card = "NVIDIA-H100-80GB-HBM3";
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset End = Start.AddHours(4);

    [Fact]
    public void Cost_of_a_claim_is_split_equally_over_its_present_pods()
    {
        var ledger = Priced(new GpuHourPrice(6_000_000_000));
        ledger.Observe(Pod("a", 0, 2, "c"));
        ledger.Observe(Pod("b", 1, 3, "c"));

        // Pod a alone for an hour, both for an hour, b alone for an hour.
        Spent(ledger, "a").Should().Be(new HourlyCost(9_000_000_000).For(TimeSpan.FromHours(1)));
        Spent(ledger, "b").Should().Be(new HourlyCost(9_000_000_000).For(TimeSpan.FromHours(1)));
        ledger
            .Entries("a", Start, End, End)
            .Select(entry => (entry.Rate!.Value.NanoPerGpuHour, entry.Share))
            .Should()
            .Equal((6_000_000_000, DeviceShare.Whole), (3_000_000_000, new DeviceShare(1, 2)));
        ledger
            .SpentByWorkload("a", LabelSelector.Everything, Start, End, End)
            .Single()
            .ReservedGpuMs.Should()
            .Be(5_400_000, "an hour and half of one");
        var bill = ledger.Bill("n1", Start, End, End);
        bill.Reserved.Should().Be(new HourlyCost(18_000_000_000).For(TimeSpan.FromHours(1)));
        (bill.Reserved + bill.Unallocated).Should().Be(bill.Total);
    }

    [Fact]
    public void Indivisible_nanos_go_to_the_first_pods()
    {
        var ledger = Priced(new GpuHourPrice(1_000_000_001));
        foreach (var uid in (string[])["c", "a", "b"])
            ledger.Observe(Pod(uid, 0, 1, "claim"));
        var rates = new[] { "a", "b", "c" }.Select(uid =>
            ledger.RatePerHour(uid, LabelSelector.Everything, Start.AddMinutes(1)).NanoPerHour
        );
        rates.Should().Equal(333_333_334, 333_333_334, 333_333_333);
    }

    [Fact]
    public void Pod_is_also_charged_for_its_own_devices()
    {
        var ledger = Priced(new GpuHourPrice(1_000));
        ledger.Observe(Pod("a", 0, 4, "c") with { Share = new(1, 2) });
        ledger.Observe(Pod("b", 0, 4, "c", "d"));
        ledger.RatePerHour("a", LabelSelector.Everything, Start.AddMinutes(1)).Should().Be(new HourlyCost(500 + 500));
        ledger.RatePerHour("b", LabelSelector.Everything, Start.AddMinutes(1)).Should().Be(new HourlyCost(500 + 1_000));
    }

    /// <summary>
    /// For any pods and claims, the pods together are charged the cost of the claims while at least one uses them. The bill of the node
    /// adds up, and a restart changes nothing.
    /// </summary>
    [Fact]
    public void Cost_of_shared_claims_adds_up_to_the_node_bill()
    {
        var pod =
            from claims in Gen.Elements("a", "b", "c").ListOf(2)
            from own in Gen.Elements(new DeviceShare(0, 1), new(1, 1), new(15, 112))
            from begin in Gen.Choose(0, 200)
            from length in Gen.Choose(1, 100)
            select (Claims: claims.Distinct().ToArray(), own, begin, length);
        Prop.ForAll(pod.ListOf(8).ToArbitrary(), Gen.Choose(1, int.MaxValue).ToArbitrary(), (pods, nano) =>
            {
                var ledger = Priced(new GpuHourPrice(nano));
                Int128 expected = 0;
                for (var i = 0; i < pods.Count; i++)
                {
                    var (claims, own, begin, length) = pods[i];
                    ledger.Observe(
                        Pod($"p{i}", 0, 0, claims) with
                        {
                            Share = own,
                            ScheduledAt = Start.AddSeconds(begin),
                            FinishedAt = Start.AddSeconds(begin + length),
                        }
                    );
                }
                for (var second = 0; second < 300; second++)
                {
                    var held = pods.Where(one => one.begin <= second && second < one.begin + one.length).ToArray();
                    expected +=
                        held.SelectMany(one => one.Claims).Distinct().Count() * (Int128)nano * 1000
                        + held.Sum(one => one.own.NanoOf(nano)!.Value) * (Int128)1000;
                }
                bool Holds(GpuLedger one)
                {
                    var bill = one.Bill("n1", Start, End, End);
                    var spent = Enumerable.Range(0, pods.Count).Aggregate(Amount.Zero, (sum, i) => sum + Spent(one, $"p{i}"));
                    return bill.Reserved == spent
                        && spent == new Amount(expected)
                        && bill.Reserved + bill.Unallocated == bill.Total
                        && !bill.Unallocated.IsNegative;
                }
                return Holds(ledger) && Holds(Reload(ledger));
            })
            .QuickCheckThrowOnFailure();
    }

    private static Amount Spent(GpuLedger ledger, string ns) => ledger.Spent(ns, LabelSelector.Everything, Start, End, End);

    private static GpuLedger Priced(GpuHourPrice rate)
    {
        var ledger = new GpuLedger();
        ledger.Install(Start);
        ledger.Reprice(Card, rate, Start);
        ledger.ObserveNode("n1", Card, 2, Start);
        return ledger;
    }

    private static PodObservation Pod(string uid, double from, double to, params string[] claims) =>
        new()
        {
            Uid = uid,
            Pod = uid,
            Workload = new(uid, "Pod", uid, uid),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string>(),
            Node = "n1",
            Product = Card,
            Gpus = 1,
            Share = new(0, 1),
            Claims = [.. claims.Select(claim => new SharedClaim(claim, DeviceShare.Whole))],
            ScheduledAt = Start.AddHours(from),
            FinishedAt = Start.AddHours(to),
            ObservedAt = Start,
        };

    private static GpuLedger Reload(GpuLedger ledger) =>
        GpuLedger.Load(
            ledger
                .DirtyShards()
                .Select(shard =>
                    JsonSerializer.Deserialize(
                        JsonSerializer.Serialize(shard, LedgerJson.Default.LedgerShard),
                        LedgerJson.Default.LedgerShard
                    )!
                )
        );
}
