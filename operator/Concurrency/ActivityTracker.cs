using System.Text;

namespace Bursar.Concurrency;

/// <summary>A clock that stands still while something is under way.</summary>
public interface IVirtualClock
{
    /// <summary>Null where nothing is counted.</summary>
    ActivityTracker? Activity { get; }
}

/// <summary>
/// Counts what is under way in this process: requests, work items not done, watch events sent by an in-process server and not yet
/// handled by the client. Virtual time may only advance while nothing is. Exact: every hand-over begins the next unit before it
/// ends its own, and a waiting task gives its unit up only after its timer stands (<see cref="ActivityUnit.DelayAsync(TimeProvider, TimeSpan, CancellationToken)"/>).
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

    internal Dictionary<Guid, ActivityUnit> Asked { get; } = [];

    /// <summary>Units that stand for themselves and are under way.</summary>
    internal long Busy { get; set; }

    /// <summary>The unit that the calling flow works for.</summary>
    internal ActivityUnit? Current
    {
        get => _current.Value;
        set => _current.Value = value;
    }

    /// <summary>Null for a clock that waits for nothing, as the system's.</summary>
    public static ActivityTracker? Of(TimeProvider time) => (time as IVirtualClock)?.Activity;

    public bool IsIdle
    {
        get
        {
            lock (Gate)
                return IsIdle_NeedsLock;
        }
    }

    private bool IsIdle_NeedsLock => _active == 0 && Busy == 0 && _unhandled == 0;

    /// <summary>One unit of work starts that is not bound to a flow, such as an item that waits for a worker.</summary>
    public void Begin(string what = Unnamed)
    {
        lock (Gate)
        {
            _active++;
            System.Runtime.InteropServices.CollectionsMarshal.GetValueRefOrAddDefault(_begun, what, out _)++;
        }
    }

    /// <summary>One unit of work ends.</summary>
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

    /// <summary>A unit that stands for itself, such as a loop or a work item. What its flow asks is a part of it.</summary>
    public ActivityUnit Start(string what, object? subject = null) => Enter(null, what, subject);

    /// <summary>
    /// A part of what the calling flow works for, such as a request; where it works for nothing known, a unit of its own.
    /// </summary>
    public ActivityUnit Join(string what, object? subject = null) => Enter(Current, what, subject);

    /// <summary>A unit that stands for itself and is taken up by another flow (<see cref="ActivityUnit.Carry"/>).</summary>
    public ActivityUnit Make(string what, object? subject = null)
    {
        ActivityUnit unit = new(this, null, null, what, subject);
        lock (Gate)
        {
            Units.Add(unit);
            unit.Enter_NeedsLock();
        }

        return unit;
    }

    /// <summary>
    /// Runs work on the pool, apart from what the calling flow works for. It is under way from now until its first wait, by when it has
    /// begun a unit of its own.
    /// </summary>
    public static Task Run(ActivityTracker? tracker, string what, Func<Task> work)
    {
        ActivityUnit? starting = tracker?.Make("starting", what);
        using AsyncFlowControl apart = ExecutionContext.SuppressFlow();
        return Task.Run(
            () =>
            {
                using (starting)
                    return work();
            },
            CancellationToken.None
        );
    }

    /// <summary>The server keeps a request waiting for a timer of its own: who asked is not under way meanwhile.</summary>
    public void HoldBack(Guid request)
    {
        lock (Gate)
            if (Asked.TryGetValue(request, out ActivityUnit? asker))
                asker.Pause();
    }

    /// <summary>The server goes on with a request that it held back.</summary>
    public void GoOn(Guid request)
    {
        lock (Gate)
            if (Asked.TryGetValue(request, out ActivityUnit? asker))
                asker.Resume();
    }

    /// <summary>The client is about to open a watch.</summary>
    public void Opened(Guid stream, string what = "a stream")
    {
        lock (Gate)
            _streams[stream] = new(what);
    }

    /// <summary>
    /// The server has written one line to a watch. Lines to a stream that the client has closed are not counted: nobody will handle them.
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

    /// <summary>The client has handled one line.</summary>
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

    /// <summary>The client has left the stream; what it did not read is void.</summary>
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
                        .Where(unit => unit.IsUnderWay_NeedsLock)
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
            // A flow may outlive what it was started for.
            if (whole is { IsOver: true })
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
