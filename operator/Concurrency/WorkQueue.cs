namespace Bursar.Concurrency;

/// <summary>Numbers of keys by state, and totals since the queue was created.</summary>
public sealed record WorkQueueStats(int Waiting, int Processing, int Delayed, long Added, long Retried);

/// <summary>Back-off of failed keys. It doubles from <see cref="First"/> to <see cref="Longest"/> and never gives up.</summary>
public sealed record BackoffOptions
{
    public TimeSpan First { get; init; } = TimeSpan.FromMilliseconds(5);

    public TimeSpan Longest { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Returns the delay after a failure that <paramref name="failures"/> others preceded.</summary>
    public TimeSpan After(int failures)
    {
        // 2^40 × 5 ms exceeds any cap, and higher powers would overflow.
        double ticks = First.Ticks * Math.Pow(2, Math.Clamp(failures, 0, 40));
        return ticks >= Longest.Ticks ? Longest : TimeSpan.FromTicks((long)ticks);
    }
}

/// <summary>
/// A queue of keys, like client-go's workqueue. A waiting key is not added twice. A key that is added while it is processed is processed
/// again after <see cref="Done"/>, never by two workers at once. Failed keys are retried after a back-off and never dropped. Safe for
/// concurrent use.
/// </summary>
public sealed class WorkQueue<TKey> : IDisposable
    where TKey : notnull
{
    private readonly TimeProvider _time;
    private readonly ActivityTracker? _tracker;
    private readonly BackoffOptions _backoff;
    private readonly Lock _lock = new();
    private readonly Queue<TKey> _ready = new();
    private readonly HashSet<TKey> _dirty;
    private readonly Dictionary<TKey, ActivityUnit?> _processing;
    private readonly string _name;
    private readonly string _waits;
    private readonly Dictionary<TKey, int> _failures;
    private readonly Dictionary<TKey, Delayed> _delayed;
    private readonly Queue<TaskCompletionSource<bool>> _takers = new();
    private bool _shutDown;
    private bool _hasWorkers = true;
    private int _waitingTakers;
    private int _wokenTakers;
    private int _comingTakers;
    private int _units;
    private long _added;
    private long _retried;

    public WorkQueue(TimeProvider time, BackoffOptions? backoff = null, IEqualityComparer<TKey>? comparer = null, string? name = null)
    {
        _time = time;
        _tracker = ActivityTracker.From(time);
        _backoff = backoff ?? new BackoffOptions();
        _dirty = new HashSet<TKey>(comparer);
        _processing = new Dictionary<TKey, ActivityUnit?>(comparer);
        _name = $"queue of {name ?? typeof(TKey).Name}:";
        _waits = $"{_name} waiting";
        _failures = new Dictionary<TKey, int>(comparer);
        _delayed = new Dictionary<TKey, Delayed>(comparer);
    }

    public WorkQueueStats Stats
    {
        get
        {
            lock (_lock)
                return new WorkQueueStats(_ready.Count, _processing.Count, _delayed.Count, _added, _retried);
        }
    }

    /// <summary>
    /// Whether workers take keys. In a replica that is not the leader, waiting keys must not stop virtual time.
    /// </summary>
    public bool HasWorkers
    {
        get
        {
            lock (_lock)
                return _hasWorkers;
        }
        set
        {
            lock (_lock)
            {
                _hasWorkers = value;
                Settle_NeedsLock();
            }
        }
    }

    /// <summary>Adds a key, to be processed as soon as a worker is free.</summary>
    public void Add(TKey key)
    {
        lock (_lock)
            Add_NeedsLock(key);
    }

    /// <summary>Adds a key after a delay. The earliest of several delays applies.</summary>
    public void AddAfter(TKey key, TimeSpan delay)
    {
        if (delay <= TimeSpan.Zero)
        {
            Add(key);
            return;
        }

        lock (_lock)
        {
            if (_shutDown)
                return;
            DateTimeOffset due = _time.GetUtcNow() + delay;
            if (_delayed.TryGetValue(key, out Delayed? former))
            {
                if (former.Due <= due)
                    return;
                former.Timer?.Dispose();
            }

            Delayed entry = new(due);
            _delayed[key] = entry;
            entry.Timer = _time.CreateTimer(_ => Fire(key, entry), null, delay, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Adds a failed key after its back-off.</summary>
    public void AddRateLimited(TKey key)
    {
        TimeSpan delay;
        lock (_lock)
        {
            _retried++;
            int failures = _failures.GetValueOrDefault(key);
            _failures[key] = failures + 1;
            delay = _backoff.After(failures);
        }

        AddAfter(key, delay);
    }

    /// <summary>Resets the back-off of a key that succeeded.</summary>
    public void Forget(TKey key)
    {
        lock (_lock)
            _failures.Remove(key);
    }

    /// <summary>Returns how often the key has failed in a row.</summary>
    public int Failures(TKey key)
    {
        lock (_lock)
            return _failures.GetValueOrDefault(key);
    }

    /// <summary>
    /// Waits for the next key and takes it. <c>Taken</c> is false if the queue was shut down and is empty. Call <see cref="Done"/> for
    /// each taken key.
    /// </summary>
    public async ValueTask<(bool Taken, TKey Key)> TakeAsync(CancellationToken cancellationToken)
    {
        bool woken = false;
        lock (_lock)
            if (_comingTakers > 0)
            {
                // This worker called Done before.
                _comingTakers--;
                _wokenTakers++;
                woken = true;
            }

        while (true)
        {
            TaskCompletionSource<bool> waiter;
            lock (_lock)
            {
                if (woken)
                    _wokenTakers--;
                if (_ready.TryDequeue(out TKey? key))
                {
                    _dirty.Remove(key);
                    _processing.Add(key, _tracker?.Create(_name, key));
                    Settle_NeedsLock();
                    return (true, key);
                }

                if (_shutDown)
                    return (false, default!);
                waiter = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
                _takers.Enqueue(waiter);
                _waitingTakers++;
                Settle_NeedsLock();
            }

            await using (cancellationToken.UnsafeRegister(static state => ((TaskCompletionSource<bool>)state!).TrySetCanceled(), waiter))
            {
                try
                {
                    await waiter.Task.ConfigureAwait(false);
                    woken = true;
                }
                catch (OperationCanceledException)
                {
                    lock (_lock)
                    {
                        _waitingTakers--;
                        Settle_NeedsLock();
                    }

                    throw new OperationCanceledException(cancellationToken);
                }
            }
        }
    }

    /// <summary>Marks a key as processed. If it was added meanwhile, it waits again.</summary>
    public void Done(TKey key)
    {
        lock (_lock)
        {
            if (!_processing.Remove(key, out ActivityUnit? unit))
                throw new InvalidOperationException("A key was done that was not taken.");
            if (_dirty.Contains(key))
            {
                _ready.Enqueue(key);
                WakeTaker_NeedsLock();
            }

            _comingTakers++;
            Settle_NeedsLock();
            unit?.Dispose();
        }
    }

    /// <summary>
    /// Processes one key after the other until cancelled (with an exception) or shut down. Several flows may run it concurrently.
    /// </summary>
    public async Task RunAsync(Func<TKey, CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        while (await TakeAsync(cancellationToken).ConfigureAwait(false) is { Taken: true, Key: var key })
        {
            try
            {
                using ActivityUnit.Carried carried = Carry(key);
                await work(key, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                Done(key);
            }
        }
    }

    /// <summary>Makes the unit of a taken key that of the calling flow until the result is disposed.</summary>
    private ActivityUnit.Carried Carry(TKey key)
    {
        lock (_lock)
            return _processing.GetValueOrDefault(key)?.Carry() ?? default;
    }

    /// <summary>Stops accepting keys. Waiting keys can still be taken, delayed ones are dropped.</summary>
    public void ShutDown()
    {
        lock (_lock)
        {
            _shutDown = true;
            foreach (Delayed entry in _delayed.Values)
                entry.Timer?.Dispose();
            _delayed.Clear();
            while (_takers.Count > 0)
                WakeTaker_NeedsLock();
            Settle_NeedsLock();
        }
    }

    public void Dispose()
    {
        ShutDown();
        lock (_lock)
        {
            // Keys that are never taken must not stop virtual time.
            _dirty.Clear();
            _ready.Clear();
            Settle_NeedsLock();
        }
    }

    private void Fire(TKey key, Delayed entry)
    {
        lock (_lock)
        {
            // An earlier delay may have replaced this one after its timer started to fire.
            if (!_delayed.TryGetValue(key, out Delayed? current) || !ReferenceEquals(current, entry))
                return;
            _delayed.Remove(key);
            Add_NeedsLock(key);
        }

        entry.Timer?.Dispose();
    }

    private void Add_NeedsLock(TKey key)
    {
        if (_shutDown || !_dirty.Add(key))
            return;
        _added++;
        if (_processing.ContainsKey(key))
            return;
        _ready.Enqueue(key);
        WakeTaker_NeedsLock();
        Settle_NeedsLock();
    }

    /// <summary>
    /// Counts the waiting keys as work in progress if a worker can take one now. If all workers are busy, the keys in progress have units
    /// of their own, and the waiting ones must not stop virtual time when all of these wait for a timer.
    /// </summary>
    private void Settle_NeedsLock()
    {
        if (_tracker is null)
            return;
        bool canTake = _processing.Count == 0 || _waitingTakers + _wokenTakers + _comingTakers > 0;
        int due = _hasWorkers && canTake ? _ready.Count : 0;
        for (; _units < due; _units++)
            _tracker.Begin(_waits);
        for (; _units > due; _units--)
            _tracker.End(_waits);
    }

    /// <summary>
    /// Wakes one waiting taker and skips cancelled ones. Takers continue on other threads, so calling this under the lock is safe.
    /// </summary>
    private void WakeTaker_NeedsLock()
    {
        while (_takers.TryDequeue(out TaskCompletionSource<bool>? taker))
            if (taker.TrySetResult(true))
            {
                _waitingTakers--;
                _wokenTakers++;
                return;
            }
    }

    private sealed class Delayed(DateTimeOffset due)
    {
        public DateTimeOffset Due { get; } = due;

        public ITimer? Timer { get; set; }
    }
}
