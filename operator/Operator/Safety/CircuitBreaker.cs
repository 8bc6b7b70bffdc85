namespace Bursar.Operator.Safety;

/// <summary>
/// Stops forecasts from suspending much of a cluster at once: after max(5, 20 %) of its suspendable work within five minutes
/// nothing more is suspended by forecast until someone runs <c>bursar reset-breaker</c>. The limit itself is never braked. The
/// ledger remembers it across restarts, or an operator that crashes again and again would suspend a cluster share by share.
/// </summary>
internal sealed class CircuitBreaker(Func<int> suspendableWork)
{
    private static readonly TimeSpan Span = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly Queue<DateTimeOffset> _suspended = new();
    private DateTimeOffset _lifted = DateTimeOffset.MinValue;
    private DateTimeOffset? _applied;

    /// <summary>Since when it is applied; null when it is not.</summary>
    public DateTimeOffset? AppliedAt
    {
        get
        {
            lock (_gate)
                return _applied;
        }
    }

    /// <summary>Takes up what an earlier leader's ledger says: when forecasts suspended work, and since when the brake was applied.</summary>
    public void Restore(IEnumerable<DateTimeOffset> suspended, DateTimeOffset? appliedAt)
    {
        lock (_gate)
        {
            foreach (var at in suspended.Where(at => at > _lifted).Order())
                _suspended.Enqueue(at);
            if (appliedAt > _lifted)
                _applied = appliedAt;
        }
    }

    /// <summary>How many more workloads forecasts may suspend now.</summary>
    public int Allowance(DateTimeOffset now)
    {
        lock (_gate)
        {
            if (_applied is not null)
                return 0;
            while (_suspended.TryPeek(out var oldest) && now - oldest > Span)
                _suspended.Dequeue();
            // What was just suspended counts as suspendable work too, or each suspension would shrink the base of the next.
            var most = Math.Max(5, (int)Math.Ceiling((suspendableWork() + _suspended.Count) * 0.2));
            return Math.Max(0, most - _suspended.Count);
        }
    }

    public void Record(DateTimeOffset now)
    {
        lock (_gate)
            _suspended.Enqueue(now);
    }

    /// <summary>A decision had to leave work running because of the brake: it stays applied until it is lifted.</summary>
    public void Apply(DateTimeOffset now)
    {
        lock (_gate)
            _applied ??= now;
    }

    /// <summary>True when this is a later word than the last one; it lifts what came before it.</summary>
    public bool Lift(DateTimeOffset at)
    {
        lock (_gate)
        {
            if (at <= _lifted)
                return false;
            _lifted = at;
            if (_applied <= at)
                _applied = null;
            while (_suspended.TryPeek(out var oldest) && oldest <= at)
                _suspended.Dequeue();
            return true;
        }
    }
}
