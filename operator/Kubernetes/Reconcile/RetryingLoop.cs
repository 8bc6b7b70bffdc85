using Bursar.Concurrency;
using Bursar.Kubernetes.Client;

namespace Bursar.Kubernetes.Reconcile;

/// <summary>A <see cref="PeriodicLoop"/> with a constant interval that calls the API server.</summary>
public static class RetryingLoop
{
    /// <summary>Runs passes until cancelled. An error of the API server ends only the current pass.</summary>
    /// <param name="failed">Logs why a pass failed. Called only for failures that a <see cref="FailureLog"/> selects.</param>
    /// <param name="recovered">Logs that a pass succeeded after a logged failure.</param>
    public static Task RunAsync(
        KubeClient client,
        string name,
        TimeSpan interval,
        Func<CancellationToken, Task> pass,
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
                    await pass(token).ConfigureAwait(false);
                    if (failures.Succeeded())
                        recovered?.Invoke();
                }
                catch (Exception error) when (error is ApiException or HttpRequestException or TimeoutException)
                {
                    if (failures.IsNews(error))
                        failed(error.Message);
                }
                return interval;
            },
            cancellationToken
        );
    }
}
