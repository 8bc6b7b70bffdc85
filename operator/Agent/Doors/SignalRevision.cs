namespace Bursar.Agent.Doors;

/// <summary>Counts what is new in the signals, for who waits for more. It begins anew with the agent: a number that differs, smaller ones too, is news.</summary>
public sealed class SignalRevision(TimeProvider time)
{
    private readonly Lock gate = new();
    private TaskCompletionSource changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long current = 1;

    public long Current => Interlocked.Read(ref current);

    public void Advance()
    {
        TaskCompletionSource waiting;
        lock (gate)
        {
            current++;
            waiting = changed;
            changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        waiting.TrySetResult();
    }

    /// <summary>Returns when the revision is not <paramref name="after"/>, or after <paramref name="wait"/>.</summary>
    public async Task WaitAsync(long after, TimeSpan wait, CancellationToken cancellationToken)
    {
        Task next;
        lock (gate)
        {
            if (current != after) return;
            next = changed.Task;
        }
        using var deadline = new CancellationTokenSource(wait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            await next.WaitAsync(either.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // Nothing new in that time.
        }
    }
}
