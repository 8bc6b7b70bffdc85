using Bursar.Api;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Suspends the owning CronJob of a suspended run, so that no other run starts or replaces it. With concurrencyPolicy Replace, the CronJob
/// controller would delete the waiting run. The last suspended run resumes the CronJob. The record stores the original value before
/// anything is written.
/// </summary>
internal sealed partial class CronJobSuspender(
    KubeClient client,
    ClusterStores stores,
    OperatorState state,
    FieldRestorer restorer,
    BudgetEvents events,
    ILogger<CronJobSuspender> logger
)
{
    private readonly FieldWriter _writer = new(client);

    /// <summary>
    /// Returns the record with the owning CronJob. If Bursar already suspended that for another run or budget, the original value comes
    /// from the other record.
    /// </summary>
    public async Task<SuspensionRecord> FindAsync(SuspensionRecord record, SuspensionRecord? earlier, CancellationToken cancellationToken)
    {
        if (earlier?.CronJob is { } known)
            return record with { CronJob = known };
        if (
            stores.CacheOf(record.Kind)?.Get(record.Namespace, record.Name, record.Uid)?.Metadata.ControllerReference()
            is not { IsCronJob: true } owner
        )
            return record;
        try
        {
            return record with
            {
                CronJob = state.Suspensions().FirstOrDefault(other => other.CronJob?.Object.Uid == owner.Uid)?.CronJob
                    ?? await ReadAsync(record.Namespace, owner, cancellationToken),
            };
        }
        catch (ApiException error)
        {
            LogFailed(error, record.Namespace, owner.Name, owner.Kind);
            return record;
        }
    }

    /// <summary>
    /// Suspends the CronJob of a run that is about to be suspended. Returns the record without the CronJob if another client has suspended
    /// or deleted it.
    /// </summary>
    public async Task<SuspensionRecord> SuspendAsync(ReadBudget budget, SuspensionRecord record, CancellationToken cancellationToken)
    {
        if (record.CronJob?.Object is not { } cronJob)
            return record;
        try
        {
            var outcome = await _writer.ChangeAsync(
                record.Namespace,
                cronJob,
                obj =>
                    FieldWriter.Text(obj, WorkloadKind.SuspendField) != "true"
                        ? FieldChange.Set([
                            new(WorkloadKind.SuspendField, "true"),
                            .. FieldWriter.Mirror(record.BudgetReference, "RunWaits"),
                        ])
                    // The annotation shows that an earlier attempt of Bursar suspended it.
                    : FieldWriter.Text(obj, FieldWriter.Annotation(BursarAnnotations.SuspendedBy)) != WorkloadObject.Absent
                        ? WriteOutcome.AlreadySo
                    : WriteOutcome.ChangedByOther(),
                cancellationToken
            );
            if (outcome.Result == WriteResult.Done)
                events.CronJobSuspended(budget.Object, record, cronJob);
            return outcome.Result is WriteResult.Done or WriteResult.AlreadySo ? record : record with { CronJob = null };
        }
        catch (ApiException error)
        {
            // The run costs money, so suspend it anyway. This write may have succeeded, so the record keeps the CronJob.
            LogFailed(error, record.Namespace, cronJob.Name, cronJob.Kind);
            return record;
        }
    }

    /// <summary>
    /// Resumes the CronJob, unless another record contains it. Returns false if the write failed; the record must stay until it succeeds.
    /// </summary>
    public async Task<bool> ResumeAsync(SuspensionRecord record, BudgetObject? budget, CancellationToken cancellationToken)
    {
        if (
            record.CronJob?.Object is not { } cronJob
            || state
                .Suspensions()
                .Any(other => other.CronJob?.Object.Uid == cronJob.Uid && (other.Uid != record.Uid || other.BudgetUid != record.BudgetUid))
        )
            return true;
        try
        {
            if ((await restorer.RestoreCronJobAsync(record, cancellationToken)).Result == WriteResult.Done && budget is not null)
                events.CronJobResumed(budget, record, cronJob);
            return true;
        }
        catch (ApiException error)
        {
            LogFailed(error, record.Namespace, cronJob.Name, cronJob.Kind);
            return false;
        }
    }

    /// <summary>Reads the CronJob; null if it is gone or a user has suspended it.</summary>
    private async Task<FieldOverride?> ReadAsync(string ns, V1OwnerReference owner, CancellationToken cancellationToken)
    {
        if (
            await client.GetOrNullAsync<V1CronJob>(owner.Name, ns, cancellationToken) is not { } cronJob
            || cronJob.Metadata.Uid != owner.Uid
        )
            return null;
        // A CronJob with the annotation was suspended by Bursar, even if the record is lost.
        if (cronJob.Spec.Suspend == true && !cronJob.Metadata.Annotations.ContainsKey(BursarAnnotations.SuspendedBy))
            return null;
        return new(
            new(V1CronJob.EntityKind.ApiVersion, owner.Kind, owner.Name, owner.Uid),
            WorkloadKind.SuspendField,
            cronJob.Spec.Suspend is null ? WorkloadObject.Absent : "false",
            "true"
        );
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Writing the owning CronJob failed: Namespace={Namespace} Name={Name} Kind={Kind}")]
    private partial void LogFailed(Exception error, string @namespace, string name, string kind);
}
