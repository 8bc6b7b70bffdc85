using System.Text.Json;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using FsCheck;
using FsCheck.Fluent;

namespace Bursar.Tests.Unit.Core.State;

public sealed class SeriesTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 2, 9, 0, 0, TimeSpan.Zero);

    [Fact]
    public void Run_that_is_recorded_twice_counts_once()
    {
        var state = new OperatorState();

        state.RecordRun("team", "named/nightly", Run(1)).Should().BeTrue();
        state.RecordRun("team", "named/nightly", Run(1)).Should().BeFalse();

        state.Runs("team", "named/nightly").Should().Equal(Run(1));
        state.Runs("other", "named/nightly").Should().BeEmpty();
    }

    [Fact]
    public void Latest_runs_are_kept_in_any_order_of_recording() =>
        Prop.ForAll(Gen.Choose(0, int.MaxValue).ToArbitrary(), seed =>
            {
                var random = new Random(seed);
                var state = new OperatorState();
                var told = Enumerable.Range(0, 20).SelectMany(i => new[] { i, i }).OrderBy(_ => random.Next()).ToArray();
                foreach (var i in told)
                    state.RecordRun("team", "s", Run(i));
                state.Runs("team", "s").Should().Equal(Enumerable.Range(20 - OperatorState.KeptRuns, OperatorState.KeptRuns).Select(Run));
                return true;
            })
            .Check(Config.QuickThrowOnFailure.WithQuietOnSuccess(true));

    [Fact]
    public void Stored_runs_round_trip_and_recording_them_again_has_no_effect()
    {
        var state = new OperatorState();
        state.RecordRun("team", "named/nightly", Run(1));
        state.RecordRun("team", "CronJob/eval", Run(2));

        var stored = state
            .DirtyShards()
            .Select(shard =>
                JsonSerializer.Deserialize(JsonSerializer.Serialize(shard, LedgerJson.Default.LedgerShard), LedgerJson.Default.LedgerShard)!
            )
            .ToArray();
        var again = OperatorState.Load(stored);

        again.Runs("team", "named/nightly").Should().Equal(Run(1));
        again.RecordRun("team", "CronJob/eval", Run(2)).Should().BeFalse();
        again.IsDirty.Should().BeFalse();
    }

    [Fact]
    public void Series_of_any_number_fit_a_shard()
    {
        var state = new OperatorState();
        for (var series = 0; series < 150; series++)
        for (var run = 0; run < 10; run++)
            state.RecordRun(
                "team",
                $"named/{series:000}-{new string('x', 110)}",
                new(Guid.NewGuid().ToString(), Start.AddDays(series).AddHours(run), long.MaxValue / 1_000_000, 1_000_000_000, true)
            );

        JsonSerializer
            .SerializeToUtf8Bytes(state.DirtyShards().Single(), LedgerJson.Default.LedgerShard)
            .Length.Should()
            .BeLessThan(GpuLedger.MaxShardBytes);
        state.Runs("team", $"named/000-{new string('x', 110)}").Should().BeEmpty("it ran longest ago");
        state.Runs("team", $"named/149-{new string('x', 110)}").Should().HaveCount(OperatorState.KeptRuns);
    }

    private static SeriesRun Run(int i) => new($"uid-{i}", Start.AddHours(i), 1_000 * i, 30_000);
}
