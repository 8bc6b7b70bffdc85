namespace Bursar.Kube.Http;

/// <summary>
/// Counts what is under way in this process: requests, work items not done, watch events sent by an in-process server and not yet
/// handled by the client. Virtual time may only advance while nothing is. Exact: every hand-over begins the next unit before it
/// ends its own, and a waiting task gives its unit up only after its timer stands (<see cref="DelayAsync"/>).
/// </summary>
public sealed class ActivityTracker
{
    private readonly Lock _lock = new();
    private readonly Dictionary<Guid, long> _streams = [];
    private long _active;
    private long _unhandled;
    private TaskCompletionSource? _idle;

    /// <summary>Header of a watch request, so that a server that shares this tracker can report what it sends.</summary>
    public const string Header = "Bursar-Activity";

    public bool IsIdle
    {
        get
        {
            lock (_lock) return IsIdle_NeedsLock;
        }
    }

    private bool IsIdle_NeedsLock => _active == 0 && _unhandled == 0;

    /// <summary>One unit of work starts.</summary>
    public void Begin()
    {
        lock (_lock) _active++;
    }

    /// <summary>One unit of work ends.</summary>
    public void End()
    {
        lock (_lock)
        {
            if (_active == 0) throw new InvalidOperationException("More activity ended than began.");
            _active--;
            Announce_NeedsLock();
        }
    }

    /// <summary>The client is about to open a watch.</summary>
    public void Opened(Guid stream)
    {
        lock (_lock) _streams[stream] = 0;
    }

    /// <summary>The server has written one line to a watch. Lines to a stream that the client has closed are not counted: nobody will handle them.</summary>
    public void Sent(Guid stream)
    {
        lock (_lock)
        {
            if (!_streams.TryGetValue(stream, out long count)) return;
            _streams[stream] = count + 1;
            _unhandled++;
        }
    }

    /// <summary>The client has handled one line.</summary>
    public void Handled(Guid stream)
    {
        lock (_lock)
        {
            // A server without the tracker reports nothing; then there is nothing to settle.
            if (!_streams.TryGetValue(stream, out long count) || count == 0) return;
            _streams[stream] = count - 1;
            _unhandled--;
            Announce_NeedsLock();
        }
    }

    /// <summary>The client has left the stream; what it did not read is void.</summary>
    public void Closed(Guid stream)
    {
        lock (_lock)
        {
            if (!_streams.Remove(stream, out long count)) return;
            _unhandled -= count;
            Announce_NeedsLock();
        }
    }

    /// <summary>Completes at the next moment at which nothing is under way.</summary>
    public Task WhenIdleAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (IsIdle_NeedsLock) return Task.CompletedTask;
            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>
    /// Waits, for a caller that holds one unit: the unit is given up while the timer runs and is held again before the timer's
    /// callback returns, so the clock can neither stand still for the waiter nor run past it.
    /// </summary>
    public static async Task DelayAsync(ActivityTracker? tracker, TimeProvider time, TimeSpan delay, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (delay <= TimeSpan.Zero) return;
        if (tracker is null)
        {
            await Task.Delay(delay, time, cancellationToken).ConfigureAwait(false);
            return;
        }

        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int woken = 0;
        void Wake(bool cancelled)
        {
            if (Interlocked.Exchange(ref woken, 1) != 0) return;
            tracker.Begin();
            if (cancelled) done.TrySetCanceled(cancellationToken);
            else done.TrySetResult();
        }

        await using ITimer timer = time.CreateTimer(_ => Wake(cancelled: false), null, delay, Timeout.InfiniteTimeSpan);
        await using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(_ => Wake(cancelled: true), null);
        tracker.End();
        await done.Task.ConfigureAwait(false);
    }

    private void Announce_NeedsLock()
    {
        if (_idle is null || !IsIdle_NeedsLock) return;
        _idle.TrySetResult();
        _idle = null;
    }
}
