using Bursar.Kube.Client;
using Bursar.Kube.Queue;
using Microsoft.Extensions.Logging;

namespace Bursar.Sandbox.Controllers;

/// <summary>Takes keys from a queue one after another; what fails comes back after a back-off.</summary>
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
        while (!cancellationToken.IsCancellationRequested)
        {
            (bool Taken, TKey Key) next;
            try
            {
                next = await queue.TakeAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }

            if (!next.Taken)
                return;
            try
            {
                using var carried = queue.Carry(next.Key);
                await reconcile(next.Key, cancellationToken).ConfigureAwait(false);
                queue.Forget(next.Key);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failure) when (failure is ApiException or HttpRequestException or TimeoutException or IOException)
            {
                LogRetry(log, name, next.Key.ToString(), failure.Message);
                queue.AddRateLimited(next.Key);
            }
            catch (Exception failure)
            {
                LogFailed(log, failure, name, next.Key.ToString());
                queue.AddRateLimited(next.Key);
            }
            finally
            {
                queue.Done(next.Key);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "{Controller} failed on {Key}")]
    private static partial void LogFailed(ILogger logger, Exception failure, string controller, string? key);

    [LoggerMessage(Level = LogLevel.Debug, Message = "{Controller} tries {Key} again: {Error}")]
    private static partial void LogRetry(ILogger logger, string controller, string? key, string error);
}
