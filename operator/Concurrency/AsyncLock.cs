namespace Bursar.Concurrency;

/// <summary>
/// A fair lock for async flows. Waiting flows do not stop virtual time, because the flow that has the lock may wait for a timer.
/// </summary>
public sealed class AsyncLock(TimeProvider time, string name)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _waiting = new();
    private bool _taken;

    /// <summary>Acquires the lock. Dispose the result to release it.</summary>
    public async Task<Pass> EnterAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using ActivityUnit? unit = ActivityTracker.From(time)?.Join("waiting for", name);
        Waiter waiter = new(unit);
        lock (_lock)
        {
            if (!_taken)
            {
                _taken = true;
                return new Pass(this);
            }

            _waiting.AddLast(waiter);
            unit?.Pause();
        }

        await using (cancellationToken.UnsafeRegister(_ => Cancel(waiter, cancellationToken), null))
            await waiter.Admitted.Task.ConfigureAwait(false);
        return new Pass(this);
    }

    private void Cancel(Waiter waiter, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (!_waiting.Remove(waiter))
                return;
            waiter.Unit?.Resume();
        }

        waiter.Admitted.TrySetCanceled(cancellationToken);
    }

    private void Leave()
    {
        Waiter next;
        lock (_lock)
        {
            if (_waiting.First is not { } first)
            {
                _taken = false;
                return;
            }

            next = first.Value;
            _waiting.RemoveFirst();
            next.Unit?.Resume();
        }

        next.Admitted.TrySetResult();
    }

    /// <summary>Releases the lock when disposed.</summary>
    public readonly struct Pass : IDisposable
    {
        private readonly AsyncLock _gate;

        internal Pass(AsyncLock gate) => _gate = gate;

        public void Dispose() => _gate.Leave();
    }

    private sealed class Waiter(ActivityUnit? unit)
    {
        public ActivityUnit? Unit { get; } = unit;

        public TaskCompletionSource Admitted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
