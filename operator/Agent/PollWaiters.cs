namespace Bursar.Agent;

/// <summary>Who waits for news by long poll.</summary>
/// <param name="gate">The lock under which the news come.</param>
/// <param name="time">The clock of their patience.</param>
internal sealed class PollWaiters(Lock gate, TimeProvider time)
{
    private readonly Dictionary<TaskCompletionSource, PollHold> _waiting = [];

    /// <summary>There are news; the caller holds the lock.</summary>
    public void Wake()
    {
        foreach (var (waiter, hold) in _waiting)
        {
            hold.GoOn();
            waiter.TrySetResult();
        }
        _waiting.Clear();
    }

    /// <summary>Returns at the next news, at once where there are some already, at the latest after <paramref name="wait"/>.</summary>
    /// <param name="hasNews">Asked under the lock.</param>
    /// <param name="wait">How long to wait for them.</param>
    /// <param name="hold">Who is told about it.</param>
    /// <param name="cancellationToken">Ends the wait with an exception.</param>
    public async Task WaitAsync(Func<bool> hasNews, TimeSpan wait, PollHold hold, CancellationToken cancellationToken)
    {
        var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (gate)
        {
            if (hasNews())
                return;
            _waiting.Add(waiter, hold);
        }
        using var deadline = new CancellationTokenSource(wait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        await using var registration = either.Token.UnsafeRegister(
            _ =>
            {
                lock (gate)
                {
                    if (!_waiting.Remove(waiter))
                        return;
                    hold.GoOn();
                    waiter.TrySetResult();
                }
            },
            null
        );
        // Its timer stands: simulated time may pass.
        lock (gate)
            if (_waiting.ContainsKey(waiter))
                hold.Hold();
        await waiter.Task;
        cancellationToken.ThrowIfCancellationRequested();
    }
}
