using System.Text.Json;
using Bursar.Core.Ledger;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.Ledger;

public sealed class SeriesTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void A_run_that_is_told_twice_counts_once()
    {
        var ledger = new GpuLedger();

        ledger.NoteRun("team", "named/nightly", Run(1)).Should().BeTrue();
        ledger.NoteRun("team", "named/nightly", Run(1)).Should().BeFalse();

        ledger.Runs("team", "named/nightly").Should().Equal(Run(1));
        ledger.Runs("other", "named/nightly").Should().BeEmpty();
    }

    [Fact]
    public void The_last_runs_are_kept_in_whatever_order_they_are_told_and_however_often() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
            {
                var random = new Random(seed);
                var ledger = new GpuLedger();
                var told = Enumerable.Range(0, 20).SelectMany(i => new[] { i, i }).OrderBy(_ => random.Next()).ToArray();
                foreach (var i in told)
                    ledger.NoteRun("team", "s", Run(i));
                ledger.Runs("team", "s").Should().Equal(Enumerable.Range(20 - GpuLedger.KeptRuns, GpuLedger.KeptRuns).Select(Run));
                return true;
            })
            .Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));

    [Fact]
    public void What_is_stored_comes_back_and_is_told_again_without_effect()
    {
        var ledger = new GpuLedger();
        ledger.NoteRun("team", "named/nightly", Run(1));
        ledger.NoteRun("team", "CronJob/eval", Run(2));

        var stored = ledger
            .DirtyShards()
            .Select(shard =>
                JsonSerializer.Deserialize(JsonSerializer.Serialize(shard, LedgerJson.Default.LedgerShard), LedgerJson.Default.LedgerShard)!
            )
            .ToArray();
        var again = GpuLedger.Load(stored);

        again.Runs("team", "named/nightly").Should().Equal(Run(1));
        again.NoteRun("team", "CronJob/eval", Run(2)).Should().BeFalse();
        again.IsDirty.Should().BeFalse();
    }

    [Fact]
    public void However_many_series_there_are_they_fit_a_shard()
    {
        var ledger = new GpuLedger();
        for (var series = 0; series < 150; series++)
        for (var run = 0; run < 10; run++)
            ledger.NoteRun(
                "team",
                $"named/{series:000}-{new string('x', 110)}",
                new(Guid.NewGuid().ToString(), Start.AddDays(series).AddHours(run), long.MaxValue / 1_000_000, 1_000_000_000, true)
            );

        JsonSerializer
            .SerializeToUtf8Bytes(ledger.DirtyShards().Single(), LedgerJson.Default.LedgerShard)
            .Length.Should()
            .BeLessThan(GpuLedger.MaxShardBytes);
        ledger.Runs("team", $"named/000-{new string('x', 110)}").Should().BeEmpty("it ran longest ago");
        ledger.Runs("team", $"named/149-{new string('x', 110)}").Should().HaveCount(GpuLedger.KeptRuns);
    }

    [Fact]
    public void The_time_between_two_runs_of_a_parked_job_is_not_held()
    {
        var ledger = new GpuLedger();
        ledger.Install(Start.AddHours(-1));
        ledger.Observe(Pod("a", 0, 60));
        ledger.Observe(Pod("b", 30, 90));
        ledger.Observe(Pod("c", 600, 630));

        ledger.HeldTime("team", "uid", Start, Start.AddMinutes(630)).Should().Be(TimeSpan.FromMinutes(120));
        ledger.HeldTime("team", "uid", Start.AddHours(-2), Start.AddMinutes(630)).Should().BeNull("it began before the ledger");
        ledger.HeldTime("team", "other", Start, Start.AddMinutes(630)).Should().BeNull();
    }

    [Fact]
    public void Pods_that_were_stopped_are_not_among_those_that_ended_by_themselves()
    {
        var ledger = new GpuLedger();
        ledger.Observe(Pod("late", 30, 90) with { Succeeded = true });
        ledger.Observe(Pod("stopped", 0, 60));
        ledger.Observe(Pod("failed", 0, 45) with { Succeeded = false });
        // It is deleted after its end.
        ledger.Observe(Pod("failed", 0, 45) with { IsGone = true });
        EndedPod[] ended =
        [
            new("failed", "failed", Start, TimeSpan.FromMinutes(45), false),
            new("late", "late", Start.AddMinutes(30), TimeSpan.FromMinutes(60), true),
        ];

        ledger.EndedPods("team", "uid").Should().Equal(ended);
        ledger.EndedPods("team", "other").Should().BeEmpty();
        GpuLedger.Load(ledger.DirtyShards()).EndedPods("team", "uid").Should().Equal(ended);
    }

    private static SeriesRun Run(int i) => new($"uid-{i}", Start.AddHours(i), 1_000 * i, 30_000);

    private static PodObservation Pod(string uid, int from, int to) =>
        new()
        {
            Uid = uid,
            Pod = uid,
            Workload = new("team", "Job", "train", "uid"),
            Class = WorkClass.Training,
            Labels = new Dictionary<string, string>(),
            Node = "node",
            Gpus = 1,
            ScheduledAt = Start.AddMinutes(from),
            FinishedAt = Start.AddMinutes(to),
            ObservedAt = Start.AddMinutes(to),
        };
}
