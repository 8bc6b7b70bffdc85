namespace Bursar.Agent.Doors;

/// <summary>Counts what is new in the signals, for who waits for more. It begins anew with the agent: a number that differs, smaller ones too, is news.</summary>
public sealed class SignalRevision
{
    private readonly Lock gate = new();
    private readonly PollWaiters waiters;
    private long current = 1;

    /// <param name="time">The clock of who waits.</param>
    public SignalRevision(TimeProvider time) => waiters = new(gate, time);

    public long Current => Interlocked.Read(ref current);

    public void Advance()
    {
        lock (gate)
        {
            current++;
            waiters.Wake();
        }
    }

    /// <summary>Returns when the revision is not <paramref name="after"/>, or after <paramref name="wait"/>.</summary>
    public Task WaitAsync(long after, TimeSpan wait, PollHold hold, CancellationToken cancellationToken) =>
        waiters.WaitAsync(() => current != after, wait, hold, cancellationToken);
}
