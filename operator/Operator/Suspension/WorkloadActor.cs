using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Suspends workloads as their record says: by the field of the workload itself, by its replicas, or by the field of the object that its manager
/// follows. <see cref="FieldRestorer"/> resumes them. Every write goes through <see cref="FieldWriter"/>.
/// </summary>
internal sealed class WorkloadActor(KubeClient client)
{
    private static readonly string Requested = FieldWriter.Annotation(BursarAnnotations.CheckpointRequested);

    private readonly FieldWriter _writer = new(client);

    /// <summary>The record of a suspension that is about to happen; null when the kind has no switch here.</summary>
    public static SuspensionRecord? RecordOf(
        WorkloadKey workload,
        ClusterStores stores,
        BudgetAction action,
        string budget,
        string budgetUid,
        SuspendedSnapshot cause
    )
    {
        if (WorkloadKinds.Of(workload.Kind) is not { } kind)
            return null;
        var work = stores.Of(workload.Kind)?.Get(workload.Namespace, workload.Name);
        if (kind.Scales && work is null)
            return null;
        var through = work is null ? null : ManagerAdapters.Of(work, stores)?.Field;
        // Of a switch that is seen off already, the other position is what is given back.
        var original = through is not null
            ? through.IsStopped
                ? through.On
                : through.Value
            : kind.Scales
                ? work!.Field
                : work is not null && AdmissionGate.IsGated(work)
                    ? AdmissionGate.OriginalOf(work)
                    : work?.Field == WorkloadObject.Absent
                        ? WorkloadObject.Absent
                        : "false";
        return new()
        {
            Workload = workload,
            ApiVersion = kind.Entity.ApiVersion,
            Field = new(
                through?.Target ?? kind.ObjectOf(workload.Name, workload.Uid),
                through?.Field ?? kind.Field,
                original,
                through?.Stopped ?? kind.Stopped
            ),
            IsThroughManager = through is not null,
            Also = [.. (through?.Also ?? []).Select(one => through!.Target with { Name = one.Name, Uid = one.Uid })],
            Replicas =
                through is null || !kind.Serves ? null
                : kind.Scales ? work!.Replicas
                : work!.PodSets.Sum(set => set.Count),
            Since = action.Suspension!.Since,
            Reason = action.Reason,
            Cause = cause,
            Budget = budget,
            BudgetUid = budgetUid,
            CostToFinish = action.CostToFinish,
            Class = action.Class,
        };
    }

    public Task<WriteResult> SuspendAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        SuspendAsync(record, record.Field.Original, cancellationToken);

    /// <param name="record">What is suspended.</param>
    /// <param name="present">What stood there when it was read: not the record's original where somebody set it in between.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<WriteResult> SuspendAsync(SuspensionRecord record, string present, CancellationToken cancellationToken)
    {
        if (WorkloadKinds.Of(record.Kind) is not { } kind || FieldRestorer.WhyNot(record.Field) is not null)
            return WriteResult.Refused;
        try
        {
            return record.IsThroughManager ? await StopThroughManagerAsync(record, present, cancellationToken)
                : kind.Scales
                    ? (
                        await _writer.ScaleAsync(
                            kind.Entity,
                            record.Namespace,
                            record.Name,
                            record.Uid,
                            Count(present),
                            Count(record.Field.Value),
                            cancellationToken
                        )
                    ).Result
                : await SuspendAsync(kind, record, cancellationToken);
        }
        catch (ApiException error) when (error.IsInvalid || error.IsConflict)
        {
            // What cannot be suspended was not.
            return WriteResult.ChangedByOther;
        }
    }

    /// <summary>
    /// Brings the mirror of a request for a checkpoint in line: sets it, or, where nothing is asked any more, takes off what is said to
    /// stand there. Kinds that scale are written through their scale alone and bear no mirror; their pods are told by the agent.
    /// </summary>
    public async Task<WriteResult> MirrorRequestAsync(WorkloadKey workload, string id, bool asked, CancellationToken cancellationToken)
    {
        if (WorkloadKinds.Of(workload.Kind) is not { Scales: false } kind)
            return WriteResult.AlreadySo;
        try
        {
            return (
                await _writer.ChangeAsync(
                    workload.Namespace,
                    kind.ObjectOf(workload.Name, workload.Uid),
                    obj =>
                    {
                        var (wanted, present) = (asked ? FieldWriter.Quote(id) : WorkloadObject.Absent, FieldWriter.Text(obj, Requested));
                        if (FieldWriter.Same(present, wanted))
                            return WriteOutcome.AlreadySo;
                        if (!asked && !FieldWriter.Same(present, FieldWriter.Quote(id)))
                            return WriteOutcome.ChangedByOther();
                        return FieldChange.Set(new FieldValue(Requested, wanted, IsTested: present != WorkloadObject.Absent));
                    },
                    cancellationToken
                )
            ).Result;
        }
        catch (ApiException error) when (error.IsInvalid || error.IsConflict)
        {
            return WriteResult.ChangedByOther;
        }
    }

    /// <summary>
    /// Lets go a workload that the webhook held: gives back the field and takes the mark away, if nobody has changed its spec since.
    /// </summary>
    /// <param name="work">As it was seen.</param>
    /// <param name="isQueued">What Kueue has taken over is started by Kueue: only the mark goes.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task<WriteResult> ResumeGatedAsync(WorkloadObject work, bool isQueued, CancellationToken cancellationToken) =>
        (
            await _writer.ChangeAsync(
                work.Namespace,
                work.Object,
                obj =>
                {
                    var live = Parse(work.Kind, obj);
                    if (!AdmissionGate.IsGated(live))
                        return WriteOutcome.ChangedByOther();
                    var mark = new FieldValue(FieldWriter.Annotation(AdmissionGate.Annotation), WorkloadObject.Absent);
                    return (
                        isQueued
                            ? FieldChange.Set(mark)
                            : FieldChange.Set(mark, new FieldValue(work.Kind.Field, AdmissionGate.OriginalOf(live)))
                    ) with
                    {
                        TestsSpec = true,
                    };
                },
                cancellationToken
            )
        ).Result;

    /// <summary>
    /// Who set the field that a record names, as the object's managed fields tell; null where they do not, or it was Bursar.
    /// </summary>
    public async Task<string?> LastWriterAsync(SuspensionRecord record, CancellationToken cancellationToken)
    {
        try
        {
            return FieldOwner.LastOf(await ReadAsync(record, cancellationToken), record.Field.Pointer);
        }
        catch (ApiException)
        {
            // It is for the message alone: the suspension does not wait for it.
            return null;
        }
    }

    /// <summary>Whether the field that a record names is as Bursar set it, by the object's managed fields.</summary>
    public async Task<bool> IsOwnWriteAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        FieldOwner.IsOwn(await ReadAsync(record, cancellationToken), record.Field.Pointer);

    /// <summary>Whether the field that a record names is as it was when the object was made.</summary>
    public async Task<bool> IsAsCreatedAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        FieldOwner.IsAsCreated(await ReadAsync(record, cancellationToken), record.Field.Pointer);

    private Task<JsonObject?> ReadAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        _writer.ReadAsync(record.Namespace, record.Field.Object, cancellationToken);

    /// <summary>What would start the work alone is stopped ahead of what runs it, whatever stands there.</summary>
    private async Task<WriteResult> StopThroughManagerAsync(SuspensionRecord record, string present, CancellationToken cancellationToken)
    {
        foreach (var other in record.Also)
            await StopAsync(record, other, null, cancellationToken);
        return await StopAsync(record, record.Field.Object, present, cancellationToken);
    }

    /// <param name="from">What must stand there; null: whatever does.</param>
    private async Task<WriteResult> StopAsync(
        SuspensionRecord record,
        ObjectRef target,
        string? from,
        CancellationToken cancellationToken
    ) =>
        (
            await _writer.ChangeAsync(
                record.Namespace,
                target,
                obj =>
                {
                    var present = FieldWriter.Text(obj, record.Field.Pointer);
                    return FieldWriter.Same(present, record.Field.Value) ? WriteOutcome.AlreadySo
                        : from is not null && !FieldWriter.Same(present, from) ? WriteOutcome.ChangedByOther()
                        : FieldChange.Set([
                            new(record.Field.Pointer, record.Field.Value),
                            .. FieldWriter.Mirror(record.Budget, record.Reason),
                        ]);
                },
                cancellationToken
            )
        ).Result;

    private async Task<WriteResult> SuspendAsync(WorkloadKind kind, SuspensionRecord record, CancellationToken cancellationToken) =>
        (
            await _writer.ChangeAsync(
                record.Namespace,
                record.Field.Object,
                obj =>
                {
                    var work = Parse(kind, obj);
                    // The webhook made it suspended: it stays so, and is marked like all that is suspended.
                    if (work.IsStopped && !AdmissionGate.IsGated(work))
                        return WriteOutcome.AlreadySo;
                    return FieldChange.Set([
                        new(kind.Field, "true"),
                        .. FieldWriter.Mirror(record.Budget, record.Reason),
                        new FieldValue(Requested, WorkloadObject.Absent, IsTested: false),
                        new(FieldWriter.Annotation(AdmissionGate.Annotation), WorkloadObject.Absent, IsTested: false),
                    ]);
                },
                cancellationToken
            )
        ).Result;

    private static WorkloadObject Parse(WorkloadKind kind, JsonObject obj)
    {
        using var document = JsonDocument.Parse(obj.ToJsonString());
        return kind.Parse(document.RootElement);
    }

    private static int Count(string replicas) => int.Parse(replicas, NumberStyles.None, CultureInfo.InvariantCulture);
}
