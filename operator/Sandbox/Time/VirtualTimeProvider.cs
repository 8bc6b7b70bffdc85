using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Bursar.Concurrency;

namespace Bursar.Sandbox.Time;

/// <summary>
/// A clock that goes from due timer to due timer, and only when nothing is under way any more: before each timer it
/// waits until the <see cref="ActivityTracker"/> says that requests, queues and watches are drained. Timers due at one
/// moment fire in the order of their creation. Either a test moves it (<see cref="AdvanceAsync"/>,
/// <see cref="RunUntilAsync(DateTimeOffset, CancellationToken)"/>), or <see cref="PaceAsync"/> couples it to a wall clock. A test of one
/// class, which knows what is under way, moves it by <see cref="Advance"/>, which waits for nothing.
/// </summary>
/// <remarks>
/// Work that a timer starts must be known to the tracker when the timer's callback returns. Code after an
/// <c>await Task.Delay(…, time)</c> continues inside that callback, so a request or queue item that it begins is counted. A few hops over
/// the thread pool cover continuations that were queued instead.
/// </remarks>
public sealed class VirtualTimeProvider : TimeProvider, IVirtualClock
{
    /// <summary>How many times in a row the tracker must be idle, with a hop over the thread pool in between.</summary>
    private const int QuietRounds = 3;

    /// <summary>
    /// After so many rounds only the tracker counts, because other work in this process (parallel tests) may keep the thread pool busy.
    /// </summary>
    private const int MaxBusyPoolRounds = 64;

    /// <summary>More timers than this at the same time are treated as an endless loop.</summary>
    private const int MaxFiringsAtOneMoment = 50_000;

    private static readonly Comparer<VirtualTimer> ByDue = Comparer<VirtualTimer>.Create(
        static (a, b) =>
        {
            var due = a.Due.CompareTo(b.Due);
            return due != 0 ? due : a.Order.CompareTo(b.Order);
        }
    );

    private readonly Lock _lock = new();
    private readonly SortedSet<VirtualTimer> _queue = new(ByDue);
    private readonly TimeProvider _wall;
    private readonly TimeSpan _idleTimeout;

    /// <summary>The steady clock, by which timers are due.</summary>
    private DateTimeOffset _now;

    /// <summary>How far the clock that people read is ahead of the steady one.</summary>
    private TimeSpan _skew;
    private long _created;
    private long _changes;
    private int _pumping;
    private Pace? _pace;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <param name="start">The first moment, kept in UTC; the first of 2026 where it is null.</param>
    /// <param name="wall">The clock that <see cref="PaceAsync"/> follows and the idle guard is measured by.</param>
    /// <param name="idleTimeout">Real time after which a world that does not become idle is an error (30 s).</param>
    public VirtualTimeProvider(DateTimeOffset? start = null, TimeProvider? wall = null, TimeSpan? idleTimeout = null)
    {
        _now = (start ?? new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero)).ToUniversalTime();
        _wall = wall ?? System;
        _idleTimeout = idleTimeout ?? TimeSpan.FromSeconds(30);
    }

    /// <summary>The work in progress, counted by the types of Bursar.Concurrency and the Kubernetes client.</summary>
    internal ActivityTracker Activity { get; } = new();

    ActivityTracker IVirtualClock.Activity => Activity;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>The number of waiting timers.</summary>
    public int Pending
    {
        get
        {
            lock (_lock)
                return _queue.Count;
        }
    }

    /// <summary>When the next timer is due; null if none waits.</summary>
    public DateTimeOffset? NextDue
    {
        get
        {
            lock (_lock)
                return _queue.Min?.Due + _skew;
        }
    }

    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock)
            return Now_NeedsLock() + _skew;
    }

    public override long GetTimestamp()
    {
        lock (_lock)
            return Now_NeedsLock().UtcTicks;
    }

    /// <summary>Sets the clock that people read off against the steady one, as an administrator or NTP does. No timer moves.</summary>
    public void SkewWall(TimeSpan by)
    {
        lock (_lock)
            _skew += by;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ArgumentNullException.ThrowIfNull(callback);
        var timer = new VirtualTimer(this, Interlocked.Increment(ref _created), callback, state);
        Change(timer, dueTime, period);
        return timer;
    }

    /// <summary>
    /// Lets <paramref name="by"/> pass at once: every timer due until then fires on the caller's thread, at its own time, whatever is under
    /// way. A timer that is due at once waits for this too.
    /// </summary>
    public void Advance(TimeSpan by)
    {
        DateTimeOffset until;
        lock (_lock)
            until = _now + _skew + by;
        while (TryTakeDue(until, out var timer, out _))
            timer.Fire();
    }

    /// <summary>Lets <paramref name="by"/> pass: every timer due until then fires, and the world is idle at the end.</summary>
    public Task AdvanceAsync(TimeSpan by, CancellationToken ct = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(by, TimeSpan.Zero);
        return RunUntilAsync(GetUtcNow() + by, ct);
    }

    /// <summary>Advances to a time, like <see cref="AdvanceAsync"/>. If it has passed, only waits until no work is in progress.</summary>
    public Task RunUntilAsync(DateTimeOffset until, CancellationToken ct = default) => RunAsync(until, static () => false, ct);

    /// <summary>
    /// Advances until the condition is true, but at most by <paramref name="limit"/>. The condition is evaluated before each timer, while
    /// no work is in progress. Returns whether it became true.
    /// </summary>
    public Task<bool> RunUntilAsync(Func<bool> condition, TimeSpan limit, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(condition);
        return RunAsync(GetUtcNow() + limit, condition, ct);
    }

    /// <summary>Waits until no work is in progress, without advancing the clock.</summary>
    public async Task WhenIdleAsync(CancellationToken ct = default)
    {
        using var guard = new CancellationTokenSource(_idleTimeout, _wall);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(guard.Token, ct);
        try
        {
            await SettleAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (guard.IsCancellationRequested && !ct.IsCancellationRequested)
        {
            throw new WorldNotIdleException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The world did not become idle within {_idleTimeout.TotalSeconds} s of real time at {GetUtcNow():O}; under way: {Activity}."
                )
            );
        }
    }

    /// <summary>
    /// Runs at <paramref name="speed"/> times the wall clock's speed from a start in the past, and follows the wall clock once it has
    /// caught up. If the work in progress is slower, the clock waits for it. Returns when cancelled.
    /// </summary>
    public async Task PaceAsync(double speed, CancellationToken ct)
    {
        if (!double.IsFinite(speed) || speed <= 0)
            throw new ArgumentOutOfRangeException(nameof(speed), speed, "The speed must be a positive number.");

        EnterPump();
        try
        {
            lock (_lock)
                _pace = new Pace(_now, _wall.GetUtcNow(), speed);
            while (!ct.IsCancellationRequested)
                await PaceStepAsync(ct).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // Cancellation ends the pacing normally.
        }
        finally
        {
            lock (_lock)
            {
                _now = Now_NeedsLock();
                _pace = null;
            }

            Volatile.Write(ref _pumping, 0);
        }
    }

    internal bool Change(VirtualTimer timer, TimeSpan dueTime, TimeSpan period)
    {
        ThrowIfNotATimerSpan(dueTime, nameof(dueTime));
        ThrowIfNotATimerSpan(period, nameof(period));
        lock (_lock)
        {
            if (timer.Disposed)
                return false;
            Disarm_NeedsLock(timer);
            timer.Period = period;
            if (dueTime != Timeout.InfiniteTimeSpan)
                Arm_NeedsLock(timer, Now_NeedsLock() + dueTime);
            return true;
        }
    }

    internal void Remove(VirtualTimer timer)
    {
        lock (_lock)
        {
            timer.Disposed = true;
            Disarm_NeedsLock(timer);
        }
    }

    private static void ThrowIfNotATimerSpan(TimeSpan value, string name)
    {
        if (value < TimeSpan.Zero && value != Timeout.InfiniteTimeSpan)
            throw new ArgumentOutOfRangeException(name, value, "A timer's span is not negative, or infinite.");
    }

    /// <summary>Completes after the items in the thread pool's global queue were dequeued.</summary>
    private static Task HopAsync()
    {
        var hop = new TaskCompletionSource();
        ThreadPool.UnsafeQueueUserWorkItem(static done => done.SetResult(), hop, preferLocal: false);
        return hop.Task;
    }

    private async Task<bool> RunAsync(DateTimeOffset until, Func<bool> condition, CancellationToken ct)
    {
        EnterPump();
        try
        {
            var firings = 0;
            while (true)
            {
                await WhenIdleAsync(ct).ConfigureAwait(false);
                if (condition())
                    return true;
                if (!TryTakeDue(until, out var timer, out var moved))
                    return false;
                firings = moved ? 1 : firings + 1;
                if (firings > MaxFiringsAtOneMoment)
                    throw new WorldNotIdleException($"{MaxFiringsAtOneMoment} timers fired at {GetUtcNow():O} without time passing.");
                timer.Fire();
            }
        }
        finally
        {
            Volatile.Write(ref _pumping, 0);
        }
    }

    /// <summary>
    /// Dequeues the next timer due by <paramref name="until"/> and sets the clock to it, else to <paramref name="until"/>.
    /// </summary>
    private bool TryTakeDue(DateTimeOffset until, [NotNullWhen(true)] out VirtualTimer? timer, out bool moved)
    {
        lock (_lock)
        {
            until -= _skew;
            timer = _queue.Min;
            if (timer is null || timer.Due > until)
            {
                timer = null;
                moved = until > _now;
                if (moved)
                    _now = until;
                return false;
            }

            moved = timer.Due > _now;
            if (moved)
                _now = timer.Due;
            Disarm_NeedsLock(timer);
            if (timer.Period > TimeSpan.Zero)
                Arm_NeedsLock(timer, _now + timer.Period);
            return true;
        }
    }

    private async Task PaceStepAsync(CancellationToken ct)
    {
        using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1), _wall))
        using (var either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, ct))
        {
            try
            {
                await SettleAsync(either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!ct.IsCancellationRequested)
            {
                // A request may be stuck; continue after a second, since this is a live demo.
            }
        }

        VirtualTimer? due = null;
        Task changed = Task.CompletedTask;
        var wait = Timeout.InfiniteTimeSpan;
        lock (_lock)
        {
            var now = Now_NeedsLock();
            var pace = _pace!;
            if (_queue.Min is { } next)
            {
                if (next.Due <= now)
                {
                    due = next;
                    Disarm_NeedsLock(next);
                    if (next.Period > TimeSpan.Zero)
                        Arm_NeedsLock(next, now + next.Period);
                }
                else
                {
                    wait = pace.WallUntil(next.Due, _wall.GetUtcNow());
                }
            }

            _now = now;
            if (due is null)
                changed = (_changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }

        if (due is not null)
        {
            due.Fire();
            return;
        }

        using var awake = CancellationTokenSource.CreateLinkedTokenSource(ct);
        await Task.WhenAny(Task.Delay(wait, _wall, awake.Token), changed).ConfigureAwait(false);
        await awake.CancelAsync().ConfigureAwait(false);
    }

    private async Task SettleAsync(CancellationToken ct)
    {
        var busyPool = 0;
        for (var quiet = 0; quiet < QuietRounds; )
        {
            await Activity.WhenIdleAsync(ct).ConfigureAwait(false);
            ct.ThrowIfCancellationRequested();
            var before = Interlocked.Read(ref _changes);
            await HopAsync().ConfigureAwait(false);
            var same = before == Interlocked.Read(ref _changes) && Activity.IsIdle;
            var drained = ThreadPool.PendingWorkItemCount == 0 || ++busyPool > MaxBusyPoolRounds;
            quiet = same && drained ? quiet + 1 : 0;
        }
    }

    private void EnterPump()
    {
        if (Interlocked.Exchange(ref _pumping, 1) != 0)
            throw new InvalidOperationException("Virtual time is already being moved; only one caller may do so at a time.");
    }

    /// <summary>While paced, time advances between timers, but not beyond the next one until it has fired.</summary>
    private DateTimeOffset Now_NeedsLock()
    {
        if (_pace is not { } pace)
            return _now;
        var target = pace.At(_wall.GetUtcNow());
        if (_queue.Min is { } next && next.Due < target)
            target = next.Due;
        if (target > _now)
            _now = target;
        return _now;
    }

    private void Arm_NeedsLock(VirtualTimer timer, DateTimeOffset due)
    {
        timer.Due = due < _now ? _now : due;
        timer.Armed = true;
        _queue.Add(timer);
        Interlocked.Increment(ref _changes);
        if (_pace is not null && ReferenceEquals(_queue.Min, timer))
            _changed.TrySetResult();
    }

    private void Disarm_NeedsLock(VirtualTimer timer)
    {
        if (!timer.Armed)
            return;
        _queue.Remove(timer);
        timer.Armed = false;
        Interlocked.Increment(ref _changes);
    }

    /// <summary>The linear relation of the two clocks.</summary>
    private sealed record Pace(DateTimeOffset Start, DateTimeOffset WallStart, double Speed)
    {
        public DateTimeOffset At(DateTimeOffset wall)
        {
            if (wall <= WallStart)
                return Start < wall ? Start : wall;
            var paced = Start + (wall - WallStart) * Speed;
            return paced < wall ? paced : wall;
        }

        /// <summary>Returns the wall time until the paced clock reaches <paramref name="due"/>; at least a millisecond.</summary>
        public TimeSpan WallUntil(DateTimeOffset due, DateTimeOffset wall)
        {
            var byPace = WallStart + (due - Start) / Speed;
            var at = byPace > due ? byPace : due;
            var wait = at - wall;
            if (wait < TimeSpan.FromMilliseconds(1))
                return TimeSpan.FromMilliseconds(1);
            // Task.Delay accepts at most about 49 days. Waking early is harmless.
            return wait > TimeSpan.FromDays(1) ? TimeSpan.FromDays(1) : wait;
        }
    }
}
