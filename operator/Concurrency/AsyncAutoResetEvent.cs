namespace Bursar.Concurrency;

/// <summary>
/// An event that wakes one waiter, however often it was set. Virtual time may advance while a flow waits, but not after
/// <see cref="Set"/> until the waiter has continued.
/// </summary>
/// <param name="time">The clock of time limits.</param>
/// <param name="name">Names the event in the list of work in progress.</param>
public sealed class AsyncAutoResetEvent(TimeProvider time, string name)
{
    private readonly Lock _lock = new();
    private TaskCompletionSource? _waiter;
    private ActivityUnit? _unit;
    private bool _set;

    public void Set()
    {
        lock (_lock)
            if (Release_NeedsLock(_waiter) is { } waiter)
                waiter.TrySetResult();
            else
                _set = true;
    }

    public Task WaitAsync(CancellationToken cancellationToken) => WaitAsync(Timeout.InfiniteTimeSpan, cancellationToken);

    /// <summary>Returns when the event is set or after <paramref name="atMost"/>.</summary>
    /// <exception cref="InvalidOperationException">Another flow waits already.</exception>
    public async Task WaitAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var unit = ActivityTracker.From(time)?.Join("waiting for", name);
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
        // Pause only after the timer is set, or the clock could pass it.
        lock (_lock)
            if (_waiter == waiter)
                unit?.Pause();
        await waiter.Task.ConfigureAwait(false);
    }

    private TaskCompletionSource? Wake(TaskCompletionSource waiter)
    {
        lock (_lock)
            return Release_NeedsLock(waiter);
    }

    private TaskCompletionSource? Release_NeedsLock(TaskCompletionSource? waiter)
    {
        if (waiter is null || _waiter != waiter)
            return null;
        _unit?.Resume();
        (_waiter, _unit) = (null, null);
        return waiter;
    }
}
