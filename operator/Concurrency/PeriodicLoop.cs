namespace Bursar.Concurrency;

/// <summary>A loop that runs until it is cancelled: a turn, a pause, the next turn. Virtual time passes only while the loop pauses.</summary>
public static class PeriodicLoop
{
    /// <param name="time">The clock of the pauses.</param>
    /// <param name="name">Names the loop in the message about a world that does not come to rest.</param>
    /// <param name="turn">One turn; returns how long to pause after it.</param>
    /// <param name="cancellationToken">Ends the loop, without an exception.</param>
    /// <param name="first">How long to pause before the first turn.</param>
    public static async Task RunAsync(
        TimeProvider time,
        string name,
        Func<CancellationToken, Task<TimeSpan>> turn,
        CancellationToken cancellationToken,
        TimeSpan first = default
    )
    {
        using var unit = ActivityTracker.Of(time)?.Join(name);
        try
        {
            for (var pause = first; ; pause = await turn(cancellationToken).ConfigureAwait(false))
            {
                cancellationToken.ThrowIfCancellationRequested();
                await PauseAsync(time, pause, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Cancellation is how the loop ends.
        }
    }

    /// <summary>Pauses the calling flow as a loop does. Returns at once for a pause of zero or less.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled before the pause ended.</exception>
    public static Task PauseAsync(TimeProvider time, TimeSpan pause, CancellationToken cancellationToken) =>
        pause <= TimeSpan.Zero ? Task.CompletedTask
        : ActivityTracker.Of(time) is null ? Task.Delay(pause, time, cancellationToken)
        : new AsyncAutoResetEvent(time, "a pause").WaitAsync(pause, cancellationToken);
}
