using System.Text;

namespace Bursar.Concurrency;

/// <summary>A clock that stands still while something is under way.</summary>
public interface IVirtualClock
{
    ActivityTracker Activity { get; }
}

/// <summary>
/// Counts the work under way in this process: units (<see cref="ActivityUnit"/>), items that wait for a worker, and watch events that a
/// server in this process has sent and the client has not yet handled. Virtual time may only advance while nothing is under way. The types
/// of this namespace do the counting for the code that uses them, so other code seldom sees a tracker.
/// </summary>
public sealed class ActivityTracker
{
    /// <summary>
    /// Header of a request, so that a server that shares this tracker can report what it sends to a watch, and what it keeps waiting.
    /// </summary>
    public const string Header = "Bursar-Activity";

    private const string Unnamed = "work";
    private const int MostNamed = 40;

    private readonly Dictionary<string, int> _begun = new(StringComparer.Ordinal);
    private readonly Dictionary<Guid, WatchedStream> _streams = [];
    private readonly AsyncLocal<ActivityUnit?> _current = new();
    private long _active;
    private long _unhandled;
    private TaskCompletionSource? _idle;

    internal Lock Gate { get; } = new();

    internal HashSet<ActivityUnit> Units { get; } = [];

    /// <summary>The units of requests under way, by the id that the server knows.</summary>
    internal Dictionary<Guid, ActivityUnit> Requests { get; } = [];

    /// <summary>Number of busy units that are no part of another one.</summary>
    internal long Busy { get; set; }

    /// <summary>The unit that the calling flow works for; null where it works for none.</summary>
    internal ActivityUnit? Current
    {
        get => _current.Value;
        set => _current.Value = value;
    }

    /// <summary>Null for a clock that waits for nothing, as the system's.</summary>
    public static ActivityTracker? From(TimeProvider time) => (time as IVirtualClock)?.Activity;

    public bool IsIdle
    {
        get
        {
            lock (Gate)
                return IsIdle_NeedsLock;
        }
    }

    private bool IsIdle_NeedsLock => _active == 0 && Busy == 0 && _unhandled == 0;

    /// <summary>Counts work that no flow does yet, such as an item that waits for a worker.</summary>
    public void Begin(string what = Unnamed)
    {
        lock (Gate)
        {
            _active++;
            System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_begun, what, out _)++;
        }
    }

    /// <summary>Ends what <see cref="Begin"/> began under the same name.</summary>
    public void End(string what = Unnamed)
    {
        lock (Gate)
        {
            if (_begun.GetValueOrDefault(what) == 0)
                throw new InvalidOperationException($"More activity ended than began: {what}.");
            _begun[what]--;
            _active--;
            Announce_NeedsLock();
        }
    }

    /// <summary>Starts a unit by itself, for which the calling flow works from here on.</summary>
    public ActivityUnit Start(string what, object? subject = null) => Enter(null, what, subject);

    /// <summary>
    /// Starts a part of the unit that the calling flow works for; a unit by itself where it works for none. The flow works for the part from
    /// here on.
    /// </summary>
    public ActivityUnit Join(string what, object? subject = null) => Enter(Current, what, subject);

    /// <summary>Creates a unit by itself, for which another flow will work (<see cref="ActivityUnit.Carry"/>).</summary>
    public ActivityUnit Create(string what, object? subject = null)
    {
        ActivityUnit unit = new(this, null, null, what, subject);
        lock (Gate)
        {
            Units.Add(unit);
            unit.Enter_NeedsLock();
        }

        return unit;
    }

    /// <summary>Pauses the unit of a request that the server keeps waiting for a timer of its own.</summary>
    public void PauseRequest(Guid request)
    {
        lock (Gate)
            if (Requests.TryGetValue(request, out ActivityUnit? asker))
                asker.Pause();
    }

    /// <summary>Resumes the unit of a request that the server held back.</summary>
    public void ResumeRequest(Guid request)
    {
        lock (Gate)
            if (Requests.TryGetValue(request, out ActivityUnit? asker))
                asker.Resume();
    }

    /// <summary>Begins to count the lines of a watch that the client is about to open.</summary>
    public void Opened(Guid stream, string what = "a stream")
    {
        lock (Gate)
            _streams[stream] = new(what);
    }

    /// <summary>
    /// Counts a line that the server has written to a watch. Lines to a stream that the client has closed do not count, for nothing will
    /// handle them.
    /// </summary>
    public void Sent(Guid stream)
    {
        lock (Gate)
        {
            if (!_streams.TryGetValue(stream, out WatchedStream? watched))
                return;
            watched.Unhandled++;
            _unhandled++;
        }
    }

    /// <summary>Ends the count of a line that the client has handled.</summary>
    public void Handled(Guid stream)
    {
        lock (Gate)
        {
            // A server without the tracker reports nothing; then there is nothing to settle.
            if (!_streams.TryGetValue(stream, out WatchedStream? watched) || watched.Unhandled == 0)
                return;
            watched.Unhandled--;
            _unhandled--;
            Announce_NeedsLock();
        }
    }

    /// <summary>Ends the counts of a stream that the client has closed, read or not.</summary>
    public void Closed(Guid stream)
    {
        lock (Gate)
        {
            if (!_streams.Remove(stream, out WatchedStream? watched))
                return;
            _unhandled -= watched.Unhandled;
            Announce_NeedsLock();
        }
    }

    /// <summary>Completes at the next moment at which nothing is under way.</summary>
    public Task WhenIdleAsync(CancellationToken cancellationToken)
    {
        lock (Gate)
        {
            if (IsIdle_NeedsLock)
                return Task.CompletedTask;
            _idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _idle.Task.WaitAsync(cancellationToken);
        }
    }

    /// <summary>What is under way, by name, for the message about a world that does not come to rest.</summary>
    public override string ToString()
    {
        lock (Gate)
        {
            if (IsIdle_NeedsLock)
                return "nothing";
            IEnumerable<string> named = _begun
                .Where(begun => begun.Value > 0)
                .Select(begun => $"{begun.Value} × {begun.Key}")
                .Concat(
                    Units
                        .Where(unit => unit.IsBusyByItself_NeedsLock)
                        .Select(unit => unit.ToString())
                        .GroupBy(name => name)
                        .Select(same => same.Count() == 1 ? same.Key : $"{same.Count()} × {same.Key}")
                )
                .Concat(
                    _streams.Values.Where(stream => stream.Unhandled > 0).Select(stream => $"{stream.Unhandled} unhandled of {stream.What}")
                );
            StringBuilder text = new();
            int count = 0;
            foreach (string name in named.Order(StringComparer.Ordinal))
            {
                if (count++ < MostNamed)
                    text.Append(text.Length == 0 ? "" : "; ").Append(name);
            }

            if (count > MostNamed)
                text.Append("; and ").Append(count - MostNamed).Append(" more");
            return text.ToString();
        }
    }

    internal void Announce_NeedsLock()
    {
        if (_idle is null || !IsIdle_NeedsLock)
            return;
        _idle.TrySetResult();
        _idle = null;
    }

    private ActivityUnit Enter(ActivityUnit? whole, string what, object? subject)
    {
        lock (Gate)
        {
            // A flow may outlive the unit that it was started for.
            if (whole is { HasEnded: true })
                whole = null;
            ActivityUnit unit = new(this, whole, Current, what, subject);
            Units.Add(unit);
            unit.Enter_NeedsLock();
            Current = unit;
            return unit;
        }
    }

    private sealed class WatchedStream(string what)
    {
        public string What { get; } = what;

        public long Unhandled { get; set; }
    }
}
