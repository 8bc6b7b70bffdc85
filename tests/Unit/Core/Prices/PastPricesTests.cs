using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Prices;

/// <summary>Price books, labels and acceptances that change at random, applied to a ledger as the operator applies them.</summary>
public sealed class PastPricesTests
{
    private const string Card = "NVIDIA-A100-SXM4-40GB";
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 12, 0, 0, TimeSpan.Zero);

    private sealed record Step(int Seconds, PriceBook? Book, string CapacityType, string Pool);

    [Fact]
    public void Past_cost_never_changes_and_running_workloads_never_become_free()
    {
        var rule =
            from capacity in Gen.Elements<string?>(null, "spot", "on-demand")
            from pool in Gen.Elements<string?>(null, null, "a", "b")
            from nano in Gen.Elements(0L, 900_000_000, 1_000_000_000, 1_500_000_001, 2_000_000_000, 900_000_000_000)
            from date in Gen.Elements<int?>(null, null, 20, 45, 70)
            select new PriceRule(
                new("*A100*")
                {
                    CapacityType = capacity,
                    NodeSelector = pool is null
                        ? LabelSelector.Everything
                        : new() { MatchLabels = new Dictionary<string, string> { ["pool"] = pool } },
                },
                new GpuHourPrice(nano)
            )
            {
                From = date is { } at ? Start.AddSeconds(at) : null,
            };
        var book =
            from rules in rule.ListOf()
            from accepted in Gen.Elements(false, false, true)
            select new PriceBook("b", 3, "USD", [.. rules]) { AcceptedGeneration = accepted ? 3 : null };
        var step =
            from seconds in Gen.Choose(1, 20)
            from read in Gen.Frequency((1, Gen.Constant<PriceBook?>(null)), (5, book.Select(one => (PriceBook?)one)))
            from capacity in Gen.Elements("spot", "on-demand")
            from pool in Gen.Elements("a", "b")
            select new Step(seconds, read, capacity, pool);
        Prop.ForAll(step.ListOf().ToArbitrary(), steps =>
            {
                var ledger = new GpuLedger();
                ledger.Install(Start);
                Apply(ledger, new(0, new("b", 1, "USD", [new(new("*"), new GpuHourPrice(1_000_000_000))]), "on-demand", "a"), Start);
                ledger.Observe(Pod());
                var now = Start;
                var seen = new List<(DateTimeOffset At, Amount Spent)>();
                foreach (var one in steps)
                {
                    now = now.AddSeconds(one.Seconds);
                    seen.Add((now, ledger.Spent("ns", LabelSelector.Everything, Start, now, now)));
                    Apply(ledger, one, now);
                    var rate = ledger.RatePerHour("ns", LabelSelector.Everything, now);
                    rate.Should().Be(new DeviceShare(13, 28).RateOf(ledger.RateOf(ledger.LastStatement("n1").Product, now))!.Value * 1);
                    if (!steps.Exists(s => s.Book != null && s.Book.IsAccepted))
                        rate.NanoPerHour.Should().BePositive("nobody accepted a price of zero");
                }
                foreach (var (at, spent) in seen)
                    ledger.Spent("ns", LabelSelector.Everything, Start, at, now).Should().Be(spent);
                var bill = ledger.Bill("n1", Start, now, now);
                bill.UnpricedGpuMs.Should().Be(0);
                (bill.Reserved + bill.Unallocated).Should().Be(bill.Total);
            })
            .QuickCheckThrowOnFailure();
    }

    /// <summary>Applies prices as the operator's price list does.</summary>
    private static void Apply(GpuLedger ledger, Step step, DateTimeOffset now)
    {
        var node = new PricedNode(Card)
        {
            CapacityType = step.CapacityType,
            Labels = new Dictionary<string, string> { ["pool"] = step.Pool },
        };
        var verdict = PriceDecider.Decide(
            step.Book,
            step.Book is null ? PriceDecider.NoBook : null,
            node,
            ledger.LastStatement("n1").Product,
            c => ledger.RateOf(c, now),
            now
        );
        if (verdict.Rate is { } rate)
            ledger.Reprice(verdict.Class, rate, now, verdict.Planned);
        ledger.ObserveNode("n1", verdict.Class, 2, now);
    }

    private static PodObservation Pod() =>
        new()
        {
            Uid = "p",
            Pod = "train",
            Workload = new("ns", "Job", "train", "j1"),
            Class = WorkloadClass.Training,
            Labels = new Dictionary<string, string>(),
            Node = "n1",
            Product = Card,
            Gpus = 1,
            Share = new(13, 28),
            ScheduledAt = Start,
            ObservedAt = Start,
        };
}
