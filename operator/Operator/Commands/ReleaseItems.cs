using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Commands;

/// <summary>Finds the objects that <c>bursar release</c> restores.</summary>
/// <param name="bursarNamespace">The namespace of the ledger.</param>
/// <param name="mayRun">Whether an operator may be running. Its write may be in progress and could not be reverted without the record.</param>
internal sealed class ReleaseItems(KubeClient client, string bursarNamespace, bool mayRun)
{
    private readonly FieldRestorer _restorer = new(client);
    private readonly WorkloadActor _workloads = new(client);
    private readonly HashSet<(string Budget, string Workload)> _released = [];

    /// <summary>Returns the item of a recorded suspension.</summary>
    /// <param name="shard">The shard of the record.</param>
    /// <param name="record">The record.</param>
    /// <param name="others">The other budgets that suspend the workload, as text. If not empty, the workload stays suspended.</param>
    /// <param name="every">All records, for CronJobs with several runs.</param>
    /// <param name="isReleased">Whether the budget is marked as released, so that an operator does the rest.</param>
    public ReleaseItem Create(
        string shard,
        SuspensionRecord record,
        string others,
        IReadOnlyList<SuspensionRecord> every,
        bool isReleased
    ) =>
        new()
        {
            Name = $"{record.Namespace}/{record.Kind}/{record.Name}",
            Plan =
                others.Length > 0
                    ? $"would stay suspended by {others}"
                    : $"would set {Where(record)} from {record.Field.Value} back to {Back(record.Field)}",
            Contested = "an operator suspends it again and again",
            RestoreAsync = async cancellationToken =>
            {
                var outcome = await ResumeAsync(record, others, every, isReleased, cancellationToken);
                if (outcome.KeepsRecord)
                    _released.Add((record.BudgetUid, record.Uid));
                return outcome;
            },
            ForgetAsync = async cancellationToken =>
            {
                if (await StoredLedger.ForgetAsync(client, bursarNamespace, shard, record, cancellationToken) is { } newer)
                    return Create(shard, newer, others, every, isReleased);
                _released.Add((record.BudgetUid, record.Uid));
                return null;
            },
        };

    /// <summary>Returns the objects that scalers have changed: bounds of other autoscalers, and InferenceServices.</summary>
    public async Task<IReadOnlyList<ReleaseItem>> OfScalersAsync(CancellationToken cancellationToken) =>
        [
            .. (await StoredLedger.ReadScaledAsync(client, bursarNamespace, cancellationToken))
                .OrderBy(one => one.Record.Since)
                .ThenBy(one => one.Record.Target.Name, StringComparer.Ordinal)
                .Select(one => Create(one.Shard, one.Record)),
        ];

    /// <summary>Returns workloads that Bursar suspended without a record, and workloads that are still gated on admission.</summary>
    /// <param name="known">UIDs of the workloads with a record.</param>
    /// <param name="unseen">Receives the resources that may not be listed.</param>
    /// <param name="cancellationToken">Cancels the requests.</param>
    public async Task<IReadOnlyList<ReleaseItem>> WithoutRecordAsync(
        IReadOnlySet<string> known,
        List<string> unseen,
        CancellationToken cancellationToken
    )
    {
        var items = new List<ReleaseItem>();
        foreach (var kind in WorkloadKinds.All.Where(kind => kind.Suspends))
        {
            IReadOnlyList<WorkloadObject> all;
            try
            {
                all = await kind.ListAsync(client, cancellationToken);
            }
            catch (ApiException refused) when (refused.IsForbidden)
            {
                // The user may still be allowed to restore what the ledger lists.
                unseen.Add($"{kind.Entity.Plural}.{kind.Entity.Group}");
                continue;
            }
            foreach (var work in all.Where(work => !known.Contains(work.Metadata.Uid) && LostSuspension.IsMarked(work)))
                if (await OfLostAsync(work, cancellationToken) is { } item)
                    items.Add(item);
            items.AddRange(all.Where(AdmissionGate.IsGated).Select(OfGated));
        }
        return items;
    }

    /// <summary>Returns null if Bursar did not suspend the workload.</summary>
    private async Task<ReleaseItem?> OfLostAsync(WorkloadObject work, CancellationToken cancellationToken)
    {
        var record = LostSuspension.RecordOf(work, client.TimeProvider.GetUtcNow());
        var found = $"suspended by {(record.Budget.Length > 0 ? BudgetId.From(record) : "Bursar")} and not in the ledger";
        var item = new ReleaseItem
        {
            Name = NameOf(work),
            Plan = $"{found}, would be resumed",
            RestoreAsync = async token =>
            {
                await _restorer.RestoreAsync(record, token);
                return new($"{found}, resumed");
            },
        };
        try
        {
            return await _workloads.IsOwnWriteAsync(record, cancellationToken) ? item : null;
        }
        catch (ApiException refused)
        {
            return item with { RestoreAsync = _ => throw refused };
        }
    }

    private ReleaseItem OfGated(WorkloadObject work) =>
        new()
        {
            Name = NameOf(work),
            Plan = "suspended on creation, would be resumed",
            Failure = "could not be resumed",
            RestoreAsync = async token =>
            {
                var isQueued = work.Metadata.Labels.ContainsKey(KueueAdapter.QueueLabel);
                var isDone = await _workloads.ResumeGatedAsync(work, isQueued, token) == WriteResult.Done;
                return new(isDone ? "suspended on creation, resumed" : "another client changed it meanwhile");
            },
        };

    private ReleaseItem Create(string shard, ScalerRecord record)
    {
        const string failure = "could not be restored";
        var changes = record.Fields.Select(field => $"{field.Pointer} from {field.Value} back to {Back(field)}");
        return new()
        {
            Name = $"{record.Namespace}/{record.Target.Kind}/{record.Target.Name}",
            Plan = $"would set {string.Join(", ", changes)}, which InferenceScaler {record.ScalerName} changed",
            Contested = $"{failure}: an operator changes it again and again; run the command once more",
            RestoreAsync = async cancellationToken =>
            {
                WriteOutcome outcome;
                try
                {
                    outcome = await RestoreAsync(record.Namespace, record.Fields[0], () =>
                        _restorer.RestoreAsync(record, cancellationToken)
                    );
                }
                catch (CommandException refused)
                {
                    return new($"{failure}: {refused.Message}", IsFailed: true);
                }
                var fields = string.Join(", ", record.Fields.Select(field => $"{field.Pointer} {Back(field)}"));
                return outcome.Result switch
                {
                    WriteResult.Refused => new($"{failure}: {outcome.Text}", IsFailed: true),
                    WriteResult.AlreadySo when mayRun && record.Fields.Any(field => field.Before is not null) => new(
                        $"{failure}: it is unchanged, and an operator may be about to change it",
                        IsFailed: true
                    ),
                    WriteResult.Done => new($"restored: {fields}{(outcome.Text is { } text ? $"; {text}" : "")}"),
                    WriteResult.AlreadySo => new($"had it already: {fields}"),
                    WriteResult.Gone => new("is gone; forgotten"),
                    _ => new($"not changed: {outcome.Text}"),
                };
            },
            ForgetAsync = async cancellationToken =>
                await StoredLedger.ForgetAsync(client, bursarNamespace, shard, record, cancellationToken) is { } newer
                    ? Create(shard, newer)
                    : null,
        };
    }

    private async Task<ReleaseOutcome> ResumeAsync(
        SuspensionRecord record,
        string others,
        IReadOnlyList<SuspensionRecord> every,
        bool isReleased,
        CancellationToken cancellationToken
    )
    {
        var text = $"stays suspended by {others}; the record of this budget is removed";
        if (others.Length == 0)
        {
            var outcome = await RestoreAsync(record.Namespace, record.Field, () => _restorer.RestoreAsync(record, cancellationToken));
            if (outcome.Result == WriteResult.Refused)
                return new($"could not be resumed: {outcome.Text}", IsFailed: true);
            text = outcome.Result switch
            {
                WriteResult.Done => $"resumed, {Where(record)} is {Back(record.Field)} again",
                WriteResult.AlreadySo => $"{Where(record)} was {Back(record.Field)} already",
                WriteResult.Gone => "is gone; forgotten",
                _ => $"not changed: another client changed {Where(record)} since, it is not {record.Field.Value} any more",
            };
            if (outcome.Result == WriteResult.AlreadySo && mayRun && !record.Cause.Confirmed)
                return isReleased
                    ? new($"{text}; its record stays until an operator has seen the release", KeepsRecord: true)
                    : new($"{text}; an operator may be about to suspend it", IsFailed: true);
        }
        // The last suspended run resumes the owning CronJob.
        if (
            record.CronJob is not { } cronJob
            || every.Any(other =>
                other.CronJob?.Object.Uid == cronJob.Object.Uid
                && (other.Uid, other.BudgetUid) != (record.Uid, record.BudgetUid)
                && !_released.Contains((other.BudgetUid, other.Uid))
            )
        )
            return new(text);
        var (kind, name) = (cronJob.Object.Kind, cronJob.Object.Name);
        try
        {
            var resumed = await RestoreAsync(record.Namespace, cronJob, () => _restorer.RestoreCronJobAsync(record, cancellationToken));
            return new(resumed.Result == WriteResult.Done ? $"{text}; {kind} {name} is resumed" : text);
        }
        catch (ApiException refused)
        {
            return new($"its {kind} {name} could not be resumed: {refused.Message}", IsFailed: true);
        }
    }

    private static Task<WriteOutcome> RestoreAsync(string ns, FieldOverride field, Func<Task<WriteOutcome>> restore) =>
        ClusterAccess.WithRightAsync($"{FieldRestorer.RightOn(field)} in namespace {ns}", restore);

    private static string NameOf(WorkloadObject work) => $"{work.Namespace}/{work.Kind.Name}/{work.Metadata.Name}";

    private static string Where(SuspensionRecord record) =>
        record.Field.Object is { } target && target.Uid != record.Uid
            ? $"{record.Field.Pointer} of {target.Kind} {target.Name}"
            : record.Field.Pointer;

    private static string Back(FieldOverride field) => field.Original == WorkloadObject.Absent ? "absent" : field.Original;
}
