using System.Text;
using Bursar.Agent.Journal;
using Bursar.Core.Usage;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Unit.Agent;

public sealed class UsageJournalTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly VirtualTimeProvider _time = new(AgentClock.Start);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Restart_continues_the_same_epoch()
    {
        string epoch;
        using (var journal = Open())
        {
            epoch = journal.Epoch;
            Append(journal, 3);
        }
        using var again = Open();
        Append(again, 1);

        again.Epoch.Should().Be(epoch);
        Steps(again.Read("n", new JournalCursor(epoch, 0))).Should().Equal(1, 2, 3, 4);
    }

    [Fact]
    public void Epoch_stays_when_everything_is_acknowledged_or_nothing_was_ever_written()
    {
        string epoch;
        using (var journal = Open())
            epoch = journal.Epoch;
        using (var journal = Open())
        {
            journal.Epoch.Should().Be(epoch);
            Append(journal, 25);
            journal.Read("n", new JournalCursor(epoch, 25)).Next.Should().Be(26);
        }
        using var again = Open();

        (again.Epoch, again.Next).Should().Be((epoch, 26));
        Directory.GetFiles(_folder.Path).Should().ContainSingle("acknowledged segments are removed");
    }

    [Fact]
    public void Torn_last_line_is_removed_and_its_number_reused()
    {
        using (var journal = Open())
            Append(journal, 2);
        string file = Directory.GetFiles(_folder.Path).Single();
        File.AppendAllText(file, "0123abcd {\"seq\":3,\"prog");

        using var again = Open();
        Append(again, 1);

        again.CorruptLines.Should().Be(0);
        var report = again.Read("n", null);
        Steps(report).Should().Equal(1, 2, 3);
        report.First.Should().Be(1);
    }

    [Fact]
    public void Damaged_line_is_counted_and_shows_as_a_gap_and_the_rest_is_kept()
    {
        using (var journal = Open())
            Append(journal, 5);
        string file = Directory.GetFiles(_folder.Path).Single();
        string[] lines = File.ReadAllLines(file);
        lines[2] = lines[2].Replace("\"step\":3", "\"step\":9");
        File.WriteAllText(file, string.Join('\n', lines) + "\n");

        using var again = Open();
        var before = again.Read("n", null);
        var after = again.Read("n", new JournalCursor(again.Epoch, before.Next - 1));

        again.CorruptLines.Should().Be(1);
        (Steps(before), before.Next).Should().BeEquivalentTo((new long[] { 1, 2 }, 3L));
        after.First.Should().Be(4, "a first number above after + 1 is a gap to the operator");
        Steps(after).Should().Equal(4, 5);
    }

    [Fact]
    public void Stray_line_feed_costs_one_entry_and_not_those_behind_it()
    {
        using (var journal = Open())
            Append(journal, 6);
        string file = Directory.GetFiles(_folder.Path).Single();
        byte[] bytes = File.ReadAllBytes(file);
        bytes[bytes.AsSpan().IndexOf(Encoding.ASCII.GetBytes("\"step\":2"))] = (byte)'\n';
        File.WriteAllBytes(file, bytes);

        using var again = Open();

        again.KeptEntries.Should().Be(5);
        again.Next.Should().Be(7);
    }

    [Fact]
    public void Report_has_a_limit_and_a_cursor_to_the_rest()
    {
        using var journal = Open(o => o with { ReportEntries = 7 });
        Append(journal, 20);

        var report = journal.Read("n", new JournalCursor(journal.Epoch, 4));

        Steps(report).Should().Equal(5, 6, 7, 8, 9, 10, 11);
        report.Next.Should().Be(12);
    }

    [SkippableFact]
    public void Full_disk_is_reported_and_numbers_stay_unique()
    {
        Skip.If(!File.Exists("/dev/full"), "no /dev/full on this system");
        string epoch;
        using (var journal = Open())
        {
            epoch = journal.Epoch;
            Append(journal, 3);
        }
        string file = Directory.GetFiles(_folder.Path).Single();
        string kept = File.ReadAllText(file);
        long seen;
        using (var journal = Open())
        {
            // The next write goes to a device that is always full.
            File.Delete(file);
            File.CreateSymbolicLink(file, "/dev/full");
            Append(journal, 2);
            journal.Fault.Should().Contain("kept in memory");
            var report = journal.Read("n", new JournalCursor(epoch, 3));
            Steps(report).Should().Equal(4, 5);
            seen = report.Next - 1;

            _time.Advance(TimeSpan.FromSeconds(30));
            Append(journal, 1);
            journal.Fault.Should().BeNull("the write to the disk is retried after a while");
            Steps(journal.Read("n", new JournalCursor(epoch, 3))).Should().Equal(4, 5, 6);
            foreach (string later in Directory.GetFiles(_folder.Path, "*.journal"))
                File.Delete(later);
        }
        string marked = Directory.GetFiles(_folder.Path).Single();
        marked.Should().EndWith(".beyond");
        File.Delete(marked);
        File.WriteAllText(marked, kept);

        using var again = Open();
        Append(again, 1);

        again.Epoch.Should().Be(epoch);
        again.Fault.Should().BeNull();
        var next = again.Read("n", new JournalCursor(epoch, seen));
        next.First.Should().BeGreaterThan(seen + 1, "the operator must see the gap");
        Steps(next).Should().HaveCount(1);
    }

    [SkippableFact]
    public void Full_disk_drops_acknowledged_entries_first_then_the_oldest()
    {
        Skip.If(!File.Exists("/dev/full"), "no /dev/full on this system");
        using (var before = Open())
            Append(before, 1);
        string file = Directory.GetFiles(_folder.Path).Single();
        using var journal = Open(o => o with { MaxUnwrittenSegments = 3 });
        File.Delete(file);
        File.CreateSymbolicLink(file, "/dev/full");
        Append(journal, 20);
        journal.Fault.Should().Contain("kept in memory");

        journal.Read("n", new JournalCursor(journal.Epoch, 20));
        Append(journal, 15);

        journal.DroppedEntries.Should().Be(0, "dropping acknowledged entries freed enough space");
        Steps(Everything(journal, 20)).Should().Equal(Enumerable.Range(21, 16).Select(i => (long)i));

        Append(journal, 30);

        journal.DroppedEntries.Should().BePositive();
        var rest = journal.Read("n", new JournalCursor(journal.Epoch, 20));
        rest.First.Should().Be(21 + journal.DroppedEntries, "the oldest entries are dropped, and the operator sees the gap");
        Everything(journal, rest.First - 1).Progress[^1].Step.Should().Be(66);
        journal.Fault.Should().NotBeNull();
    }

    [Fact]
    public void Power_cut_loses_no_served_entry_and_numbers_continue()
    {
        using var running = Open();
        Append(running, 25);
        running.Read("n", new JournalCursor(running.Epoch, 4));
        // The machine loses power: only the present content of the disk survives.
        using var disk = new TestFolder();
        foreach (string path in Directory.GetFiles(_folder.Path))
            File.Copy(path, disk.File(Path.GetFileName(path)));

        using var again = UsageJournal.Open(
            new JournalOptions { Directory = disk.Path, SegmentEntries = 10 },
            new Random(9),
            _time,
            NullLogger.Instance
        );

        again.Epoch.Should().Be(running.Epoch);
        again.Next.Should().Be(26);
        again.CorruptLines.Should().Be(0);
        Steps(Everything(again, 4)).Should().Equal(Enumerable.Range(5, 21).Select(i => (long)i));
    }

    [Fact]
    public void Directory_that_cannot_be_used_leaves_a_journal_in_memory()
    {
        string file = _folder.File("file");
        File.WriteAllText(file, "");
        using var journal = UsageJournal.Open(
            new JournalOptions { Directory = Path.Combine(file, "below") },
            new Random(1),
            _time,
            NullLogger.Instance
        );
        Append(journal, 2);

        journal.Fault.Should().NotBeNull();
        Steps(journal.Read("n", null)).Should().Equal(1, 2);
    }

    [Fact]
    public void Journal_over_its_limit_drops_the_oldest_and_counts_them()
    {
        using var journal = Open(o => o with { MaxSegments = 3 });
        Append(journal, 100);

        journal.DroppedEntries.Should().Be(70);
        var report = journal.Read("n", new JournalCursor(journal.Epoch, 0));
        report.First.Should().Be(71);
        Directory.GetFiles(_folder.Path).Should().HaveCount(3);
    }

    [Fact]
    public async Task Poll_waits_for_the_next_entry_or_its_time()
    {
        using var journal = Open();
        Append(journal, 1);
        var end = new JournalCursor(journal.Epoch, 1);

        await journal.WaitAsync(new JournalCursor("other", 9), TimeSpan.FromHours(1), default);
        await journal.WaitAsync(end with { Seq = 0 }, TimeSpan.FromHours(1), default);
        var woken = journal.WaitAsync(end, TimeSpan.FromHours(1), default);
        woken.IsCompleted.Should().BeFalse();
        Append(journal, 1);
        await woken.WaitAsync(TimeSpan.FromSeconds(30));

        var timed = journal.WaitAsync(end with { Seq = 2 }, TimeSpan.FromSeconds(30), default);
        _time.Advance(TimeSpan.FromSeconds(29));
        timed.IsCompleted.Should().BeFalse();
        _time.Advance(TimeSpan.FromSeconds(1));
        await timed.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Theory]
    [InlineData("e:0", "e", 0)]
    [InlineData("9f1c:1204", "9f1c", 1204)]
    public void Valid_cursor_is_parsed(string text, string epoch, long seq) =>
        JournalCursor.TryParse(text).Should().Be(new JournalCursor(epoch, seq));

    [Theory]
    [InlineData("")]
    [InlineData("e")]
    [InlineData(":3")]
    [InlineData("e:")]
    [InlineData("e:-1")]
    [InlineData("e:99999999999999999999")]
    public void Invalid_cursor_is_refused(string text) => JournalCursor.TryParse(text).Should().BeNull();

    /// <summary>
    /// Entries arrive once and in order, for any order of appends, reads, acknowledgements, restarts and torn writes.
    /// </summary>
    [Fact]
    public void Unacknowledged_entries_are_kept_and_numbers_are_unique()
    {
        // 0-3 append that many + 1, 4 read the next report, 5 restart, 6 restart after a torn write, 7 repeat the read.
        Prop.ForAll(Gen.Choose(0, 7).ListOf(60).ToArbitrary(), operations =>
            {
                using var place = new TestFolder();
                var options = new JournalOptions
                {
                    Directory = place.Path,
                    SegmentEntries = 4,
                    SegmentsInMemory = 1,
                    ReportEntries = 6,
                };
                var journal = UsageJournal.Open(options, new Random(5), _time, NullLogger.Instance);
                string epoch = journal.Epoch;
                long appended = 0,
                    taken = 0;
                try
                {
                    foreach (int operation in operations)
                    {
                        switch (operation)
                        {
                            case <= 3:
                                journal.Append([.. Enumerable.Range(1, operation + 1).Select(i => Progress(appended + i))]);
                                appended += operation + 1;
                                break;
                            case 5 or 6:
                                journal.Dispose();
                                if (operation == 6)
                                    File.AppendAllText(Directory.GetFiles(place.Path).Order().Last(), "00000000 {\"se");
                                journal = UsageJournal.Open(options, new Random(6), _time, NullLogger.Instance);
                                break;
                            default:
                                Take(acknowledge: operation == 4);
                                break;
                        }
                    }
                    while (taken < appended)
                        Take(acknowledge: true);
                    journal.DroppedEntries.Should().Be(0);
                    journal.CorruptLines.Should().Be(0);
                }
                finally
                {
                    journal.Dispose();
                }

                void Take(bool acknowledge)
                {
                    var report = journal.Read("n", new JournalCursor(epoch, taken));
                    report.Epoch.Should().Be(epoch);
                    report.First.Should().Be(taken + 1);
                    long expected = Math.Min(appended - taken, 6);
                    Steps(report).Should().Equal(Enumerable.Range(1, (int)expected).Select(i => taken + i));
                    report.Progress.Select(p => p.Seq).Should().Equal(Steps(report));
                    if (acknowledge)
                        taken = report.Next - 1;
                }
            })
            .QuickCheckThrowOnFailure();
    }

    private UsageJournal Open(Func<JournalOptions, JournalOptions>? change = null)
    {
        var options = new JournalOptions
        {
            Directory = _folder.Path,
            SegmentEntries = 10,
            SegmentsInMemory = 1,
        };
        return UsageJournal.Open(change?.Invoke(options) ?? options, new Random(1), _time, NullLogger.Instance);
    }

    private static void Append(UsageJournal journal, int count) =>
        journal.Append([.. Enumerable.Range(0, count).Select(i => Progress(journal.Next + i))]);

    private static JournalEntry Progress(long step) => JournalEntry.From(new ProgressSample { PodUid = "u", Step = step });

    private static UsageReport Everything(UsageJournal journal, long after)
    {
        // All entries fit into one report.
        return journal.Read("n", new JournalCursor(journal.Epoch, after));
    }

    private static IEnumerable<long> Steps(UsageReport report) => report.Progress.Select(p => p.Step);
}
