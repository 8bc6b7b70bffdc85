using Bursar.Concurrency;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.Unit.Concurrency;

/// <summary>Loops and signals as virtual time sees them.</summary>
public sealed class AsyncAutoResetEventTests
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly VirtualTimeProvider _clock = new();
    private readonly AsyncAutoResetEvent _event;

    public AsyncAutoResetEventTests() => _event = new(_clock, "the test");

    private ActivityTracker Activity => ActivityTracker.From(_clock)!;

    [Fact]
    public async Task Signals_before_a_wait_wake_it_once()
    {
        _event.Set();
        _event.Set();

        await _event.WaitAsync(CancellationToken.None).WaitAsync(Deadline);

        _event.WaitAsync(CancellationToken.None).IsCompleted.Should().BeFalse();
    }

    [Fact]
    public async Task Time_limit_ends_a_wait()
    {
        var wait = _event.WaitAsync(TimeSpan.FromSeconds(5), CancellationToken.None);

        _clock.Advance(TimeSpan.FromSeconds(4));
        wait.IsCompleted.Should().BeFalse();
        _clock.Advance(TimeSpan.FromSeconds(1));

        await wait.WaitAsync(Deadline);
    }

    [Fact]
    public async Task Waiting_loop_is_idle_and_is_busy_when_the_signal_returns()
    {
        using var stop = new CancellationTokenSource();
        var turn = new TaskCompletionSource();
        var loop = TaskGroup.Start(_clock, "work", () => PeriodicLoop.RunAsync(
                _clock,
                "loop",
                async token =>
                {
                    await _event.WaitAsync(token);
                    await turn.Task;
                    return TimeSpan.FromMinutes(1);
                },
                stop.Token
            ));
        await Activity.WhenIdleAsync(CancellationToken.None).WaitAsync(Deadline);

        _event.Set();

        Activity.IsIdle.Should().BeFalse("its turn is under way");
        turn.SetResult();
        await Activity.WhenIdleAsync(CancellationToken.None).WaitAsync(Deadline);
        await stop.CancelAsync();
        await loop.WaitAsync(Deadline);
        Activity.ToString().Should().Be("nothing");
    }
}
