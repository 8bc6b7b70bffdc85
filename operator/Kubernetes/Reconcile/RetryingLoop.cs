using Bursar.Concurrency;
using Bursar.Kubernetes.Client;

namespace Bursar.Kubernetes.Reconcile;

/// <summary>A loop at a steady pace (<see cref="PeriodicLoop"/>) that asks the API server.</summary>
public static class RetryingLoop
{
    /// <summary>Runs until cancelled. A turn that fails because of the API server is repeated at the next turn.</summary>
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
        return PeriodicLoop.RunAsync(
            client.TimeProvider,
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
