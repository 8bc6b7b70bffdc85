using System.Collections.Concurrent;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Suspends and resumes a workload together with its owning CronJob and keeps its record in line with the result. The caller stores the
/// record before the suspension. The record is removed only after the workload and its CronJob are resumed.
/// </summary>
internal sealed partial class Suspender(
    LedgerStore store,
    WorkloadActor workloads,
    FieldRestorer restorer,
    CronJobSuspender cronJobs,
    Expectations expectations,
    ILogger<Suspender> logger
)
{
    private readonly ConcurrentDictionary<(string Budget, string Workload), bool> _unknown = new();

    /// <summary>Records in memory a suspension that is about to be written, with its owning CronJob.</summary>
    /// <param name="record">The suspension.</param>
    /// <param name="inherited">An earlier record of the same field, by this budget or another.</param>
    /// <param name="cancellationToken">Cancels the read of the CronJob.</param>
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

    /// <summary>Withdraws the record of a suspension that was not written and reinstates the earlier record, if any.</summary>
    public void Withdraw(SuspensionRecord record, SuspensionRecord? earlier)
    {
        if (earlier is not null)
            store.State.ReplaceSuspension(earlier);
        else
            Remove(record);
    }

    /// <summary>Suspends a workload whose record is stored. Returns the record as written, and the result.</summary>
    /// <param name="budget">The budget of the record.</param>
    /// <param name="record">The suspension.</param>
    /// <param name="present">The current value of the field.</param>
    /// <param name="earlier">The record of an earlier suspension by the same budget, which another client reverted.</param>
    /// <param name="cancellationToken">Cancels the writes.</param>
    public async Task<(SuspensionRecord Record, WriteResult Result)> SuspendAsync(
        ReadBudget budget,
        SuspensionRecord record,
        string present,
        SuspensionRecord? earlier,
        CancellationToken cancellationToken
    )
    {
        // Suspend the CronJob first, so that no other run can replace this one between the two writes.
        record = await cronJobs.SuspendAsync(budget, record, cancellationToken);
        LogSuspending(record.Namespace, record.Name, record.Kind, record.Budget, record.Reason);
        var result = await workloads.SuspendAsync(record, present, cancellationToken);
        switch (result)
        {
            case WriteResult.Done or WriteResult.AlreadySo:
                store.State.ReplaceSuspension(record with { Cause = record.Cause with { Confirmed = true } });
                expectations.Expect(record, suspended: true);
                break;
            case WriteResult.Gone:
                await ForgetAsync(record, budget.Object, mayWrite: true, cancellationToken);
                break;
            default:
                // Another client changed it. Nothing was written, and the next evaluation sees the new state.
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
    /// Resumes a workload as its budget decided. Returns null if other budgets suspend it too. Then only this budget's record is removed,
    /// and the last budget resumes the workload.
    /// </summary>
    public async Task<WriteResult?> ResumeAsync(
        SuspensionRecord record,
        BudgetObject budget,
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
            expectations.Expect(record, suspended: false);
        else
            LogOvertaken(record.Namespace, record.Name, record.Kind);
        return result;
    }

    /// <summary>Makes the annotations of a workload name a budget that still suspends it.</summary>
    private async Task MirrorOthersAsync(SuspensionRecord left, CancellationToken cancellationToken)
    {
        var other = store
            .State.SuspendedByOthers([left.Namespace], left.BudgetUid)[left.Uid]
            .FirstOrDefault(one => one.Field.Pointer == left.Field.Pointer);
        if (other is not null)
            await workloads.MirrorAsync(other, cancellationToken);
    }

    /// <summary>
    /// Resumes a workload that its budget no longer selects or that is released. Returns null as <see cref="ResumeAsync"/> does. The record
    /// stays if the write is refused.
    /// </summary>
    public async Task<WriteResult?> ReleaseAsync(SuspensionRecord record, BudgetObject? budget, CancellationToken cancellationToken)
    {
        LogReleasing(record.Namespace, record.Name, record.Kind, record.Budget);
        if (store.State.LeaveToOthers(record.BudgetUid, record.Uid, record.Field.Pointer))
        {
            await store.FlushBudgetAsync(record.BudgetUid, cancellationToken);
            await MirrorOthersAsync(record, cancellationToken);
            return null;
        }
        if (IsUnknown(record))
            return WriteResult.Refused;
        var result = (await restorer.RestoreAsync(record, cancellationToken)).Result;
        expectations.Expect(record, suspended: false);
        if (!await cronJobs.ResumeAsync(record, budget, cancellationToken))
            return WriteResult.Refused;
        Remove(record);
        await store.FlushBudgetAsync(record.BudgetUid, cancellationToken);
        return result;
    }

    /// <summary>
    /// Removes the record of a workload that is no longer suspended. A suspended CronJob is resumed first, and the record stays until that
    /// succeeded.
    /// </summary>
    public async Task ForgetAsync(SuspensionRecord record, BudgetObject budget, bool mayWrite, CancellationToken cancellationToken)
    {
        if (record.CronJob is null || mayWrite && await cronJobs.ResumeAsync(record, budget, cancellationToken))
            Remove(record);
    }

    /// <summary>Whether only another version of Bursar can resume the workload. The record stays for that version. Logged once.</summary>
    public bool IsUnknown(SuspensionRecord record)
    {
        if (FieldRestorer.WhyNot(record.Field) is not { } whyNot)
            return false;
        if (_unknown.TryAdd((record.BudgetUid, record.Uid), true))
            LogUnknown(record.Namespace, record.Name, record.Kind, record.Budget, whyNot);
        return true;
    }

    /// <summary>Returns the client that last set the field of a record (<see cref="WorkloadActor.LastWriterAsync"/>).</summary>
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
