using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Microsoft.Extensions.Logging;

namespace Bursar.Sandbox.Controllers;

/// <summary>Processes the keys of a queue one after the other. Failed keys are retried after a back-off.</summary>
internal sealed partial class QueueWorker<TKey>(
    string name,
    WorkQueue<TKey> queue,
    Func<TKey, CancellationToken, Task> reconcile,
    ILogger log
)
    where TKey : notnull
{
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await queue.RunAsync(WorkAsync, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Cancellation ends the worker normally.
        }
    }

    private async Task WorkAsync(TKey key, CancellationToken cancellationToken)
    {
        try
        {
            await reconcile(key, cancellationToken).ConfigureAwait(false);
            queue.Forget(key);
        }
        catch (Exception failure) when (failure is ApiException or HttpRequestException or TimeoutException or IOException)
        {
            LogRetry(log, name, key.ToString(), failure.Message);
            queue.AddRateLimited(key);
        }
        catch (Exception failure) when (failure is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            LogFailed(log, failure, name, key.ToString());
            queue.AddRateLimited(key);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Reconciling {Key} failed in {Controller}")]
    private static partial void LogFailed(ILogger logger, Exception failure, string controller, string? key);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Retrying {Key} in {Controller}: {Error}")]
    private static partial void LogRetry(ILogger logger, string controller, string? key, string error);
}
