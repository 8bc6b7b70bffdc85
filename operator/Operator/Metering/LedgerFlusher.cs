using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Kube.Http;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Metering;

/// <summary>Writes what is due of the ledger every few seconds, and all of it when the leader steps down.</summary>
public sealed partial class LedgerFlusher(GpuLedger ledger, LedgerStore store, KubeClient client, ILogger<LedgerFlusher> logger)
{
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan StepDownTime = TimeSpan.FromSeconds(3);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var unit = client.ActivityTracker?.Start("ledger flusher");
        try
        {
            while (true)
            {
                try
                {
                    await store.FlushDueAsync(ledger, cancellationToken);
                }
                catch (Exception error) when (error is ApiException or HttpRequestException or TimeoutException)
                {
                    LogFailed(error);
                }
                await ActivityUnit.DelayAsync(unit, client.TimeProvider, Tick, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            using var last = new CancellationTokenSource(StepDownTime, client.TimeProvider);
            try
            {
                await store.FlushAllAsync(ledger, last.Token);
            }
            catch (Exception error) when (error is ApiException or HttpRequestException or TimeoutException or OperationCanceledException or LeadershipLostException)
            {
                // The next leader computes the same sums from the API and the journals.
                LogFailed(error);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The ledger could not be written; it is tried again")]
    private partial void LogFailed(Exception error);
}
