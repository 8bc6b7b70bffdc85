namespace Bursar.Operator.Safety;

/// <summary>
/// Stops forecasts from suspending a large part of a cluster at once. After max(5, 20 %) of its suspendable workloads within five minutes
/// it opens, and forecasts suspend nothing more until a user runs <c>bursar reset-breaker</c>. Suspensions by the limit are not affected.
/// The ledger stores its state, because otherwise an operator that crashes repeatedly could suspend one share after the other. Thread-safe.
/// </summary>
internal sealed class CircuitBreaker(Func<int> suspendableWork)
{
    private static readonly TimeSpan Span = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly Queue<(string Uid, DateTimeOffset At)> _suspended = new();
    private DateTimeOffset _resetAt = DateTimeOffset.MinValue;
    private DateTimeOffset? _openSince;

    /// <summary>When it opened; null while it is closed.</summary>
    public DateTimeOffset? OpenSince
    {
        get
        {
            lock (_gate)
                return _openSince;
        }
    }

    /// <summary>Restores the state that an earlier leader stored: when forecasts suspended workloads, and since when it is open.</summary>
    public void Restore(IEnumerable<(string Uid, DateTimeOffset At)> suspended, DateTimeOffset? openSince)
    {
        lock (_gate)
        {
            foreach (var one in suspended.Where(one => one.At > _resetAt).OrderBy(one => one.At))
                _suspended.Enqueue(one);
            if (openSince > _resetAt)
                _openSince = openSince;
        }
    }

    /// <summary>Returns how many more workloads forecasts may suspend now.</summary>
    public int Allowance(DateTimeOffset now)
    {
        lock (_gate)
        {
            if (_openSince is not null)
                return 0;
            while (_suspended.TryPeek(out var oldest) && now - oldest.At > Span)
                _suspended.Dequeue();
            // A workload that is suspended again and again counts once.
            var recent = _suspended.Select(one => one.Uid).Distinct(StringComparer.Ordinal).Count();
            // Include recent suspensions, because otherwise each one would reduce the base of the next.
            var most = Math.Max(5, (int)Math.Ceiling((suspendableWork() + recent) * 0.2));
            return Math.Max(0, most - recent);
        }
    }

    public void Record(string workloadUid, DateTimeOffset now)
    {
        lock (_gate)
            _suspended.Enqueue((workloadUid, now));
    }

    /// <summary>Opens it after a decision left workloads running because of it. It stays open until a reset.</summary>
    public void Open(DateTimeOffset now)
    {
        lock (_gate)
            _openSince ??= now;
    }

    /// <summary>Resets it as of a time. Returns false if a later reset is known.</summary>
    public bool Reset(DateTimeOffset at)
    {
        lock (_gate)
        {
            if (at <= _resetAt)
                return false;
            _resetAt = at;
            if (_openSince <= at)
                _openSince = null;
            while (_suspended.TryPeek(out var oldest) && oldest.At <= at)
                _suspended.Dequeue();
            return true;
        }
    }
}
