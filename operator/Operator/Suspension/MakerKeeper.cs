using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kube.Client;
using Bursar.Operator.Cluster;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Keeps the CronJobs of parked runs suspended, and gives each back with the last of its runs. What is held stands in the run's own record,
/// before anything is written.
/// </summary>
public sealed partial class MakerKeeper(
    ClusterStores stores,
    OperatorState state,
    MakerActor actor,
    BudgetEvents events,
    ILogger<MakerKeeper> logger
)
{
    /// <summary>
    /// The record with what makes such runs, and what stood in it. Where another run of it is parked already, or this one by another
    /// budget, its switch is Bursar's doing: what that record says comes back.
    /// </summary>
    public async Task<SuspensionRecord> FindAsync(SuspensionRecord record, SuspensionRecord? earlier, CancellationToken cancellationToken)
    {
        if (earlier?.CronJob is { } known)
            return record with { CronJob = known };
        if (
            stores.Of(record.Kind)?.Get(record.Namespace, record.Name, record.Uid) is not { } work
            || work.Metadata.ControllerReference() is not { IsCronJob: true } owner
        )
            return record;
        try
        {
            return record with
            {
                CronJob = state.Parked().FirstOrDefault(other => other.CronJob?.Object.Uid == owner.Uid)?.CronJob
                    ?? await actor.FindAsync(work.Metadata, cancellationToken),
            };
        }
        catch (ApiException error)
        {
            LogFailed(error, record.Namespace, owner.Name, owner.Kind);
            return record;
        }
    }

    /// <summary>Suspends the maker of a run that is about to be parked; the record as it holds from now on.</summary>
    public async Task<SuspensionRecord> HoldAsync(ReadBudget budget, SuspensionRecord record, CancellationToken cancellationToken)
    {
        if (record.CronJob?.Object is not { } maker)
            return record;
        try
        {
            switch (await actor.HoldAsync(record, cancellationToken))
            {
                case WriteResult.Done:
                    events.MakerHeld(budget.Object, record, maker);
                    return record;
                case WriteResult.AlreadySo:
                    return record;
                default:
                    // Gone, or suspended by somebody else since it was read: then it is not Bursar's to give back.
                    return record with { CronJob = null };
            }
        }
        catch (ApiException error)
        {
            // The run is what costs: it is parked all the same. Whether this write came through is not known, so the record keeps it.
            LogFailed(error, record.Namespace, maker.Name, maker.Kind);
            return record;
        }
    }

    /// <summary>
    /// Gives the maker back, unless another record holds it too. False where it could not be written: the record is to stay until it is.
    /// </summary>
    public async Task<bool> FreeAsync(SuspensionRecord record, V1Alpha1GpuBudget? budget, CancellationToken cancellationToken)
    {
        if (
            record.CronJob?.Object is not { } maker
            || state
                .Parked()
                .Any(other => other.CronJob?.Object.Uid == maker.Uid && (other.Uid != record.Uid || other.BudgetUid != record.BudgetUid))
        )
            return true;
        try
        {
            if (await actor.FreeAsync(record, cancellationToken) == WriteResult.Done && budget is not null)
                events.MakerFreed(budget, record, maker);
            return true;
        }
        catch (ApiException error)
        {
            LogFailed(error, record.Namespace, maker.Name, maker.Kind);
            return false;
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "What makes the runs could not be written: namespace={namespace} name={name} kind={kind}"
    )]
    private partial void LogFailed(Exception error, string @namespace, string name, string kind);
}
