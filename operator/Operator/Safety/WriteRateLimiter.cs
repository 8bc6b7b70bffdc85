namespace Bursar.Operator.Safety;

/// <summary>
/// Limits status writes to eight per second, whatever the number of budgets. With the lease and the ledger the total stays below ten.
/// Suspensions and resumes are not limited. A caller that must wait gets a reserved time, so that many callers do not compete for the same
/// free write and decide in vain. Thread-safe.
/// </summary>
internal sealed class WriteRateLimiter(TimeProvider time, int perSecond = 8)
{
    /// <summary>A reserved time that is not used expires after this.</summary>
    private static readonly TimeSpan ReservationLife = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, DateTimeOffset> _reserved = new(StringComparer.Ordinal);
    private double _tokens = perSecond * 2;
    private DateTimeOffset _filledAt = time.GetUtcNow();
    private DateTimeOffset _lastWrite = DateTimeOffset.MinValue;

    /// <summary>Takes a write if allowed now; otherwise reserves one and returns the wait.</summary>
    public bool TryTake(string key, out TimeSpan wait)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            _tokens = Math.Min(perSecond * 2, _tokens + Math.Max(0, (now - _filledAt).TotalSeconds) * perSecond);
            _filledAt = now;
            wait = TimeSpan.Zero;
            if (_reserved.TryGetValue(key, out var reserved))
            {
                wait = reserved - now;
                if (wait > TimeSpan.Zero)
                    return false;
                wait = TimeSpan.Zero;
                _reserved.Remove(key);
                _tokens = Math.Max(0, _tokens - 1);
                return true;
            }
            if (_reserved.Count > 0 && now - _lastWrite > ReservationLife)
                _reserved.Clear();
            if (_reserved.Count == 0 && _tokens >= 1)
            {
                _tokens -= 1;
                return true;
            }
            _lastWrite = (_lastWrite > now ? _lastWrite : now) + TimeSpan.FromSeconds(1.0 / perSecond);
            _reserved[key] = _lastWrite;
            wait = _lastWrite - now;
            return false;
        }
    }
}
