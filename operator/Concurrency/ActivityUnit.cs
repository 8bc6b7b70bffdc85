namespace Bursar.Concurrency;

/// <summary>
/// A piece of work that virtual time waits for: a loop, a queue's item, a request. A unit is busy or idle, and the clock of a test may
/// advance only while every unit is idle.
/// </summary>
/// <remarks>
/// <para>
/// A unit begins busy. It is idle from <see cref="Pause"/> to <see cref="Resume"/>, while its flow waits for a timer, a signal or an
/// answer. Disposing it ends it.
/// </para>
/// <para>
/// Work consists of smaller work: a loop sends a request, and the request waits before it is sent again. The smaller unit is a part of the
/// larger one, which does nothing but wait for it. So a unit with parts is busy exactly while one of its parts is busy:
/// </para>
/// <code>
/// loop "scalers"                 busy     idle              busy
///   request GET /scale           busy     idle              busy
///     pause of 1 s (throttled)   -        paused, idle      ended
/// the clock                      stands   advances by 1 s   stands
/// </code>
/// <para>
/// Parts find their whole by the async flow: <see cref="ActivityTracker.Current"/> is the unit of the calling code and follows it through
/// every await.
/// </para>
/// <para>
/// The tracker must never look idle while work continues. So the code that wakes a paused unit resumes it before its own unit ends, and a
/// flow pauses only after the timer that wakes it is set. Safe for concurrent use: one lock of the tracker guards all units.
/// </para>
/// </remarks>
public sealed class ActivityUnit : IDisposable
{
    private readonly ActivityTracker _tracker;

    /// <summary>The unit that this one is a part of; null for an independent unit.</summary>
    private readonly ActivityUnit? _whole;

    /// <summary>The previous unit of the flow, restored after this one.</summary>
    private readonly ActivityUnit? _before;
    private readonly string _name;
    private readonly object? _subject;
    private bool _paused;
    private bool _ended;

    /// <summary>True while the tracker, or the whole, counts this unit as busy.</summary>
    private bool _counted = true;
    private int _parts;
    private int _busyParts;

    /// <summary>The id of the request in progress, by which the server may pause this unit; null without a request.</summary>
    private Guid? _request;

    internal ActivityUnit(ActivityTracker tracker, ActivityUnit? whole, ActivityUnit? before, string name, object? subject)
    {
        _tracker = tracker;
        _whole = whole;
        _before = before;
        _name = name;
        _subject = subject;
    }

    internal bool HasEnded => _ended;

    internal bool IsBusyByItself_NeedsLock => _parts == 0 && _counted;

    /// <summary>Makes the unit idle: its flow waits for something that is counted elsewhere or that a timer ends.</summary>
    public void Pause()
    {
        lock (_tracker.Gate)
            Pause_NeedsLock(true);
    }

    /// <summary>Makes the unit busy again. The code that ends the wait calls this, not the flow that waited.</summary>
    public void Resume()
    {
        lock (_tracker.Gate)
            Pause_NeedsLock(false);
    }

    /// <summary>Makes this unit, created by another flow, that of the calling flow until the result is disposed.</summary>
    public Carried Carry() => new(_tracker, this);

    /// <summary>Ends the unit. It stays counted until its last part has ended.</summary>
    public void Dispose()
    {
        lock (_tracker.Gate)
        {
            if (_ended)
                return;
            EndRequest_NeedsLock();
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

    public override string ToString() => _subject is null ? _name : $"{_name} {_subject}";

    /// <summary>Begins a request and returns its id. A server in this process that knows the id may pause and resume the unit.</summary>
    internal Guid BeginRequest()
    {
        lock (_tracker.Gate)
        {
            Guid id = Guid.NewGuid();
            _request = id;
            _tracker.Requests[id] = this;
            return id;
        }
    }

    /// <summary>Ends the request, because the server answered or the caller stopped waiting.</summary>
    internal void EndRequest()
    {
        lock (_tracker.Gate)
            EndRequest_NeedsLock();
    }

    /// <summary>Adds the unit to the counts; called under the lock under which it is created.</summary>
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

    private void EndRequest_NeedsLock()
    {
        if (_request is not { } id)
            return;
        _request = null;
        _tracker.Requests.Remove(id);
        Pause_NeedsLock(false);
    }

    private void Pause_NeedsLock(bool paused)
    {
        _paused = paused;
        Settle_NeedsLock();
        _tracker.Announce_NeedsLock();
    }

    /// <summary>Updates the counts of the whole, or of the tracker, if this unit became busy or idle.</summary>
    private void Settle_NeedsLock()
    {
        bool busy = _parts > 0 ? _busyParts > 0 : !_ended && !_paused;
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

        // Change both counts before the whole settles, so that it is not idle between the end of its last part and its own continuation.
        _whole._parts--;
        if (_counted)
            _whole._busyParts--;
        if (_whole._ended && _whole._parts == 0)
            _whole.Leave_NeedsLock();
        else
            _whole.Settle_NeedsLock();
    }

    /// <summary>Restores the previous unit of the flow when disposed.</summary>
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
