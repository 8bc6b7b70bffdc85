namespace Bursar.Sandbox.Time;

/// <summary>A timer of a <see cref="VirtualTimeProvider"/>, guarded by the provider's lock.</summary>
internal sealed class VirtualTimer : ITimer
{
    private readonly VirtualTimeProvider _time;
    private readonly TimerCallback _callback;
    private readonly object? _state;
    private readonly ExecutionContext? _context;

    public VirtualTimer(VirtualTimeProvider time, long order, TimerCallback callback, object? state)
    {
        _time = time;
        Order = order;
        _callback = callback;
        _state = state;
        _context = ExecutionContext.Capture();
    }

    /// <summary>Order of creation, in which timers that are due at the same time fire.</summary>
    public long Order { get; }

    public DateTimeOffset Due { get; set; }

    /// <summary>True while the timer is in the provider's queue.</summary>
    public bool Armed { get; set; }

    public bool Disposed { get; set; }

    public TimeSpan Period { get; set; } = Timeout.InfiniteTimeSpan;

    public bool Change(TimeSpan dueTime, TimeSpan period) => _time.Change(this, dueTime, period);

    public void Dispose() => _time.Remove(this);

    public ValueTask DisposeAsync()
    {
        _time.Remove(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>
    /// Runs the callback in the execution context of the timer's creation, without a synchronization context. Only then does the code
    /// after an <c>await Task.Delay</c> continue inside this call, where the work that it begins is counted.
    /// </summary>
    public void Fire()
    {
        var before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            if (_context is null)
                _callback(_state);
            else
                ExecutionContext.Run(_context, static timer => ((VirtualTimer)timer!).Invoke(), this);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }
    }

    private void Invoke() => _callback(_state);
}
