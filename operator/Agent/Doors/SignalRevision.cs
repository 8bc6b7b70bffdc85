namespace Bursar.Agent.Doors;

/// <summary>Counts what is new in the signals, for who waits for more. It begins anew with the agent: a number that differs, smaller ones too, is news.</summary>
public sealed class SignalRevision(TimeProvider time)
{
    private readonly Lock gate = new();
    private readonly Dictionary<TaskCompletionSource, Action> waiting = [];
    private long current = 1;

    public long Current => Interlocked.Read(ref current);

    public void Advance()
    {
        lock (gate)
        {
            current++;
            foreach (var (waiter, told) in waiting)
            {
                told();
                waiter.TrySetResult();
            }
            waiting.Clear();
        }
    }

    /// <summary>Returns when the revision is not <paramref name="after"/>, or after <paramref name="wait"/>.</summary>
    /// <param name="after">What is known.</param>
    /// <param name="wait">How long to wait for more.</param>
    /// <param name="told">Called by whoever brings the news, before it goes on: simulated time must not pass between that and the answer. Called once, however the wait ends.</param>
    /// <param name="cancellationToken">Ends the wait with an exception.</param>
    public async Task WaitAsync(long after, TimeSpan wait, Action told, CancellationToken cancellationToken)
    {
        var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            if (current != after)
            {
                told();
                return;
            }
            waiting.Add(waiter, told);
        }
        using var deadline = new CancellationTokenSource(wait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        await using var registration = either.Token.UnsafeRegister(_ =>
        {
            lock (gate)
            {
                if (!waiting.Remove(waiter)) return;
                told();
                waiter.TrySetResult();
            }
        }, null);
        await waiter.Task;
        cancellationToken.ThrowIfCancellationRequested();
    }
}
