using Bursar.Sandbox.Time;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Time;

public sealed class VirtualTimeProviderTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Timers_fire_by_due_time_and_then_by_creation()
    {
        var time = new VirtualTimeProvider(Start);
        var fired = new List<string>();
        using var late = time.CreateTimer(_ => fired.Add("late"), null, TimeSpan.FromSeconds(3), Timeout.InfiniteTimeSpan);
        using var first = time.CreateTimer(_ => fired.Add("first"), null, TimeSpan.FromSeconds(9), Timeout.InfiniteTimeSpan);
        using var second = time.CreateTimer(_ => fired.Add("second"), null, TimeSpan.FromSeconds(2), Timeout.InfiniteTimeSpan);
        first.Change(TimeSpan.FromSeconds(2), Timeout.InfiniteTimeSpan);

        await time.AdvanceAsync(TimeSpan.FromSeconds(5));

        fired.Should().Equal("first", "second", "late");
        time.GetUtcNow().Should().Be(Start.AddSeconds(5));
    }

    [Fact]
    public void Advance_fires_timers_on_the_callers_thread_at_their_own_times()
    {
        var time = new VirtualTimeProvider(Start);
        var fired = new List<(DateTimeOffset At, int Thread)>();
        using var timer = time.CreateTimer(
            _ => fired.Add((time.GetUtcNow(), Environment.CurrentManagedThreadId)),
            null,
            TimeSpan.FromSeconds(2),
            TimeSpan.FromSeconds(3)
        );
        // Continuing work does not keep this clock from advancing.
        time.Activity.Begin();

        time.Advance(TimeSpan.FromSeconds(6));

        var thread = Environment.CurrentManagedThreadId;
        fired.Should().Equal((Start.AddSeconds(2), thread), (Start.AddSeconds(5), thread));
        time.GetUtcNow().Should().Be(Start.AddSeconds(6));
    }

    [Theory]
    [InlineData(-3600)]
    [InlineData(3600)]
    public async Task Skewed_wall_clock_moves_no_timer(int seconds)
    {
        var time = new VirtualTimeProvider(Start);
        var timestamp = time.GetTimestamp();
        var fired = 0;
        using var timer = time.CreateTimer(_ => fired++, null, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(10));

        time.SkewWall(TimeSpan.FromSeconds(seconds));

        time.GetUtcNow().Should().Be(Start.AddSeconds(seconds));
        time.NextDue.Should().Be(Start.AddSeconds(seconds + 10));
        time.GetElapsedTime(timestamp).Should().Be(TimeSpan.Zero);
        time.Advance(TimeSpan.FromSeconds(9));
        fired.Should().Be(0);
        await time.AdvanceAsync(TimeSpan.FromSeconds(1));
        fired.Should().Be(1);
        await time.RunUntilAsync(Start.AddSeconds(seconds + 20));
        fired.Should().Be(2);
        time.GetElapsedTime(timestamp).Should().Be(TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Delay_resumes_at_its_exact_time_and_its_continuation_runs_before_time_moves()
    {
        var time = new VirtualTimeProvider(Start);
        var seen = new List<DateTimeOffset>();
        async Task LoopAsync()
        {
            for (var i = 0; i < 4; i++)
            {
                await Task.Delay(TimeSpan.FromMinutes(7), time).ConfigureAwait(false);
                seen.Add(time.GetUtcNow());
            }
        }

        // The delay begins here and not on another thread, because a pending timer does not show that a task awaits it.
        var loop = LoopAsync();
        await time.AdvanceAsync(TimeSpan.FromHours(1));

        seen.Should().Equal(Enumerable.Range(1, 4).Select(i => Start.AddMinutes(7 * i)));
        await loop.WaitAsync(TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task Periodic_timer_keeps_its_period_and_a_disposed_one_never_fires()
    {
        var time = new VirtualTimeProvider(Start);
        var beats = 0;
        var timer = time.CreateTimer(_ => beats++, null, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(10));

        await time.AdvanceAsync(TimeSpan.FromMinutes(1));
        await timer.DisposeAsync();
        await time.AdvanceAsync(TimeSpan.FromMinutes(1));

        beats.Should().Be(6);
        timer.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan).Should().BeFalse();
        time.Pending.Should().Be(0);
    }

    [Fact]
    public async Task Time_stops_once_the_condition_is_true()
    {
        var time = new VirtualTimeProvider(Start);
        var beats = 0;
        using var timer = time.CreateTimer(_ => beats++, null, TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(10));

        var held = await time.RunUntilAsync(() => beats == 3, TimeSpan.FromHours(1));
        var never = await time.RunUntilAsync(() => beats < 0, TimeSpan.FromSeconds(25));

        held.Should().BeTrue();
        never.Should().BeFalse();
        time.GetUtcNow().Should().Be(Start.AddSeconds(55));
    }

    [Fact]
    public async Task Loop_without_any_delay_is_reported()
    {
        var time = new VirtualTimeProvider(Start);
        ITimer? timer = null;
        timer = time.CreateTimer(
            _ => timer!.Change(TimeSpan.Zero, Timeout.InfiniteTimeSpan),
            null,
            TimeSpan.FromSeconds(1),
            Timeout.InfiniteTimeSpan
        );

        var act = () => time.AdvanceAsync(TimeSpan.FromSeconds(2));

        (await act.Should().ThrowAsync<WorldNotIdleException>()).WithMessage("*without time passing*");
        await timer.DisposeAsync();
    }

    [Fact]
    public async Task Time_is_moved_by_only_one_caller()
    {
        var time = new VirtualTimeProvider(Start);
        Task? inner = null;
        using var timer = time.CreateTimer(
            _ => inner = time.AdvanceAsync(TimeSpan.FromSeconds(1)),
            null,
            TimeSpan.FromSeconds(1),
            Timeout.InfiniteTimeSpan
        );

        await time.AdvanceAsync(TimeSpan.FromSeconds(2));

        inner.Should().NotBeNull();
        await inner!.Invoking(task => task).Should().ThrowAsync<InvalidOperationException>();
    }

    [Fact]
    public async Task Paced_time_runs_fast_and_never_passes_the_wall_clock()
    {
        // The wall clock is itself virtual, so that the pacing is exact.
        var wall = new VirtualTimeProvider(Start);
        var time = new VirtualTimeProvider(Start.AddMinutes(-59), wall: wall);
        var beats = new List<(DateTimeOffset Virtual, DateTimeOffset Wall)>();
        var count = 0;
        using var timer = time.CreateTimer(
            _ =>
            {
                beats.Add((time.GetUtcNow(), wall.GetUtcNow()));
                Interlocked.Increment(ref count);
            },
            null,
            TimeSpan.FromMinutes(10),
            TimeSpan.FromMinutes(10)
        );
        using var stop = new CancellationTokenSource();

        var pacing = Task.Run(() => time.PaceAsync(60, stop.Token));
        await WaitUntilAsync(() => wall.Pending > 0);
        for (var i = 0; i < 120; i++)
            await wall.AdvanceAsync(TimeSpan.FromSeconds(1));
        // A wait that the pacing began late ends late, because the wall clock keeps running.
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (Volatile.Read(ref count) < 6 || time.GetUtcNow() < wall.GetUtcNow())
            await wall.AdvanceAsync(TimeSpan.FromSeconds(1), patience.Token);
        var end = time.GetUtcNow();
        await stop.CancelAsync();
        await pacing;

        // 59 minutes behind at 60 times the pace is caught up with after one minute of the wall clock.
        // The wall clock does not wait for the callbacks here, so they may come late, but never early.
        beats[0].Virtual.Should().BeOnOrAfter(Start.AddMinutes(-49));
        beats[0].Wall.Should().BeOnOrAfter(Start.AddSeconds(10));
        beats[4].Wall.Should().BeOnOrAfter(Start.AddSeconds(50));
        beats.Should().HaveCountGreaterThanOrEqualTo(6);
        beats.Should().OnlyContain(beat => beat.Virtual <= beat.Wall);
        end.Should().Be(wall.GetUtcNow());
    }

    private static async Task WaitUntilAsync(Func<bool> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while (!condition())
            await Task.Delay(5, deadline.Token);
    }
}
