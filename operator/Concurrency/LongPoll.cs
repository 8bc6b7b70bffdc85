namespace Bursar.Concurrency;

/// <summary>Requests that wait for news on the server. Virtual time may pass while one waits.</summary>
/// <param name="gate">The lock under which the news come.</param>
/// <param name="time">The clock of their patience.</param>
public sealed class LongPoll(Lock gate, TimeProvider time)
{
    /// <summary>The header by which a server in the same process says of a request that it waits (<see cref="TimedRequestHandler"/>).</summary>
    public const string RequestHeader = ActivityTracker.Header;

    private static readonly AsyncLocal<Guid?> Request = new();
    private readonly Dictionary<TaskCompletionSource, Guid?> _waiting = [];

    /// <summary>Names the request that the calling flow serves from here on.</summary>
    /// <param name="header">The value of <see cref="RequestHeader"/>; null if there is none.</param>
    public static void Serve(string? header) => Request.Value = Guid.TryParse(header, out var request) ? request : null;

    /// <summary>Answers all who wait; the caller holds the lock.</summary>
    public void Wake()
    {
        foreach (var (waiter, request) in _waiting)
            Resume(waiter, request);
        _waiting.Clear();
    }

    /// <summary>Returns at the next news, at once where there are some already, at the latest after <paramref name="wait"/>.</summary>
    /// <param name="hasNews">Asked under the lock.</param>
    /// <param name="wait">How long to wait for them.</param>
    /// <param name="cancellationToken">Ends the wait with an exception.</param>
    public async Task WaitAsync(Func<bool> hasNews, TimeSpan wait, CancellationToken cancellationToken)
    {
        var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var request = Request.Value;
        lock (gate)
        {
            if (hasNews())
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
        // Not before the timer stands.
        lock (gate)
            if (_waiting.ContainsKey(waiter) && request is { } held)
                ActivityTracker.Of(time)?.HoldBack(held);
        await waiter.Task.ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }

    private void Resume(TaskCompletionSource waiter, Guid? request)
    {
        if (request is { } held)
            ActivityTracker.Of(time)?.GoOn(held);
        waiter.TrySetResult();
    }
}
