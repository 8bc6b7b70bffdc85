using System.Text.Json.Nodes;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

/// <summary>Sums of energy, CO2e and tokens over windows that do not begin at midnight UTC.</summary>
public sealed class MeasuredSumTests
{
    private const long MillijoulesPerKWh = 3_600_000_000;
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly CountedUsage Energy = new(UsageUnit.Energy);
    private static readonly CountedUsage Co2e = new(UsageUnit.Co2e);
    private static readonly CountedUsage Tokens = new(UsageUnit.Tokens);

    /// <summary>Midnight in India is at 18:30 UTC.</summary>
    private static readonly DateTimeOffset Cut = Start.AddHours(18.5);

    [Fact]
    public void Energy_from_a_known_edge_on_is_exact()
    {
        var ledger = Ledger(Cut);
        Record(ledger, 1, Interval(Start.AddHours(10), Start.AddHours(18), 1 * MillijoulesPerKWh));
        Record(ledger, 2, Interval(Start.AddHours(18), Start.AddHours(19), 2 * MillijoulesPerKWh));
        Record(ledger, 3, Interval(Start.AddHours(19), Start.AddHours(20), 4 * MillijoulesPerKWh));

        Spent(ledger, Energy, Cut, Start.AddHours(20)).Should().Be("5.000000");
        Spent(ledger, Energy, Start, Cut).Should().Be("2.000000");
        Spent(Stored(ledger), Energy, Cut, Start.AddHours(20)).Should().Be("5.000000", "it is stored");
    }

    [Fact]
    public void Energy_from_an_edge_that_was_not_known_is_divided_evenly()
    {
        var ledger = Ledger();
        Record(ledger, 1, Interval(Start.AddHours(10), Start.AddHours(18), 1 * MillijoulesPerKWh));
        Record(ledger, 2, Interval(Start.AddHours(18), Start.AddHours(20), 4 * MillijoulesPerKWh));
        ledger.SetCuts("b", [Cut]);
        Record(ledger, 3, Interval(Start.AddHours(20), Start.AddHours(20.5), 1 * MillijoulesPerKWh));

        // 6 kWh in ten and a half hours, of which two are after the edge.
        Spent(ledger, Energy, Cut, Start.AddHours(21)).Should().Be("1.142857");
        Spent(ledger, Energy, Start, Cut).Should().Be("4.857143");
        Spent(ledger, Energy, Start, Start.AddDays(1)).Should().Be("6.000000");
    }

    [Fact]
    public void Ledger_of_a_version_without_edges_is_read_and_its_days_are_whole()
    {
        var ledger = Ledger(Cut);
        ledger.GridIntensity = new(400_000);
        Record(ledger, 1, Interval(Start.AddHours(18), Start.AddHours(20), 4 * MillijoulesPerKWh));
        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(ledger, stored);
        stored.Values.Should().Contain(json => json.Contains("\"since\"", StringComparison.Ordinal));
        var earlier = stored.Values.Select(json =>
        {
            var shard = JsonNode.Parse(json)!.AsObject();
            foreach (var pod in shard["pods"]?.AsArray() ?? [])
            foreach (var day in pod!["usage"]?["days"]?.AsArray() ?? [])
            {
                day!.AsObject().Remove("since").Should().BeTrue();
                day.AsObject().Remove("co2e").Should().BeTrue();
            }
            return shard.ToJsonString();
        });

        var read = LedgerWorld.Read(earlier);
        Spent(read, Energy, Start, Start.AddDays(1)).Should().Be("4.000000");
        Spent(read, Energy, Cut, Start.AddDays(1)).Should().Be("3.000000", "evenly over the two measured hours");
        Spent(read, Co2e, Start, Start.AddDays(1)).Should().Be("0.000000", "it was not recorded");
    }

    [Fact]
    public void CO2e_follows_the_intensity_of_the_hour_and_keeps_what_is_recorded()
    {
        var ledger = Ledger();
        // 100 g from 8 to 18 o'clock in Berlin (7 to 17 UTC), otherwise 500 g.
        ledger.GridIntensity = new("Europe/Berlin", [(8, 100_000), (18, 500_000)]);
        Record(ledger, 1, Interval(Start.AddHours(16), Start.AddHours(18), 2 * MillijoulesPerKWh));
        Spent(ledger, Co2e, Start, Start.AddHours(18)).Should().Be("0.600000");

        ledger.GridIntensity = new(1_000_000);
        Record(ledger, 2, Interval(Start.AddHours(18), Start.AddHours(19), 1 * MillijoulesPerKWh));
        ledger.GridIntensity = null;
        Record(ledger, 3, Interval(Start.AddHours(19), Start.AddHours(20), 1 * MillijoulesPerKWh));
        Spent(ledger, Co2e, Start, Start.AddHours(20)).Should().Be("1.600000");
        Spent(Stored(ledger), Co2e, Start, Start.AddHours(20)).Should().Be("1.600000");
        Spent(ledger, Energy, Start, Start.AddHours(20)).Should().Be("4.000000");
    }

    [Theory]
    [InlineData(0, 500_000)]
    [InlineData(7, 100_000)]
    [InlineData(16, 100_000)]
    [InlineData(17, 500_000)]
    [InlineData(23, 500_000)]
    public void Intensity_of_the_last_hour_applies_to_the_first_of_the_next_day(int hour, long expected)
    {
        var table = new GridIntensity("Europe/Berlin", [(8, 100_000), (18, 500_000)]);
        table.At(Start.AddHours(hour).ToUnixTimeMilliseconds()).Should().Be(expected);
        table.MilligramsInMean.Should().Be((10 * 100_000 + 14 * 500_000) / 24);
    }

    [Fact]
    public void Tokens_are_counted_from_the_edge_on()
    {
        var ledger = Ledger(Cut);
        Record(ledger, 1, Sample(Cut.AddMinutes(-10), prompt: 100, generated: 10));
        Record(ledger, 2, Sample(Cut, prompt: 200, generated: 20));
        Record(ledger, 3, Sample(Cut.AddMinutes(10), prompt: 230, generated: 25));

        Spent(ledger, Tokens, Cut, Cut.AddHours(1)).Should().Be("35.000000");
        Spent(ledger, Tokens, Start, Cut).Should().Be("220.000000");
        Spent(Stored(ledger), Tokens, Cut, Cut.AddHours(1)).Should().Be("35.000000");
    }

    [Fact]
    public void Mean_use_of_a_GPU_is_that_of_all_measured_days()
    {
        var ledger = Ledger();
        Record(ledger, 1, Interval(Start.AddHours(10), Start.AddHours(12), MillijoulesPerKWh / 2 + 1_000_000));
        Record(ledger, 2, Interval(Start.AddDays(1), Start.AddDays(1).AddHours(1), MillijoulesPerKWh));

        var spend = ledger
            .SpentByWorkload("team", LabelSelector.Everything, Start.AddDays(1), Start.AddDays(2), Start.AddDays(1).AddHours(1), Energy)
            .Single();
        spend.MeanRate!.Value.ToString().Should().Be("0.501", "a little over 1.5 kWh in three hours, rounded up to a watt");
        spend.RatePerHour.ToString().Should().Be("0.501");
        spend.Spent.ToString().Should().Be("1.000000");
        spend.UnpricedGpuMs.Should().Be(0);
    }

    /// <summary>Windows divide the whole, whatever their edges are, and a crash between two writes changes none of them.</summary>
    [Fact]
    public void Windows_add_up_to_the_whole_and_survive_crashes() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
            {
                var random = new Random(seed);
                DateTimeOffset[] edges =
                [
                    Start,
                    .. Enumerable.Range(0, 5).Select(_ => Start.AddMinutes(random.Next(1, 6 * 24 * 60))).Distinct().Order(),
                    Start.AddDays(7),
                ];
                var intervals = new List<UsageInterval>();
                for (var (at, seq) = (Start, 0); at < Start.AddDays(6); )
                {
                    var to = at.AddMilliseconds(random.Next(1, 8 * 3_600_000));
                    intervals.Add(Interval(at, to, random.Next(1000)) with { Seq = ++seq });
                    at = to;
                }
                var whole = Ledger(edges);
                Record(whole, intervals);

                var (ledger, stored) = (Ledger(edges), new Dictionary<string, string>());
                LedgerWorld.Write(ledger, stored);
                for (var known = 0; known < intervals.Count; )
                {
                    known = Math.Min(intervals.Count, known + random.Next(1, 5));
                    Record(ledger, intervals[..known]);
                    LedgerWorld.Write(ledger, stored, _ => random.Next(3) > 0);
                    if (random.Next(3) > 0)
                        continue;
                    ledger = LedgerWorld.Read(stored.Values);
                    ledger.SetCuts("b", edges);
                }
                Record(ledger, intervals);
                Amount[] Sums(GpuLedger of) => of.SpentBetween("team", LabelSelector.Everything, edges, Start.AddDays(9), Energy);
                Sums(ledger).Should().Equal(Sums(whole), "seed {0}", seed);
                Sums(whole)
                    .Aggregate(Amount.Zero, (sum, one) => sum + one)
                    .Units.Should()
                    .Be((Int128)intervals.Sum(one => one.EnergyMj!.Value) * 1_000_000, "seed {0}", seed);
                foreach (var (sum, (from, to)) in Sums(whole).Zip(edges.Zip(edges.Skip(1))))
                {
                    var exact = intervals.Sum(one =>
                        (double)one.EnergyMj!.Value
                        * Math.Max(0, ((one.To < to ? one.To : to) - (one.From > from ? one.From : from)).TotalMilliseconds)
                        / (one.To - one.From).TotalMilliseconds
                    );
                    // A divided interval is rounded to whole millijoules.
                    ((double)sum.Units / 1_000_000).Should().BeApproximately(exact, 4, "seed {0}", seed);
                }
                return true;
            })
            .QuickCheckThrowOnFailure();

    [Fact]
    public void Many_edges_in_a_day_keep_the_record_small()
    {
        var ledger = Ledger([.. Enumerable.Range(1, 1000).Select(minute => Start.AddMinutes(minute))]);
        Record(ledger, 1, Interval(Start, Start.AddDays(1), MillijoulesPerKWh));

        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(ledger, stored);
        stored.Values.Sum(json => json.Length).Should().BeLessThan(4096);
        Spent(ledger, Energy, Start, Start.AddDays(1)).Should().Be("1.000000");
    }

    [Fact]
    public void Capacity_type_divides_the_cost_and_is_filled_into_an_earlier_ledger()
    {
        var ledger = Ledger();
        // An earlier version recorded no capacity type.
        ledger.ObserveNode("n1", "T4", 1, Start);
        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(ledger, stored);
        var read = LedgerWorld.Read(stored.Values);
        var spot = new CountedUsage(UsageUnit.GpuHours, CapacityType: "spot");
        Spent(read, spot, Start, Start.AddHours(2)).Should().Be("0.000000", "an unknown capacity type matches nothing");

        read.ObserveNode("n1", "T4", 1, Start.AddHours(1), "spot").Should().BeTrue();
        Spent(read, spot, Start, Start.AddHours(2)).Should().Be("2.000000", "a node keeps its capacity type");
        read.ObserveNode("n1", "T4", 1, Start.AddHours(2), "spot").Should().BeFalse();
        read.ObserveNode("n1", "T4", 1, Start.AddHours(3), "on-demand").Should().BeTrue();
        LedgerWorld.Write(read, stored);
        read = LedgerWorld.Read(stored.Values);
        Spent(read, spot, Start, Start.AddHours(5)).Should().Be("3.000000");
        Spent(read, new(UsageUnit.Cost, "T*", "on-*"), Start, Start.AddHours(5)).Should().Be("1.000000", "two hours at 0.50");
        Spent(read, new(UsageUnit.Cost, "H*", "on-*"), Start, Start.AddHours(5)).Should().Be("0.000000");
        read.LastStatement("n1").Should().Be(("T4", 1, "on-demand"));
    }

    private static string Spent(GpuLedger ledger, CountedUsage counted, DateTimeOffset from, DateTimeOffset to)
    {
        var spent = ledger.Spent("team", LabelSelector.Everything, from, to, to, counted);
        ledger
            .SpentByWorkload("team", LabelSelector.Everything, from, to, to, counted)
            .Aggregate(Amount.Zero, (sum, one) => sum + one.Spent)
            .Should()
            .Be(spent);
        return spent.ToString();
    }

    private static GpuLedger Stored(GpuLedger ledger)
    {
        var stored = new Dictionary<string, string>();
        LedgerWorld.Write(ledger, stored);
        return LedgerWorld.Read(stored.Values);
    }

    private static void Record(GpuLedger ledger, int seq, UsageInterval interval) => Record(ledger, [interval with { Seq = seq }]);

    private static void Record(GpuLedger ledger, IReadOnlyList<UsageInterval> intervals) =>
        ledger.Record(Report(intervals[^1].Seq) with { Intervals = intervals }, null);

    private static void Record(GpuLedger ledger, int seq, TokenSample sample) =>
        ledger.Record(Report(seq) with { Tokens = [sample with { Seq = seq }] }, null);

    private static UsageReport Report(long last) =>
        new()
        {
            Node = "n1",
            Epoch = "e",
            First = 1,
            Next = last + 1,
        };

    private static TokenSample Sample(DateTimeOffset at, long prompt, long generated) =>
        new()
        {
            PodUid = "p",
            Model = "m",
            Prompt = prompt,
            Generated = generated,
            At = at,
        };

    private static UsageInterval Interval(DateTimeOffset from, DateTimeOffset to, long energy) =>
        new()
        {
            PodUid = "p",
            Namespace = "team",
            Pod = "chat-0",
            Device = "GPU-0",
            From = from,
            To = to,
            EnergyMj = energy,
        };

    private static GpuLedger Ledger(params DateTimeOffset[] cuts)
    {
        var ledger = new GpuLedger();
        ledger.Install(Start);
        ledger.SetCuts("b", cuts);
        ledger.Reprice("T4", new GpuHourPrice(500_000_000), Start);
        ledger.Observe(
            new()
            {
                Uid = "p",
                Pod = "chat-0",
                Workload = new("team", "Deployment", "chat", "uid-chat"),
                Class = WorkloadClass.Inference,
                Labels = new Dictionary<string, string>(),
                Node = "n1",
                Product = "T4",
                Gpus = 1,
                ScheduledAt = Start,
                ObservedAt = Start,
            }
        );
        return ledger;
    }
}
