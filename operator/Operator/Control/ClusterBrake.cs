namespace Bursar.Operator.Control;

/// <summary>
/// Stops forecasts from parking much of a cluster at once: after max(5, 20 %) of its parkable work within five minutes
/// nothing more is parked by forecast until a person says <c>bursar continue</c>. The limit itself is never braked.
/// </summary>
public sealed class ClusterBrake(Func<int> parkableWork)
{
    private static readonly TimeSpan Span = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly Queue<DateTimeOffset> _parked = new();
    private DateTimeOffset _lifted = DateTimeOffset.MinValue;
    private bool _applied;

    public bool IsApplied
    {
        get { lock (_gate) return _applied; }
    }

    /// <summary>How many more workloads forecasts may park now.</summary>
    public int Allowance(DateTimeOffset now)
    {
        lock (_gate)
        {
            if (_applied) return 0;
            while (_parked.TryPeek(out var oldest) && now - oldest > Span) _parked.Dequeue();
            // What was just parked counts as parkable work too, or each parking would shrink the base of the next.
            var most = Math.Max(5, (int)Math.Ceiling((parkableWork() + _parked.Count) * 0.2));
            return Math.Max(0, most - _parked.Count);
        }
    }

    public void Parked(DateTimeOffset now)
    {
        lock (_gate) _parked.Enqueue(now);
    }

    /// <summary>A decision had to leave work running because of the brake: it stays applied until it is lifted.</summary>
    public void Apply()
    {
        lock (_gate) _applied = true;
    }

    /// <summary>True when this is a later word than the last one.</summary>
    public bool Lift(DateTimeOffset at)
    {
        lock (_gate)
        {
            if (at <= _lifted) return false;
            _lifted = at;
            _applied = false;
            _parked.Clear();
            return true;
        }
    }
}
