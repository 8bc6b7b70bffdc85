using Bursar.Concurrency;

namespace Bursar.Agent.Endpoints;

/// <summary>
/// Counts what is new in the signals, for who waits for more. It begins anew with the agent: a number that differs, smaller ones too, is
/// news.
/// </summary>
public sealed class SignalRevision
{
    private readonly Lock _gate = new();
    private readonly LongPoll _waiters;
    private long _current = 1;

    /// <param name="time">The clock of who waits.</param>
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
