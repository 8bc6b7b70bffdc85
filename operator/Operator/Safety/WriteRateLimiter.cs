namespace Bursar.Operator.Safety;

/// <summary>
/// Keeps the operator's bookkeeping writes (status) at eight a second whatever the number of budgets; with the lease and the
/// ledger that is less than ten. What stops or gives
/// back work does not wait here. Who is turned away is given a turn of its own: a thousand that all came back for the
/// same free write would only decide again and again.
/// </summary>
internal sealed class WriteRateLimiter(TimeProvider time, int perSecond = 8)
{
    /// <summary>A turn that nobody came for falls back.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, DateTimeOffset> _turns = new(StringComparer.Ordinal);
    private double _tokens = perSecond * 2;
    private DateTimeOffset _filledAt = time.GetUtcNow();
    private DateTimeOffset _lastWrite = DateTimeOffset.MinValue;

    /// <summary>Takes a write when it is this one's turn; else says how long until it is.</summary>
    public bool TryTake(string key, out TimeSpan wait)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            _tokens = Math.Min(perSecond * 2, _tokens + Math.Max(0, (now - _filledAt).TotalSeconds) * perSecond);
            _filledAt = now;
            wait = TimeSpan.Zero;
            if (_turns.TryGetValue(key, out var turn))
            {
                wait = turn - now;
                if (wait > TimeSpan.Zero)
                    return false;
                wait = TimeSpan.Zero;
                _turns.Remove(key);
                _tokens = Math.Max(0, _tokens - 1);
                return true;
            }
            if (_turns.Count > 0 && now - _lastWrite > Patience)
                _turns.Clear();
            if (_turns.Count == 0 && _tokens >= 1)
            {
                _tokens -= 1;
                return true;
            }
            _lastWrite = (_lastWrite > now ? _lastWrite : now) + TimeSpan.FromSeconds(1.0 / perSecond);
            _turns[key] = _lastWrite;
            wait = _lastWrite - now;
            return false;
        }
    }
}
