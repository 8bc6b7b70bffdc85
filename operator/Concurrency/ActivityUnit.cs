namespace Bursar.Concurrency;

/// <summary>
/// One thing under way, with a name. A unit made within another one (<see cref="ActivityTracker.Join"/>) stands in for it: whoever awaits
/// a request that waits for a timer waits for that timer too, so a unit with parts is under way only while one of its parts is.
/// </summary>
public sealed class ActivityUnit : IDisposable
{
    private readonly ActivityTracker _tracker;
    private readonly ActivityUnit? _whole;
    private readonly ActivityUnit? _before;
    private readonly string _what;
    private readonly object? _subject;
    private bool _waiting;
    private bool _ended;
    private bool _counted = true;
    private int _parts;
    private int _busyParts;
    private Guid? _asked;

    internal ActivityUnit(ActivityTracker tracker, ActivityUnit? whole, ActivityUnit? before, string what, object? subject)
    {
        _tracker = tracker;
        _whole = whole;
        _before = before;
        _what = what;
        _subject = subject;
    }

    internal bool IsOver => _ended;

    /// <summary>Waits as <see cref="DelayAsync(TimeProvider, TimeSpan, CancellationToken)"/>, or simply, where nobody counts.</summary>
    public static Task DelayAsync(ActivityUnit? unit, TimeProvider time, TimeSpan delay, CancellationToken cancellationToken) =>
        unit is not null ? unit.DelayAsync(time, delay, cancellationToken)
        : delay <= TimeSpan.Zero ? Task.CompletedTask
        : Task.Delay(delay, time, cancellationToken);

    /// <summary>
    /// Waits, and is not under way meanwhile: from when the timer stands until the timer's callback (or the cancellation) returns, so the
    /// clock can neither stand still for the waiter nor run past it.
    /// </summary>
    public async Task DelayAsync(TimeProvider time, TimeSpan delay, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (delay <= TimeSpan.Zero)
            return;
        TaskCompletionSource done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bool woken = false;
        void Wake(bool cancelled)
        {
            lock (_tracker.Gate)
            {
                if (woken)
                    return;
                woken = true;
                Wait_NeedsLock(false);
            }

            if (cancelled)
                done.TrySetCanceled(cancellationToken);
            else
                done.TrySetResult();
        }

        await using ITimer timer = time.CreateTimer(_ => Wake(cancelled: false), null, delay, Timeout.InfiniteTimeSpan);
        await using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(_ => Wake(cancelled: true), null);
        lock (_tracker.Gate)
            if (!woken)
                Wait_NeedsLock(true);
        await done.Task.ConfigureAwait(false);
    }

    /// <summary>From here on it waits for others, who count themselves.</summary>
    public void Pause()
    {
        lock (_tracker.Gate)
            Wait_NeedsLock(true);
    }

    /// <summary>It goes on. Called by whoever wakes it, before that one's own activity ends.</summary>
    public void Resume()
    {
        lock (_tracker.Gate)
            Wait_NeedsLock(false);
    }

    /// <summary>What the calling flow asks from here on is a part of this unit; for a unit that another flow has begun.</summary>
    public Carried Carry() => new(_tracker, this);

    public void Dispose()
    {
        lock (_tracker.Gate)
        {
            if (_ended)
                return;
            Answered_NeedsLock();
            _ended = true;
            if (_parts == 0)
                Leave_NeedsLock();
            else
                Settle_NeedsLock();
            _tracker.Announce_NeedsLock();
        }

        if (_tracker.Current == this)
            _tracker.Current = _before;
    }

    public override string ToString() => _subject is null ? _what : $"{_what} {_subject}";

    /// <summary>A request leaves under an id by which a server that shares the tracker can say that it keeps it waiting.</summary>
    public Guid Ask()
    {
        lock (_tracker.Gate)
        {
            Guid id = Guid.NewGuid();
            _asked = id;
            _tracker.Asked[id] = this;
            return id;
        }
    }

    /// <summary>The server has answered, or nobody waits for its answer any more.</summary>
    internal void Answered()
    {
        lock (_tracker.Gate)
            Answered_NeedsLock();
    }

    /// <summary>Joins the count, on its maker's side of the lock.</summary>
    internal void Enter_NeedsLock()
    {
        if (_whole is null)
        {
            _tracker.Busy++;
        }
        else
        {
            _whole._parts++;
            _whole._busyParts++;
            _whole.Settle_NeedsLock();
        }
    }

    internal bool IsUnderWay_NeedsLock => _parts == 0 && _counted;

    private void Answered_NeedsLock()
    {
        if (_asked is not { } id)
            return;
        _asked = null;
        _tracker.Asked.Remove(id);
        Wait_NeedsLock(false);
    }

    private void Wait_NeedsLock(bool waiting)
    {
        _waiting = waiting;
        Settle_NeedsLock();
        _tracker.Announce_NeedsLock();
    }

    private void Settle_NeedsLock()
    {
        bool busy = _parts > 0 ? _busyParts > 0 : !_ended && !_waiting;
        if (busy == _counted)
            return;
        _counted = busy;
        int change = busy ? 1 : -1;
        if (_whole is null)
        {
            _tracker.Busy += change;
        }
        else
        {
            _whole._busyParts += change;
            _whole.Settle_NeedsLock();
        }
    }

    private void Leave_NeedsLock()
    {
        _tracker.Units.Remove(this);
        if (_whole is null)
        {
            if (_counted)
                _tracker.Busy--;
            return;
        }

        // In one step, so that the whole is not idle for a moment between its last part's end and its own going on.
        _whole._parts--;
        if (_counted)
            _whole._busyParts--;
        if (_whole._ended && _whole._parts == 0)
            _whole.Leave_NeedsLock();
        else
            _whole.Settle_NeedsLock();
    }

    /// <summary>While it lives, its flow works for a unit.</summary>
    public readonly struct Carried : IDisposable
    {
        private readonly ActivityTracker _tracker;
        private readonly ActivityUnit? _before;

        internal Carried(ActivityTracker tracker, ActivityUnit unit)
        {
            _tracker = tracker;
            _before = tracker.Current;
            tracker.Current = unit;
        }

        public void Dispose()
        {
            if (_tracker is not null)
                _tracker.Current = _before;
        }
    }
}
