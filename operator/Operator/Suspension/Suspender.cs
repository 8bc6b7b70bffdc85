using System.Collections.Concurrent;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Suspends and resumes a workload together with its owning CronJob, has the caches' view of it awaited, and keeps its record in line with
/// what came of the write. The caller stores the record before the suspension. It goes only after the workload and its CronJob are resumed.
/// </summary>
internal sealed partial class Suspender(
    LedgerStore store,
    WorkloadActor workloads,
    FieldRestorer restorer,
    CronJobSuspender cronJobs,
    Expectations echoes,
    ILogger<Suspender> logger
)
{
    private readonly ConcurrentDictionary<(string Budget, string Workload), bool> _unknown = new();

    /// <summary>Records, in memory alone, what is about to be suspended, with its owning CronJob.</summary>
    /// <param name="record">The suspension.</param>
    /// <param name="inherited">An earlier record of the same field, of this budget or of another.</param>
    /// <param name="cancellationToken">Cancels the look at the CronJob.</param>
    public async Task<SuspensionRecord> RecordAsync(
        SuspensionRecord record,
        SuspensionRecord? inherited,
        CancellationToken cancellationToken
    )
    {
        record = await cronJobs.FindAsync(record, inherited, cancellationToken);
        store.State.ReplaceSuspension(record);
        return record;
    }

    /// <summary>Takes back a record whose suspension was not written: the earlier one, if there is one, says what must come back.</summary>
    public void Withdraw(SuspensionRecord record, SuspensionRecord? earlier)
    {
        if (earlier is not null)
            store.State.ReplaceSuspension(earlier);
        else
            Remove(record);
    }

    /// <summary>Suspends a workload whose record is stored. Returns the record as it was written, and what came of it.</summary>
    /// <param name="budget">The budget of the record.</param>
    /// <param name="record">The suspension.</param>
    /// <param name="present">The value of the field as it was read.</param>
    /// <param name="earlier">The record of an earlier suspension by the same budget that another client undid.</param>
    /// <param name="cancellationToken">Cancels the writes.</param>
    public async Task<(SuspensionRecord Record, WriteResult Result)> SuspendAsync(
        ReadBudget budget,
        SuspensionRecord record,
        string present,
        SuspensionRecord? earlier,
        CancellationToken cancellationToken
    )
    {
        // The CronJob comes first: between the two writes no other run may take the place of this one.
        record = await cronJobs.SuspendAsync(budget, record, cancellationToken);
        LogSuspending(record.Namespace, record.Name, record.Kind, record.Budget, record.Reason);
        var result = await workloads.SuspendAsync(record, present, cancellationToken);
        switch (result)
        {
            case WriteResult.Done or WriteResult.AlreadySo:
                store.State.ReplaceSuspension(record with { Cause = record.Cause with { Confirmed = true } });
                echoes.Expect(record, suspended: true);
                break;
            case WriteResult.Gone:
                await ForgetAsync(record, budget.Object, mayWrite: true, cancellationToken);
                break;
            default:
                // Changed in between: nothing was written, and the next evaluation sees what it is now.
                if (earlier is not null)
                    Withdraw(record, earlier);
                else
                    await ForgetAsync(record, budget.Object, mayWrite: true, cancellationToken);
                LogOvertaken(record.Namespace, record.Name, record.Kind);
                break;
        }
        return (record, result);
    }

    /// <summary>
    /// Resumes a workload that its budget has decided to resume. Returns null if other budgets hold it: then only this one's record goes,
    /// and the last of them resumes it.
    /// </summary>
    public async Task<WriteResult?> ResumeAsync(
        SuspensionRecord record,
        V1Alpha1GpuBudget budget,
        string reason,
        CancellationToken cancellationToken
    )
    {
        if (store.State.LeaveToOthers(record.BudgetUid, record.Uid, record.Field.Pointer))
        {
            LogLeaving(record.Namespace, record.Name, record.Kind, record.Budget, reason);
            await store.FlushBudgetAsync(record.BudgetUid, cancellationToken);
            return null;
        }
        LogResuming(record.Namespace, record.Name, record.Kind, record.Budget, reason);
        var result = (await restorer.RestoreAsync(record, cancellationToken)).Result;
        if (await cronJobs.ResumeAsync(record, budget, cancellationToken))
            Remove(record);
        await store.FlushBudgetAsync(record.BudgetUid, cancellationToken);
        if (result is WriteResult.Done or WriteResult.AlreadySo)
            echoes.Expect(record, suspended: false);
        else
            LogOvertaken(record.Namespace, record.Name, record.Kind);
        return result;
    }

    /// <summary>
    /// Resumes a workload that its budget no longer holds. Returns null as <see cref="ResumeAsync"/> does. A write that is refused keeps the
    /// record.
    /// </summary>
    public async Task<WriteResult?> ReleaseAsync(SuspensionRecord record, V1Alpha1GpuBudget? budget, CancellationToken cancellationToken)
    {
        LogReleasing(record.Namespace, record.Name, record.Kind, record.Budget);
        if (store.State.LeaveToOthers(record.BudgetUid, record.Uid, record.Field.Pointer))
        {
            await store.FlushBudgetAsync(record.BudgetUid, cancellationToken);
            return null;
        }
        if (IsUnknown(record))
            return WriteResult.Refused;
        var result = (await restorer.RestoreAsync(record, cancellationToken)).Result;
        echoes.Expect(record, suspended: false);
        if (!await cronJobs.ResumeAsync(record, budget, cancellationToken))
            return WriteResult.Refused;
        Remove(record);
        await store.FlushBudgetAsync(record.BudgetUid, cancellationToken);
        return result;
    }

    /// <summary>
    /// Removes the record of a workload that is not suspended any more. If its CronJob is suspended too, that is resumed first. Until it is,
    /// the record stays.
    /// </summary>
    public async Task ForgetAsync(SuspensionRecord record, V1Alpha1GpuBudget budget, bool mayWrite, CancellationToken cancellationToken)
    {
        if (record.CronJob is null || mayWrite && await cronJobs.ResumeAsync(record, budget, cancellationToken))
            Remove(record);
    }

    /// <summary>Whether only another version can resume the workload. The record stays for that version; it is logged once.</summary>
    public bool IsUnknown(SuspensionRecord record)
    {
        if (FieldRestorer.WhyNot(record.Field) is not { } whyNot)
            return false;
        if (_unknown.TryAdd((record.BudgetUid, record.Uid), true))
            LogUnknown(record.Namespace, record.Name, record.Kind, record.Budget, whyNot);
        return true;
    }

    /// <summary>Returns the client that set the field of a record last, as <see cref="WorkloadActor.LastWriterAsync"/>.</summary>
    public Task<string?> LastWriterAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        workloads.LastWriterAsync(record, cancellationToken);

    private void Remove(SuspensionRecord record) => store.State.DropSuspension(record.BudgetUid, record.Uid, record.Field.Pointer);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Suspending: Namespace={Namespace} Name={Name} Kind={Kind} Budget={Budget} Reason={Reason}"
    )]
    private partial void LogSuspending(string @namespace, string name, string kind, string budget, string reason);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Resuming: Namespace={Namespace} Name={Name} Kind={Kind} Budget={Budget} Reason={Reason}"
    )]
    private partial void LogResuming(string @namespace, string name, string kind, string budget, string reason);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Removing suspension, another budget still suspends the workload: Namespace={Namespace} Name={Name} Kind={Kind} Budget={Budget} Reason={Reason}"
    )]
    private partial void LogLeaving(string @namespace, string name, string kind, string budget, string reason);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Resuming workload that no budget suspends any more: Namespace={Namespace} Name={Name} Kind={Kind} Budget={Budget}"
    )]
    private partial void LogReleasing(string @namespace, string name, string kind, string budget);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Could not resume workload, its record is kept: Namespace={Namespace} Name={Name} Kind={Kind} Budget={Budget} Reason={Reason}"
    )]
    private partial void LogUnknown(string @namespace, string name, string kind, string budget, string reason);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Workload changed since it was read, nothing was written: Namespace={Namespace} Name={Name} Kind={Kind}"
    )]
    private partial void LogOvertaken(string @namespace, string name, string kind);
}
