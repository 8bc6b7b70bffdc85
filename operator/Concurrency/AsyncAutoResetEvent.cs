namespace Bursar.Concurrency;

/// <summary>Wakes one waiter, however often it was set before. Virtual time may pass while a flow waits here, and not any more once <see cref="Set"/> has returned.</summary>
/// <param name="time">The clock of time limits.</param>
/// <param name="name">What is waited for, for the message about a world that does not come to rest.</param>
public sealed class AsyncAutoResetEvent(TimeProvider time, string name)
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _waiter;
    private ActivityUnit? _unit;
    private bool _set;

    public void Set()
    {
        lock (_lock)
            if (Take_NeedsLock(_waiter) is { } waiter)
                waiter.TrySetResult();
            else
                _set = true;
    }

    public Task WaitAsync(CancellationToken cancellationToken) => WaitAsync(Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>Returns when it is set, or when so much time has passed. One flow may wait at a time.</summary>
    public async Task WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var unit = ActivityTracker.Of(time)?.Join("waiting for", name);
        var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            if (_set)
            {
                _set = false;
                return;
            }
            if (_waiter is not null)
                throw new InvalidOperationException($"Two flows wait for {name}.");
            (_waiter, _unit) = (waiter, unit);
        }
        await using var timer =
            atMost == Timeout.InfiniteTimeSpan
                ? null
                : time.CreateTimer(_ => Wake(waiter)?.TrySetResult(), null, atMost, Timeout.InfiniteTimeSpan);
        await using var registration = cancellationToken.UnsafeRegister(_ => Wake(waiter)?.TrySetCanceled(cancellationToken), null);
        // Not before the timer stands.
        lock (_lock)
            if (_waiter == waiter)
                unit?.Pause();
        await waiter.Task.ConfigureAwait(false);
    }

    private TaskCompletionSource? Wake(TaskCompletionSource waiter)
    {
        lock (_lock)
            return Take_NeedsLock(waiter);
    }

    private TaskCompletionSource? Take_NeedsLock(TaskCompletionSource? waiter)
    {
        if (waiter is null || _waiter != waiter)
            return null;
        _unit?.Resume();
        (_waiter, _unit) = (null, null);
        return waiter;
    }
}
