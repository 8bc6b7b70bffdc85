using System.Text;

namespace Bursar.Concurrency;

/// <summary>A clock that does not advance while work is in progress.</summary>
public interface IVirtualClock
{
    ActivityTracker Activity { get; }
}

/// <summary>
/// Counts the work in progress in this process: units (<see cref="ActivityUnit"/>), items that wait for a worker, and watch events that a
/// server in this process has sent and the client has not handled. Virtual time advances only while there is none. The types of this
/// namespace count for the code that uses them, so other code seldom needs a tracker. Safe for concurrent use.
/// </summary>
public sealed class ActivityTracker
{
    /// <summary>
    /// Request header with an id, by which a server that shares this tracker reports events sent to a watch and requests that it delays.
    /// </summary>
    public const string Header = "Bursar-Activity";

    private const string Unnamed = "work";
    private const int MaxNamed = 40;

    private readonly Dictionary<string, int> _begun = new(StringComparer.Ordinal);
    private readonly Dictionary<Guid, WatchedStream> _streams = [];
    private readonly AsyncLocal<ActivityUnit?> _current = new();
    private long _active;
    private long _unhandled;
    private TaskCompletionSource? _idle;

    internal Lock Gate { get; } = new();

    internal HashSet<ActivityUnit> Units { get; } = [];

    /// <summary>The units of requests in progress, by the id in their header.</summary>
    internal Dictionary<Guid, ActivityUnit> Requests { get; } = [];

    /// <summary>The number of busy units that are not a part of another one.</summary>
    internal long Busy { get; set; }

    /// <summary>The unit of the calling async flow; null if it has none.</summary>
    internal ActivityUnit? Current
    {
        get => _current.Value;
        set => _current.Value = value;
    }

    /// <summary>Returns the tracker of a virtual clock. Null for other clocks, such as the system's.</summary>
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

    /// <summary>Counts work that has no async flow yet, such as an item that waits for a worker.</summary>
    public void Begin(string name = Unnamed)
    {
        lock (Gate)
        {
            _active++;
            System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_begun, name, out _)++;
        }
    }

    /// <summary>Ends work that <see cref="Begin"/> counted under the same name.</summary>
    public void End(string name = Unnamed)
    {
        lock (Gate)
        {
            if (_begun.GetValueOrDefault(name) == 0)
                throw new InvalidOperationException($"More activity ended than began: {name}.");
            _begun[name]--;
            _active--;
            Announce_NeedsLock();
        }
    }

    /// <summary>Starts an independent unit, which becomes the unit of the calling flow.</summary>
    public ActivityUnit Start(string name, object? subject = null) => Enter(null, name, subject);

    /// <summary>
    /// Starts a part of the calling flow's unit, or an independent unit if the flow has none. It becomes the unit of the calling flow.
    /// </summary>
    public ActivityUnit Join(string name, object? subject = null) => Enter(Current, name, subject);

    /// <summary>Creates an independent unit that another flow continues (<see cref="ActivityUnit.Carry"/>).</summary>
    public ActivityUnit Create(string name, object? subject = null)
    {
        ActivityUnit unit = new(this, null, null, name, subject);
        lock (Gate)
        {
            Units.Add(unit);
            unit.Enter_NeedsLock();
        }

        return unit;
    }

    /// <summary>Pauses the unit of a request while the server waits for a timer of its own.</summary>
    public void PauseRequest(Guid request)
    {
        lock (Gate)
            if (Requests.TryGetValue(request, out ActivityUnit? unit))
                unit.Pause();
    }

    /// <summary>Resumes the unit of a request that <see cref="PauseRequest"/> paused.</summary>
    public void ResumeRequest(Guid request)
    {
        lock (Gate)
            if (Requests.TryGetValue(request, out ActivityUnit? unit))
                unit.Resume();
    }

    /// <summary>Begins to count the lines of a watch that the client is about to open.</summary>
    public void Opened(Guid stream, string name = "a stream")
    {
        lock (Gate)
            _streams[stream] = new(name);
    }

    /// <summary>
    /// Counts a line that the server has written to a watch. Ignored after <see cref="Closed"/>, because the line is not read.
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
            // A server that does not share the tracker has not counted the line.
            if (!_streams.TryGetValue(stream, out WatchedStream? watched) || watched.Unhandled == 0)
                return;
            watched.Unhandled--;
            _unhandled--;
            Announce_NeedsLock();
        }
    }

    /// <summary>Removes a stream that the client has closed, with its unread lines.</summary>
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

    /// <summary>Completes when no work is in progress, at once if there is none.</summary>
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

    /// <summary>Lists the work in progress by name, for the error about a clock that cannot advance.</summary>
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
                    _streams.Values.Where(stream => stream.Unhandled > 0).Select(stream => $"{stream.Unhandled} unhandled of {stream.Name}")
                );
            StringBuilder text = new();
            int count = 0;
            foreach (string name in named.Order(StringComparer.Ordinal))
            {
                if (count++ < MaxNamed)
                    text.Append(text.Length == 0 ? "" : "; ").Append(name);
            }

            if (count > MaxNamed)
                text.Append("; and ").Append(count - MaxNamed).Append(" more");
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

    private ActivityUnit Enter(ActivityUnit? whole, string name, object? subject)
    {
        lock (Gate)
        {
            // A flow may outlive the unit that it was started for.
            if (whole is { HasEnded: true })
                whole = null;
            ActivityUnit unit = new(this, whole, Current, name, subject);
            Units.Add(unit);
            unit.Enter_NeedsLock();
            Current = unit;
            return unit;
        }
    }

    private sealed class WatchedStream(string name)
    {
        public string Name { get; } = name;

        public long Unhandled { get; set; }
    }
}
