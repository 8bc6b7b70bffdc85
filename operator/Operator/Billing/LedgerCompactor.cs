using Bursar.Api;
using Bursar.Concurrency;
using Bursar.Core.Budgets;
using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Reconcile;
using Bursar.Operator.Cluster;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Billing;

/// <summary>
/// Replaces days before all budgets' windows by daily sums and deletes old sums. Runs hourly, because both have a granularity of a day.
/// </summary>
internal sealed partial class LedgerCompactor(
    ClusterStores stores,
    GpuLedger ledger,
    KubeClient client,
    int detailDays,
    int sumDays,
    ILogger<LedgerCompactor> logger
)
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    /// <remarks>Does not run at the start, because pods that ended while no replica led are still being recorded.</remarks>
    public Task RunAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(
            client.TimeProvider,
            "ledger compactor",
            _ =>
            {
                var now = client.TimeProvider.GetUtcNow();
                if (Horizon(stores.Coverage.All, detailDays, now) is { } horizon && ledger.Compact(horizon, now))
                    LogCompacted(ledger.DetailSince!.Value);
                if (ledger.ForgetSums(now.AddDays(-sumDays)))
                    LogForgotten(ledger.SumsSince!.Value);
                return Task.FromResult(Interval);
            },
            cancellationToken,
            Interval
        );

    /// <summary>Returns the time before which no budget's window reaches; null while a budget's spec is invalid.</summary>
    public static DateTimeOffset? Horizon(IEnumerable<BudgetObject> budgets, int detailDays, DateTimeOffset now)
    {
        var horizon = now.AddDays(-detailDays);
        foreach (var budget in budgets)
        {
            if (GpuBudgetReader.Read(budget, out var terms, out _, out _).Count > 0 || terms is null)
                return null;
            var start = Window.At(terms.Window, now).Start;
            if (start < horizon)
                horizon = start;
        }
        return horizon;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Compacted the days before: Day={Day:yyyy-MM-dd}")]
    private partial void LogCompacted(DateTimeOffset day);

    [LoggerMessage(Level = LogLevel.Information, Message = "Deleted the days before: Day={Day:yyyy-MM-dd}")]
    private partial void LogForgotten(DateTimeOffset day);
}
