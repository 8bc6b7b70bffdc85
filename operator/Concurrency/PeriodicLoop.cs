namespace Bursar.Concurrency;

/// <summary>A loop of passes and pauses. Virtual time advances only while it pauses.</summary>
public static class PeriodicLoop
{
    /// <summary>Runs passes until cancelled; then returns without an exception. A pass that throws ends the loop.</summary>
    /// <param name="time">The clock of the pauses.</param>
    /// <param name="name">Names the loop in the list of work in progress.</param>
    /// <param name="pass">One pass; returns the pause after it.</param>
    /// <param name="cancellationToken">Ends the loop.</param>
    /// <param name="first">The pause before the first pass.</param>
    public static async Task RunAsync(
        TimeProvider time,
        string name,
        Func<CancellationToken, Task<TimeSpan>> pass,
        CancellationToken cancellationToken,
        TimeSpan first = default
    )
    {
        using var unit = ActivityTracker.From(time)?.Join(name);
        try
        {
            for (var pause = first; ; pause = await pass(cancellationToken).ConfigureAwait(false))
            {
                cancellationToken.ThrowIfCancellationRequested();
                await PauseAsync(time, pause, cancellationToken).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Cancellation ends the loop normally.
        }
    }

    /// <summary>Pauses the calling flow as a loop does. Returns at once for a pause of zero or less.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled before the pause ended.</exception>
    public static Task PauseAsync(TimeProvider time, TimeSpan pause, CancellationToken cancellationToken) =>
        pause <= TimeSpan.Zero ? Task.CompletedTask
        : ActivityTracker.From(time) is null ? Task.Delay(pause, time, cancellationToken)
        : new AsyncAutoResetEvent(time, "a pause").WaitAsync(pause, cancellationToken);
}
