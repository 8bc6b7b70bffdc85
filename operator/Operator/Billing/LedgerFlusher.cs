using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Reconcile;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Billing;

/// <summary>Writes due parts of the ledger every few seconds, and all of it when the leader steps down.</summary>
internal sealed partial class LedgerFlusher(LedgerStore store, KubeClient client, ILogger<LedgerFlusher> logger)
{
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan StepDownTime = TimeSpan.FromSeconds(3);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await RetryingLoop.RunAsync(client, "ledger flusher", Tick, store.FlushDueAsync, LogFailed, cancellationToken, LogWritten);
        using var last = new CancellationTokenSource(StepDownTime, client.TimeProvider);
        try
        {
            await store.FlushAllAsync(last.Token);
        }
        catch (Exception error)
            when (error is ApiException or HttpRequestException or TimeoutException or OperationCanceledException or LeadershipLostException
            )
        {
            // The next leader computes the same amounts from the API and the agents' journals.
            LogFailed(error.Message);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not write the ledger, retrying: {Reason}")]
    private partial void LogFailed(string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Wrote the ledger again")]
    private partial void LogWritten();
}
