using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

public sealed class UsageByDayTests
{
    private const long Hour = 3_600_000;
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Interval_over_midnight_is_split_without_loss()
    {
        var ledger = Ledger();
        Record(ledger, Start.AddHours(23), Start.AddHours(26), busy: 7, energy: 10, seq: 1);

        Day(ledger, 0)
            .Should()
            .BeEquivalentTo(
                new
                {
                    MeasuredMs = Hour,
                    BusyMs = 2L,
                    EnergyMj = 3L,
                }
            );
        Day(ledger, 1)
            .Should()
            .BeEquivalentTo(
                new
                {
                    MeasuredMs = 2 * Hour,
                    BusyMs = 5L,
                    EnergyMj = 7L,
                }
            );
    }

    [Fact]
    public void Interval_that_ends_at_midnight_belongs_to_the_day_before()
    {
        var ledger = Ledger();
        Record(ledger, Start.AddHours(23), Start.AddHours(24), busy: 7, energy: 10, seq: 1);

        Day(ledger, 0).MeasuredMs.Should().Be(Hour);
        Day(ledger, 1).MeasuredMs.Should().Be(0);
    }

    [Fact]
    public void Tokens_sampled_at_midnight_count_on_the_day_before()
    {
        var ledger = Ledger();
        ledger.Record(
            new()
            {
                Node = "n1",
                Epoch = "e",
                First = 1,
                Next = 3,
                Tokens = [Tokens(1, generated: 7, Start.AddDays(1)), Tokens(2, generated: 9, Start.AddDays(1).AddMilliseconds(1))],
            },
            null
        );

        Day(ledger, 0).Tokens["m"].Generated.Should().Be(7);
        Day(ledger, 1).Tokens["m"].Generated.Should().Be(2);
    }

    [Fact]
    public void Days_that_are_over_leave_the_pods_record_once_their_own_shard_is_written()
    {
        var ledger = Ledger();
        var stored = new Dictionary<string, string>();
        for (var day = 0; day < 40; day++)
        {
            Record(ledger, Start.AddDays(day), Start.AddDays(day).AddHours(1), busy: 5, energy: 1, seq: day + 1);
            LedgerWorld.Write(ledger, stored);
        }
        LedgerWorld.Write(ledger, stored);

        stored.Keys.Count(name => name.StartsWith("usage.team-2026-", StringComparison.Ordinal)).Should().Be(38);
        var pods = stored.Values.Select(Shard).Single(shard => shard.Kind == LedgerShard.PodsKind).Pods!.Single();
        pods.Usage!.Days!.Count.Should().BeInRange(2, 3, "the last closed day may be in both");
        var read = LedgerWorld.Read(stored.Values);
        for (var day = 0; day < 40; day++)
            Day(read, day).MeasuredMs.Should().Be(Hour, "of day {0}", day);
    }

    [Fact]
    public void Usage_reported_late_counts_into_the_oldest_open_day()
    {
        var ledger = Ledger();
        for (var day = 0; day < 4; day++)
            Record(ledger, Start.AddDays(day), Start.AddDays(day).AddHours(1), busy: 5, energy: 1, seq: day + 1);
        Record(ledger, Start.AddHours(5), Start.AddHours(6), busy: 5, energy: 1, seq: 5);

        Day(ledger, 0).MeasuredMs.Should().Be(Hour);
        Day(ledger, 2).MeasuredMs.Should().Be(2 * Hour);
        ledger
            .SpentByWorkload("team", LabelSelector.Everything, Start, Start.AddDays(9), Start.AddDays(9))
            .Single()
            .Usage.MeasuredMs.Should()
            .Be(5 * Hour);
    }

    [Fact]
    public void Clock_that_jumps_over_decades_makes_no_years_of_days()
    {
        var ledger = Ledger();
        Record(ledger, DateTimeOffset.UnixEpoch, Start.AddHours(1), busy: 5, energy: 1, seq: 1);

        LedgerWorld.Write(ledger, []);
        ledger.DirtyShards().Should().BeEmpty();
        Day(ledger, 0).EnergyMj.Should().Be(1);
    }

    /// <summary>The operator crashes between any two writes and reads the journal again from the cursor of its ledger.</summary>
    [Fact]
    public void Crash_between_two_writes_changes_no_day() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue - 1).ToArbitrary(), seed =>
            {
                var random = new Random(seed);
                var journal = Journal(random);
                var whole = Ledger();
                whole.Record(journal, null);

                var stored = new Dictionary<string, string>();
                var ledger = Ledger();
                LedgerWorld.Write(ledger, stored);
                for (var known = 0L; known < journal.Next - 1; )
                {
                    known = Math.Min(journal.Next - 1, known + random.Next(1, 9));
                    var read = journal with
                    {
                        Next = known + 1,
                        Intervals = [.. journal.Intervals.Where(one => one.Seq <= known)],
                        Tokens = [.. journal.Tokens.Where(one => one.Seq <= known)],
                    };
                    ledger.Record(read, ledger.Cursor("n1"));
                    if (random.Next(2) == 0)
                        LedgerWorld.Write(ledger, stored, _ => random.Next(3) > 0);
                    if (random.Next(3) == 0)
                        ledger = LedgerWorld.Read(stored.Values.OrderBy(_ => random.Next()));
                }
                ledger.Record(journal, ledger.Cursor("n1"));
                Days(ledger).Should().Be(Days(whole), "seed {0}", seed);
                LedgerWorld.Write(ledger, stored);
                Days(LedgerWorld.Read(stored.Values)).Should().Be(Days(whole), "seed {0}", seed);
                Enumerable.Range(0, 20).Sum(day => Day(whole, day).BusyMs).Should().Be(journal.Intervals.Sum(one => one.BusyMs));
                Enumerable
                    .Range(0, 20)
                    .Sum(day => Day(whole, day).Tokens.GetValueOrDefault("m", TokenSums.None).Generated)
                    .Should()
                    .Be(journal.Tokens[^1].Generated);
                return true;
            })
            .QuickCheckThrowOnFailure();

    /// <summary>A few days of a pod on two devices with intervals of different length.</summary>
    private static UsageReport Journal(Random random)
    {
        var (intervals, tokens, seq, generated) = (new List<UsageInterval>(), new List<TokenSample>(), 0L, 0L);
        DateTimeOffset[] at = [Start, Start];
        while (at[0] < Start.AddDays(6) || tokens.Count == 0)
        {
            var device = random.Next(2);
            var to = at[device].AddMilliseconds(random.Next(1, (int)(9 * Hour)));
            intervals.Add(Interval(++seq, at[device], to, random.Next((int)Hour), random.Next(1000)) with { Device = $"GPU-{device}" });
            at[device] = to;
            if (random.Next(3) == 0)
                tokens.Add(Tokens(++seq, generated += random.Next(100), to));
        }
        return new()
        {
            Node = "n1",
            Epoch = "e",
            First = 1,
            Next = seq + 1,
            Intervals = intervals,
            Tokens = tokens,
        };
    }

    private static string Days(GpuLedger ledger) =>
        string.Join("\n", Enumerable.Range(0, 20).Select(day => JsonSerializer.Serialize(Day(ledger, day))));

    private static UsageSums Day(GpuLedger ledger, int day) =>
        ledger
            .SpentByWorkload("team", LabelSelector.Everything, Start.AddDays(day), Start.AddDays(day + 1), Start.AddDays(60))
            .SingleOrDefault()
            ?.Usage
        ?? UsageSums.None;

    private static LedgerShard Shard(string json) => JsonSerializer.Deserialize(json, LedgerJson.Default.LedgerShard)!;

    private static void Record(GpuLedger ledger, DateTimeOffset from, DateTimeOffset to, long busy, long energy, long seq) =>
        ledger.Record(
            new()
            {
                Node = "n1",
                Epoch = "e",
                First = 1,
                Next = seq + 1,
                Intervals = [Interval(seq, from, to, busy, energy)],
            },
            null
        );

    private static TokenSample Tokens(long seq, long generated, DateTimeOffset at) =>
        new()
        {
            Seq = seq,
            PodUid = "p",
            Model = "m",
            Prompt = 0,
            Generated = generated,
            At = at,
        };

    private static UsageInterval Interval(long seq, DateTimeOffset from, DateTimeOffset to, long busy, long energy) =>
        new()
        {
            Seq = seq,
            PodUid = "p",
            Namespace = "team",
            Pod = "chat-0",
            Device = "GPU-0",
            From = from,
            To = to,
            BusyMs = busy,
            EnergyMj = energy,
        };

    private static GpuLedger Ledger()
    {
        var ledger = new GpuLedger();
        ledger.Install(Start);
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
