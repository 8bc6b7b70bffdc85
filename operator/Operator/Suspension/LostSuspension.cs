using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Finds workloads that Bursar suspended but has no record of, for example after a loss of the ledger, and records them again. The
/// annotation is only a hint. The proof is in the object's managed fields, where Bursar must be the last writer of the suspending field. A
/// workload that a user suspended stays suspended, even with a leftover annotation. A workload that was gated on admission, and whose spec
/// changed before a leader evaluated it, is resumed if the field was not written since.
/// </summary>
internal sealed partial class LostSuspension(
    ClusterStores stores,
    LedgerStore store,
    WorkloadActor workloads,
    FieldRestorer restorer,
    BudgetEvents events,
    TimeProvider time,
    ILogger<LostSuspension> logger
)
{
    /// <summary>
    /// Time for which such a workload must have been seen, because the record of a resume may be removed before the watch shows the resume.
    /// </summary>
    private static readonly TimeSpan Doubt = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

    private const string BudgetPrefix = "gpubudget/";
    private const string ClusterBudgetPrefix = "clustergpubudget/";

    private readonly Dictionary<string, DateTimeOffset> _seen = new(StringComparer.Ordinal);
    private DateTimeOffset _lastPass;

    /// <summary>Whether its own field suspends it and it has Bursar's annotation.</summary>
    public static bool IsMarked(WorkloadObject work) =>
        work is { IsStopped: true, IsFinished: false, Kind.Suspends: true }
        && !AdmissionGate.IsGated(work)
        && work.Metadata.Annotations.ContainsKey(BursarAnnotations.SuspendedBy);

    /// <summary>Rebuilds the lost record from the object.</summary>
    public static SuspensionRecord RecordOf(WorkloadObject work, DateTimeOffset now, ManagerField? through = null, string budgetUid = "") =>
        new()
        {
            Workload = work.Key,
            ApiVersion = work.Kind.Entity.ApiVersion,
            Field = through is null
                ? new(work.Object, work.Kind.Field, "false", work.Kind.Stopped)
                : new(through.Target, through.Field, through.On, through.Stopped),
            IsThroughManager = through is not null,
            Since = now,
            Reason = Reasons.RecordRestored,
            Cause = new()
            {
                Since = now,
                Reason = Reasons.RecordRestored,
                Confirmed = true,
            },
            Budget = BudgetOf(MirrorOn(work, through), BudgetPrefix) ?? BudgetOf(MirrorOn(work, through), ClusterBudgetPrefix) ?? "",
            BudgetUid = budgetUid,
            IsClusterBudget = BudgetOf(MirrorOn(work, through), ClusterBudgetPrefix) is not null,
            Class = work.Class,
        };

    public async Task FindAsync(CancellationToken cancellationToken)
    {
        var now = time.GetUtcNow();
        if (now - _lastPass < Interval)
            return;
        _lastPass = now;
        var recorded = store.State.Suspensions().Select(record => record.Uid).ToHashSet(StringComparer.Ordinal);
        var found = new HashSet<string>(StringComparer.Ordinal);
        foreach (var cache in stores.Kinds)
        foreach (var work in cache.All())
        {
            var uid = work.Metadata.Uid;
            if (recorded.Contains(uid) || work.IsFinished || !work.HasGpus || work.IsPart)
                continue;
            var manager = ManagerAdapters.GetState(work, stores);
            var through = manager?.Field;
            var wasGated = manager is null && WasGated(work);
            if (
                through is null
                    ? !IsMarked(work) && !wasGated
                    : !(through.IsStopped && through.Object.Annotations.ContainsKey(BursarAnnotations.SuspendedBy))
            )
                continue;
            found.Add(uid);
            _seen.TryAdd(uid, now);
            if (now - _seen[uid] < Doubt)
                continue;
            // Wait as long again before the next attempt.
            _seen[uid] = now;
            if (wasGated)
                await ResumeGatedAsync(work, now, cancellationToken);
            else
                await RestoreRecordAsync(work, through, now, cancellationToken);
        }
        foreach (var gone in _seen.Keys.Except(found).ToArray())
            _seen.Remove(gone);
    }

    /// <summary>Whether the webhook suspended it and the gate became invalid because the spec was changed.</summary>
    private static bool WasGated(WorkloadObject work) =>
        work is { IsStopped: true, IsFinished: false, Kind.Suspends: true } && AdmissionGate.IsOn(work) && !AdmissionGate.IsGated(work);

    private async Task ResumeGatedAsync(WorkloadObject work, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var record = RecordOf(work, now);
        record = record with { Field = record.Field with { Original = AdmissionGate.OriginalOf(work) } };
        if (!await workloads.IsAsCreatedAsync(record, cancellationToken))
            return;
        LogGated(record.Namespace, record.Name, record.Kind);
        await ResumeAsync(
            record,
            "it was made suspended by Bursar's webhook, and its spec was changed before its budgets had judged it",
            cancellationToken
        );
    }

    private async Task RestoreRecordAsync(
        WorkloadObject work,
        ManagerField? through,
        DateTimeOffset now,
        CancellationToken cancellationToken
    )
    {
        var record = RecordOf(work, now, through);
        if (!await workloads.IsOwnWriteAsync(record, cancellationToken))
            return;
        LogFound(record.Namespace, record.Name, record.Kind, record.Budget);
        var budget = stores
            .Coverage.WithLimitsIn(record.Namespace)
            .FirstOrDefault(one => one.Metadata.Name == record.Budget && one is V1Alpha1ClusterGpuBudget == record.IsClusterBudget);
        if (budget is null)
        {
            await ResumeAsync(
                record,
                $"Bursar had suspended it for {BudgetSnapshot.DisplayNameOf(record.Budget, record.IsClusterBudget)}, which is gone, and had no record of it",
                cancellationToken
            );
            return;
        }
        // From now on the budget treats it like every workload that it suspended.
        store.State.RecordSuspension(record with { BudgetUid = budget.Metadata.Uid });
        await store.FlushBudgetAsync(budget.Metadata.Uid, cancellationToken);
    }

    private async Task ResumeAsync(SuspensionRecord record, string why, CancellationToken cancellationToken)
    {
        if ((await restorer.RestoreAsync(record, cancellationToken)).Result == WriteResult.Done)
            events.Restored(record, null, Messages.Restored(why, null), isStillSuspended: false);
    }

    private static string? MirrorOn(WorkloadObject work, ManagerField? through) =>
        (through?.Object ?? work.Metadata).Annotations.GetValueOrDefault(BursarAnnotations.SuspendedBy);

    private static string? BudgetOf(string? mirror, string prefix) =>
        mirror?.StartsWith(prefix, StringComparison.Ordinal) == true ? mirror[prefix.Length..] : null;

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Resuming workload gated on admission without a decision: Namespace={Namespace} Name={Name} Kind={Kind}"
    )]
    private partial void LogGated(string @namespace, string name, string kind);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Found suspended workload without a record: Namespace={Namespace} Name={Name} Kind={Kind} Budget={Budget}"
    )]
    private partial void LogFound(string @namespace, string name, string kind, string budget);
}
