using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Kube.Http;
using Bursar.Operator.Control;
using Bursar.Operator.Workloads;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Budgets;

/// <summary>
/// A budget that no longer exists holds nothing: what was parked for it is given back, one at a time, so that a deleted
/// budget does not start a stampede. Nothing stands in the way of the deletion itself.
/// </summary>
public sealed partial class OrphanReleaser(ClusterStores stores, GpuLedger ledger, BudgetActor actor, ControlSwitch control, KubeClient client, ILogger<OrphanReleaser> logger)
{
    public static readonly TimeSpan Pace = TimeSpan.FromSeconds(5);

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var unit = client.ActivityTracker?.Start("orphans");
        while (true)
        {
            try
            {
                if (!control.ObserveOnly) await ReleaseOneAsync(cancellationToken);
            }
            catch (Exception error) when (error is ApiException or HttpRequestException or TimeoutException)
            {
                LogFailed(error);
            }
            await ActivityUnit.DelayAsync(unit, client.TimeProvider, Pace, cancellationToken);
        }
    }

    private async Task ReleaseOneAsync(CancellationToken cancellationToken)
    {
        foreach (var (ns, name, uid) in ledger.RememberedBudgets())
        {
            if (stores.Budgets.Store.GetByUid(uid) is not null) continue;
            if (ledger.ParkedBy(uid) is [var record, ..])
            {
                await actor.ReleaseAsync(record, cancellationToken);
                return;
            }
            if (BudgetMemoryJson.Read(ledger.BudgetMemory(uid)).Checkpoints.Count > 0) await actor.ClearRequestsAsync(ns, name, uid, cancellationToken);
            ledger.ForgetBudget(uid);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Could not give back what a deleted budget had parked; trying again")]
    private partial void LogFailed(Exception error);
}
