namespace Bursar.Concurrency;

/// <summary>Long-poll requests that wait on the server. Virtual time may advance while they wait.</summary>
/// <param name="gate">The lock that guards the state which the requests wait for.</param>
/// <param name="time">The clock of time limits.</param>
public sealed class LongPoll(Lock gate, TimeProvider time)
{
    /// <summary>The header by which a server in the same process pauses the client's unit (<see cref="TimedRequestHandler"/>).</summary>
    public const string RequestHeader = ActivityTracker.Header;

    private static readonly AsyncLocal<Guid?> Request = new();
    private readonly Dictionary<TaskCompletionSource, Guid?> _waiting = [];

    /// <summary>Sets the request that the calling flow serves.</summary>
    /// <param name="header">The value of <see cref="RequestHeader"/>; null if there is none.</param>
    public static void Serve(string? header) => Request.Value = Guid.TryParse(header, out var request) ? request : null;

    /// <summary>Wakes all waiting requests. The caller must have acquired the lock.</summary>
    public void Wake()
    {
        foreach (var (waiter, request) in _waiting)
            Resume(waiter, request);
        _waiting.Clear();
    }

    /// <summary>Returns at the next <see cref="Wake"/>, after <paramref name="wait"/>, or at once if the state has changed.</summary>
    /// <param name="hasChanged">Called under the lock; true if the request need not wait.</param>
    /// <param name="wait">The longest wait.</param>
    /// <param name="cancellationToken">Ends the wait with an exception.</param>
    public async Task WaitAsync(Func<bool> hasChanged, TimeSpan wait, CancellationToken cancellationToken)
    {
        var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var request = Request.Value;
        lock (gate)
        {
            if (hasChanged())
                return;
            _waiting.Add(waiter, request);
        }
        using var deadline = new CancellationTokenSource(wait, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        await using var registration = either.Token.UnsafeRegister(
            _ =>
            {
                lock (gate)
                    if (_waiting.Remove(waiter))
                        Resume(waiter, request);
            },
            null
        );
        // Pause only after the timer is set, or the clock could pass it.
        lock (gate)
            if (_waiting.ContainsKey(waiter) && request is { } id)
                ActivityTracker.From(time)?.PauseRequest(id);
        await waiter.Task.ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }

    private void Resume(TaskCompletionSource waiter, Guid? request)
    {
        if (request is { } id)
            ActivityTracker.From(time)?.ResumeRequest(id);
        waiter.TrySetResult();
    }
}
