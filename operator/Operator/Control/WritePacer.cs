namespace Bursar.Operator.Control;

/// <summary>
/// Keeps the operator's bookkeeping writes (status) at ten a second whatever the number of budgets. What stops or gives
/// back work does not wait here.
/// </summary>
public sealed class WritePacer(TimeProvider time, int perSecond = 10)
{
    private readonly Lock _gate = new();
    private double _tokens = perSecond * 2;
    private DateTimeOffset _filledAt = time.GetUtcNow();

    /// <summary>Takes a write when one is free; else says how long until one is.</summary>
    public bool TryTake(out TimeSpan wait)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            _tokens = Math.Min(perSecond * 2, _tokens + Math.Max(0, (now - _filledAt).TotalSeconds) * perSecond);
            _filledAt = now;
            wait = _tokens >= 1 ? TimeSpan.Zero : TimeSpan.FromSeconds((1 - _tokens) / perSecond);
            if (_tokens < 1) return false;
            _tokens -= 1;
            return true;
        }
    }
}
