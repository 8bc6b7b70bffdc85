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
/// Suspends workloads as their records say: by the field of the workload itself, by its replicas, or by a field of its manager's object.
/// <see cref="FieldRestorer"/> resumes them. All writes go through <see cref="FieldWriter"/>.
/// </summary>
internal sealed class WorkloadActor(KubeClient client)
{
    private static readonly string Requested = FieldWriter.Annotation(BursarAnnotations.CheckpointRequested);

    private readonly FieldWriter _writer = new(client);

    /// <summary>Returns the record of a suspension that is about to be written; null if Bursar cannot suspend the workload.</summary>
    public static SuspensionRecord? RecordOf(
        WorkloadKey workload,
        ClusterStores stores,
        BudgetAction action,
        ReadBudget budget,
        SuspendedSnapshot cause
    )
    {
        if (WorkloadKinds.Find(workload.Kind) is not { } kind)
            return null;
        var work = stores.CacheOf(workload.Kind)?.Get(workload.Namespace, workload.Name);
        if (kind.Scales && work is null)
            return null;
        var through = work is null ? null : ManagerAdapters.GetState(work, stores)?.Field;
        // If the manager's field is already stopped, restore its running value.
        var original = through is not null
            ? through.IsStopped
                ? through.On
                : through.Value
            : kind.Scales
                ? work!.Field
                : work is not null && AdmissionGate.IsGated(work)
                    ? AdmissionGate.OriginalOf(work)
                    : work?.Field == WorkloadObject.Absent || !kind.Suspends
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
                through?.Stopped ?? kind.StopValue(work, action.Suspension!.Since)
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
            Budget = budget.Name,
            BudgetUid = budget.Uid,
            IsClusterBudget = budget.IsCluster,
            CostToFinish = action.CostToFinish,
            Class = action.Class,
        };
    }

    public Task<WriteResult> SuspendAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        SuspendAsync(record, record.Field.Original, cancellationToken);

    /// <param name="record">The suspension.</param>
    /// <param name="present">The current value of the field. It differs from the record's original value if another client changed it since.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
    public async Task<WriteResult> SuspendAsync(SuspensionRecord record, string present, CancellationToken cancellationToken)
    {
        if (WorkloadKinds.Find(record.Kind) is not { } kind || FieldRestorer.WhyNot(record.Field) is not null)
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
            // The API server rejected the write, so nothing is suspended.
            return WriteResult.ChangedByOther;
        }
    }

    /// <summary>Writes the annotations that name the budget of a suspension. Objects that are only scaled have none.</summary>
    public async Task MirrorAsync(SuspensionRecord record, CancellationToken cancellationToken)
    {
        if (!record.IsThroughManager && WorkloadKinds.Find(record.Kind) is not { Scales: false })
            return;
        try
        {
            await _writer.ChangeAsync(
                record.Namespace,
                record.Field.Object,
                obj =>
                    FieldWriter.Same(FieldWriter.Text(obj, record.Field.Pointer), record.Field.Value)
                        ? FieldChange.Set([.. FieldWriter.Mirror(record.BudgetReference, record.Reason)])
                        : WriteOutcome.ChangedByOther(),
                cancellationToken
            );
        }
        catch (ApiException error) when (error.IsNotFound || error.IsInvalid || error.IsConflict)
        {
            // The workload is gone or was changed. The annotation is only a mirror of the record.
        }
    }

    /// <summary>
    /// Sets the annotation of a checkpoint request, or removes it if it still has this ID. Workloads that scale have no such annotation;
    /// the agent informs their pods.
    /// </summary>
    public async Task<WriteResult> MirrorRequestAsync(
        WorkloadKey workload,
        string id,
        bool isRequested,
        CancellationToken cancellationToken
    )
    {
        if (WorkloadKinds.Find(workload.Kind) is not { Scales: false } kind)
            return WriteResult.AlreadySo;
        try
        {
            return (
                await _writer.ChangeAsync(
                    workload.Namespace,
                    kind.ObjectOf(workload.Name, workload.Uid),
                    obj =>
                    {
                        var (wanted, present) = (
                            isRequested ? FieldWriter.Quote(id) : WorkloadObject.Absent,
                            FieldWriter.Text(obj, Requested)
                        );
                        if (FieldWriter.Same(present, wanted))
                            return WriteOutcome.AlreadySo;
                        if (!isRequested && !FieldWriter.Same(present, FieldWriter.Quote(id)))
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
    /// Resumes a workload that was gated on admission: restores the field and removes the gate, unless its spec was changed since.
    /// </summary>
    /// <param name="work">The workload as cached.</param>
    /// <param name="isQueued">Whether Kueue will start the workload. Then only the gate is removed.</param>
    /// <param name="cancellationToken">Cancels the write.</param>
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
                    var gate = new FieldValue(FieldWriter.Annotation(AdmissionGate.NameOn(live)), WorkloadObject.Absent);
                    return (
                        isQueued
                            ? FieldChange.Set(gate)
                            : FieldChange.Set(gate, new FieldValue(work.Kind.Field, AdmissionGate.OriginalOf(live)))
                    ) with
                    {
                        TestsSpec = true,
                    };
                },
                cancellationToken
            )
        ).Result;

    /// <summary>
    /// Returns the client that last set the field of a record, from the object's managed fields. Null if unknown or if it was Bursar.
    /// </summary>
    public async Task<string?> LastWriterAsync(SuspensionRecord record, CancellationToken cancellationToken)
    {
        try
        {
            return FieldOwner.LastOf(await ReadAsync(record, cancellationToken), record.Field.Pointer);
        }
        catch (ApiException)
        {
            // Only a message needs it, so the suspension goes on.
            return null;
        }
    }

    /// <summary>Whether Bursar was the last writer of the record's field, from the object's managed fields.</summary>
    public async Task<bool> IsOwnWriteAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        FieldOwner.IsOwn(await ReadAsync(record, cancellationToken), record.Field.Pointer);

    /// <summary>Whether the record's field is unchanged since the object was created, from the object's managed fields.</summary>
    public async Task<bool> IsAsCreatedAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        FieldOwner.IsAsCreated(await ReadAsync(record, cancellationToken), record.Field.Pointer);

    private Task<JsonObject?> ReadAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        _writer.ReadAsync(record.Namespace, record.Field.Object, cancellationToken);

    /// <summary>Stops other objects that would start the workload by themselves first, whatever their current value.</summary>
    private async Task<WriteResult> StopThroughManagerAsync(SuspensionRecord record, string present, CancellationToken cancellationToken)
    {
        foreach (var other in record.Also)
            await StopAsync(record, other, null, cancellationToken);
        return await StopAsync(record, record.Field.Object, present, cancellationToken);
    }

    /// <param name="from">The required current value; null for any.</param>
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
                            .. FieldWriter.Mirror(record.BudgetReference, record.Reason),
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
                    // The webhook suspended it already. Keep it suspended and replace the gate by the usual annotations.
                    if (work.IsStopped && !AdmissionGate.IsGated(work))
                        return WriteOutcome.AlreadySo;
                    return FieldChange.Set([
                        new(kind.Field, record.Field.Value),
                        .. FieldWriter.Mirror(record.BudgetReference, record.Reason),
                        new FieldValue(Requested, WorkloadObject.Absent, IsTested: false),
                        new(FieldWriter.Annotation(AdmissionGate.NameOn(work)), WorkloadObject.Absent, IsTested: false),
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
