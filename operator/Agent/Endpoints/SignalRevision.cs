using Bursar.Concurrency;

namespace Bursar.Agent.Endpoints;

/// <summary>
/// Counts changes of the signals, for long polls. The count restarts with the agent, so any number that differs, also a smaller one,
/// means a change. Safe for concurrent use.
/// </summary>
public sealed class SignalRevision
{
    private readonly Lock _gate = new();
    private readonly LongPoll _waiters;
    private long _current = 1;

    public SignalRevision(TimeProvider time) => _waiters = new(_gate, time);

    public long Current => Interlocked.Read(ref _current);

    public void Advance()
    {
        lock (_gate)
        {
            _current++;
            _waiters.Wake();
        }
    }

    /// <summary>Returns when the revision is not <paramref name="after"/>, or after <paramref name="wait"/>.</summary>
    public Task WaitAsync(long after, TimeSpan wait, CancellationToken cancellationToken) =>
        _waiters.WaitAsync(() => _current != after, wait, cancellationToken);
}
