using Bursar.Kube.Client;
using Bursar.Kube.Http;

namespace Bursar.Kube.Reconcile;

/// <summary>
/// A loop that runs until it is cancelled: a turn, a pause, the next turn. Virtual time passes only while the loop pauses.
/// </summary>
public static class PeriodicLoop
{
    /// <param name="client">Has the clock, and counts what is under way.</param>
    /// <param name="name">Names the loop where activity is counted.</param>
    /// <param name="turn">One turn; returns how long to pause after it.</param>
    /// <param name="cancellationToken">Ends the loop.</param>
    /// <param name="first">How long to pause before the first turn.</param>
    /// <param name="time">Another clock than the client's.</param>
    public static async Task RunAsync(
        KubeClient client,
        string name,
        Func<CancellationToken, Task<TimeSpan>> turn,
        CancellationToken cancellationToken,
        TimeSpan first = default,
        TimeProvider? time = null
    )
    {
        using var unit = client.ActivityTracker?.Start(name);
        try
        {
            for (var pause = first; ; pause = await turn(cancellationToken).ConfigureAwait(false))
                await ActivityUnit.DelayAsync(unit, time ?? client.TimeProvider, pause, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Cancellation is how the loop ends.
        }
    }

    /// <summary>Runs a loop at a steady pace. A turn that fails because of the API server is repeated at the next turn.</summary>
    /// <param name="failed">Logs why a turn failed, where that is news (<see cref="FailureLog"/>).</param>
    /// <param name="recovered">Logs that a turn succeeded after a logged failure.</param>
    public static Task RunAsync(
        KubeClient client,
        string name,
        TimeSpan pace,
        Func<CancellationToken, Task> turn,
        Action<string> failed,
        CancellationToken cancellationToken,
        Action? recovered = null
    )
    {
        var failures = new FailureLog(client);
        return RunAsync(
            client,
            name,
            async token =>
            {
                try
                {
                    await turn(token).ConfigureAwait(false);
                    if (failures.Succeeded())
                        recovered?.Invoke();
                }
                catch (Exception error) when (error is ApiException or HttpRequestException or TimeoutException)
                {
                    if (failures.IsNews(error))
                        failed(error.Message);
                }
                return pace;
            },
            cancellationToken
        );
    }
}
