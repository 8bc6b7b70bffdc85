namespace Bursar.Sandbox.Time;

/// <summary>One timer of a <see cref="VirtualTimeProvider"/>; all its state is guarded by the provider's lock.</summary>
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

    /// <summary>The timers of one moment fire in the order in which they were created.</summary>
    public long Order { get; }

    public DateTimeOffset Due { get; set; }

    /// <summary>Whether the timer waits in the provider's queue.</summary>
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
    /// Runs the callback in the context that made the timer. No synchronization context is current meanwhile: only so
    /// does the code behind an <c>await Task.Delay</c> run on inside this call, where the pump can see what it began.
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
