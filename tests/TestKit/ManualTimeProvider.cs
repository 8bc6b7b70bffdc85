using Bursar.Concurrency;

namespace Bursar.Tests.TestKit;

/// <summary>A clock that stands still until it is advanced; timers fire in the order of their due times, each at its own time.</summary>
/// <param name="start">The first moment; null for the first of 2026.</param>
/// <param name="counts">Counts what is under way, without waiting for it.</param>
public sealed class ManualTimeProvider(DateTimeOffset? start = null, bool counts = false) : TimeProvider, IVirtualClock
{
    private readonly Lock _lock = new();
    private readonly List<ManualTimer> _timers = [];
    private readonly DateTimeOffset _start = start ?? new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private TimeSpan _elapsed;
    private TimeSpan _wallOffset;
    private long _sequence;

    ActivityTracker? IVirtualClock.Activity { get; } = counts ? new() : null;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    /// <summary>Timers that are set.</summary>
    public int PendingTimers
    {
        get
        {
            lock (_lock)
                return _timers.Count;
        }
    }

    /// <summary>When the next timer is due, or null.</summary>
    public DateTimeOffset? NextDue
    {
        get
        {
            lock (_lock)
                return _timers.Count == 0 ? null : _start + _wallOffset + _timers.Min(timer => timer.Due);
        }
    }

    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock)
            return _start + _wallOffset + _elapsed;
    }

    public override long GetTimestamp()
    {
        lock (_lock)
            return _elapsed.Ticks;
    }

    /// <summary>Sets the wall clock off against the monotonic one, as an administrator or NTP would.</summary>
    public void SkewWall(TimeSpan by)
    {
        lock (_lock)
            _wallOffset += by;
    }

    /// <summary>Moves time on, firing what is due on the way. Callbacks run on the caller's thread.</summary>
    public void Advance(TimeSpan by)
    {
        TimeSpan target;
        lock (_lock)
            target = _elapsed + by;
        while (true)
        {
            ManualTimer? due;
            lock (_lock)
            {
                due = _timers.Where(timer => timer.Due <= target).OrderBy(timer => timer.Due).ThenBy(timer => timer.Order).FirstOrDefault();
                if (due is null)
                {
                    if (target > _elapsed)
                        _elapsed = target;
                    return;
                }

                if (due.Due > _elapsed)
                    _elapsed = due.Due;
                _timers.Remove(due);
                if (due.Period > TimeSpan.Zero)
                {
                    due.Due = _elapsed + due.Period;
                    due.Order = _sequence++;
                    _timers.Add(due);
                }
            }

            due.Fire();
        }
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        ManualTimer timer = new(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class ManualTimer(ManualTimeProvider clock, TimerCallback callback, object? state) : ITimer
    {
        private bool _disposed;

        public TimeSpan Due { get; set; }

        public TimeSpan Period { get; set; }

        public long Order { get; set; }

        public void Fire() => callback(state);

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            bool now;
            lock (clock._lock)
            {
                if (_disposed)
                    return false;
                clock._timers.Remove(this);
                if (dueTime == Timeout.InfiniteTimeSpan)
                    return true;
                now = dueTime <= TimeSpan.Zero && period <= TimeSpan.Zero;
                if (!now)
                {
                    Due = clock._elapsed + dueTime;
                    Period = period;
                    Order = clock._sequence++;
                    clock._timers.Add(this);
                }
            }

            // As the system's: what is due at once runs elsewhere, never within the call that sets it.
            if (now)
                ThreadPool.QueueUserWorkItem(_ => callback(state));
            return true;
        }

        public void Dispose()
        {
            lock (clock._lock)
            {
                _disposed = true;
                clock._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
