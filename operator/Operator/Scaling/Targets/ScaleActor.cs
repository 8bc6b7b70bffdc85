using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Scaling.Targets;

/// <summary>
/// Writes the result of scalers: replicas through the scale subresource, the bounds of an InferenceService, which has none, or the upper
/// bound of another autoscaler that sets the replicas. A write applies exactly what was decided on what was read, or nothing. Changes other
/// than replicas are stored in the ledger with the original values before the write.
/// </summary>
internal sealed class ScaleActor(KubeClient client, ClusterStores stores, LedgerStore store)
{
    /// <summary>KEDA's default of maxReplicaCount.</summary>
    private const int KedaMax = 100;

    private static readonly string StopPointer = PatchOperation.Pointer("metadata", "annotations", InferenceServiceKind.StopAnnotation);

    private readonly FieldWriter _writer = new(client);
    private readonly FieldRestorer _restorer = new(client);

    /// <summary>Sets a target's replicas if they have not changed since they were read.</summary>
    public async Task<WriteOutcome> ScaleAsync(ScalerRef scaler, ScaleTarget target, int replicas, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(replicas);
        if (stores.Stoppable?.Contains(target.Entity.Kind) == false)
            return WriteOutcome.Refused($"this operator may not scale a {target.Entity.Kind} (operator.kinds of the chart)");
        if (replicas < target.Replicas)
            await store.FlushArrivalsAsync(target.Namespace, cancellationToken);
        try
        {
            return target.Served is { } seen
                ? await ServeAsync(scaler, target, seen, replicas, cancellationToken)
                : await _writer.ScaleAsync(
                    target.Entity,
                    target.Namespace,
                    target.Name,
                    target.Uid,
                    target.Replicas,
                    replicas,
                    cancellationToken
                );
        }
        catch (ApiException error) when (error.IsInvalid || error.IsConflict)
        {
            return WriteOutcome.ChangedByOther(
                $"{target.Display} was written by another client at each of {FieldWriter.MostTries} tries: {error.Message}"
            );
        }
        catch (ApiException error) when (error.IsForbidden)
        {
            return WriteOutcome.Refused($"{target.Display} could not be scaled; it takes the right to {target.Right}: {error.Message}");
        }
    }

    /// <summary>
    /// Sets the upper bound of the target's autoscaler to <paramref name="max"/>. The result is at least one and at least its lower bound,
    /// and at most the user's value, which is restored when it is reached. If another client changed the bound since, that value becomes
    /// the user's.
    /// </summary>
    public async Task<WriteOutcome> CapAsync(ScalerRef scaler, ScaleTarget target, int max, CancellationToken cancellationToken)
    {
        var other = target.OtherAutoscaler ?? throw new ArgumentException($"No other autoscaler owns {target.Display}.", nameof(target));
        if (other.WhyNot is { } whyNot)
            return WriteOutcome.Refused(whyNot);
        if (max < target.Replicas)
            await store.FlushArrivalsAsync(target.Namespace, cancellationToken);
        try
        {
            return await CapAsync(scaler, target.Namespace, other.Target, max, cancellationToken);
        }
        catch (ApiException error) when (error.IsForbidden)
        {
            return WriteOutcome.Refused(
                $"{other.Entity.Kind} {other.Name} could not be capped; it takes the right to {FieldWriter.RightOn(other.Target)} in namespace {target.Namespace}: {error.Message}"
            );
        }
    }

    /// <summary>Restores the fields of a record and removes it. The record stays if the write is refused.</summary>
    public async Task<WriteOutcome> ReleaseAsync(ScalerRecord record, CancellationToken cancellationToken)
    {
        var outcome = await _restorer.RestoreAsync(record, cancellationToken);
        if (outcome.Result != WriteResult.Refused)
            store.State.DropScaled(record.Namespace, record.ScalerUid, record.Target.Uid);
        return outcome;
    }

    /// <summary>
    /// Scales an InferenceService. KServe always runs at least one replica, so zero is the stop annotation, and any other number is set as
    /// both bounds. A stop by another client is left alone.
    /// </summary>
    private async Task<WriteOutcome> ServeAsync(
        ScalerRef scaler,
        ScaleTarget target,
        ServedFields seen,
        int replicas,
        CancellationToken cancellationToken
    )
    {
        var reference = new ObjectRef(target.Entity.ApiVersion, target.Entity.Kind, target.Name, target.Uid);
        return await ChangeAsync(
            scaler,
            target.Namespace,
            reference,
            async obj =>
            {
                var record = store.State.ScaledBy(target.Namespace, scaler.Uid, target.Uid);
                var present = new ServedFields(
                    FieldWriter.Text(obj, FieldRestorer.PredictorMin),
                    FieldWriter.Text(obj, FieldRestorer.PredictorMax),
                    FieldWriter.Text(obj, StopPointer)
                );
                if (obj["metadata"]!["annotations"]?[BursarAnnotations.SuspendedBy] is { } suspendedBy)
                    return WriteOutcome.Refused($"{target.Display} is suspended ({(string?)suspendedBy})");
                var stop = record?.Field(StopPointer);
                var stoppedByUs = stop?.IsOurs(present.Stop) == true && present.Stop == Stopped;
                if (present.Stop == Stopped && !stoppedByUs)
                    return WriteOutcome.Refused($"{target.Display} is stopped by another client ({InferenceServiceKind.StopAnnotation})");

                var number = replicas.ToString(CultureInfo.InvariantCulture);
                var wanted =
                    replicas == 0 ? present with { Stop = Stopped } : new(number, number, stoppedByUs ? stop!.Original : present.Stop);
                (string Pointer, string Present, string Value)[] all =
                [
                    (FieldRestorer.PredictorMin, present.Min, wanted.Min),
                    (FieldRestorer.PredictorMax, present.Max, wanted.Max),
                    (StopPointer, present.Stop, wanted.Stop),
                ];
                var changes = all.Where(one => one.Present != one.Value).ToArray();
                if (changes.Length == 0)
                    return WriteOutcome.AlreadySo;
                if (present != seen)
                    return WriteOutcome.ChangedByOther($"{target.Display} was changed since it was seen");
                await RecordAsync(scaler, target.Namespace, reference, changes, cancellationToken);
                return FieldChange.Set([.. changes.Select(one => new FieldValue(one.Pointer, one.Value))]);
            },
            cancellationToken
        );
    }

    private const string Stopped = "\"true\"";

    private async Task<WriteOutcome> CapAsync(ScalerRef scaler, string ns, ObjectRef other, int max, CancellationToken cancellationToken)
    {
        var keda = other.Kind == V1ScaledObject.EntityKind.Kind;
        var pointer = keda ? "/spec/maxReplicaCount" : "/spec/maxReplicas";
        var isOriginal = false;
        var outcome = await ChangeAsync(
            scaler,
            ns,
            other,
            async obj =>
            {
                var known = store.State.ScaledBy(ns, scaler.Uid, other.Uid)?.Field(pointer);
                var present = FieldWriter.Text(obj, pointer);
                var original = known?.IsOurs(present) == true ? known.Original : present;
                isOriginal = false;
                if (
                    CountOf(original, KedaMax) is not { } most
                    || CountOf(FieldWriter.Text(obj, keda ? "/spec/minReplicaCount" : "/spec/minReplicas"), keda ? 0 : 1) is not { } least
                )
                    return WriteOutcome.Refused($"the bounds of {other.Kind} {other.Name} are not numbers");
                var cap = Math.Max(Math.Max(1, least), max);
                var value = cap >= most ? original : cap.ToString(CultureInfo.InvariantCulture);
                isOriginal = value == original;
                if (present == value)
                    return WriteOutcome.AlreadySo;
                // A restored value is already in the ledger.
                if (!isOriginal)
                    await RecordAsync(scaler, ns, other, [(pointer, present, value)], cancellationToken);
                return FieldChange.Set(new FieldValue(pointer, value)) with
                {
                    Outcome =
                        known is { Before: null } && !known.IsOurs(present)
                            ? new(
                                WriteResult.Done,
                                $"{pointer} of {other.Kind} {other.Name} was {present}: another client had set it since"
                            )
                            : WriteOutcome.Done,
                };
            },
            cancellationToken
        );
        if (isOriginal && outcome.Result is WriteResult.Done or WriteResult.AlreadySo)
            store.State.DropScaled(ns, scaler.Uid, other.Uid);
        return outcome;
    }

    /// <summary>Writes for a scaler and updates the ledger with the result.</summary>
    private async Task<WriteOutcome> ChangeAsync(
        ScalerRef scaler,
        string ns,
        ObjectRef target,
        Func<JsonObject, ValueTask<FieldChange>> decide,
        CancellationToken cancellationToken
    )
    {
        await AdoptAsync(scaler, ns, target, cancellationToken);
        try
        {
            var outcome = await _writer.ChangeAsync(ns, target, decide, cancellationToken);
            if (outcome.Result == WriteResult.Gone)
                store.State.DropScaled(ns, scaler.Uid, target.Uid);
            else if (outcome.Result is WriteResult.Done or WriteResult.AlreadySo)
                Confirm(scaler, ns, target.Uid);
            return outcome;
        }
        catch (ApiException error) when (error.IsInvalid || error.IsConflict)
        {
            return WriteOutcome.ChangedByOther(
                $"{target.Kind} {target.Name} was not written at any of {FieldWriter.MostTries} tries: {error.Message}"
            );
        }
    }

    /// <summary>
    /// Transfers the records of a former scaler to this one, because the current values are Bursar's and not a user's. The former records
    /// are removed only after the new one is stored.
    /// </summary>
    private async Task AdoptAsync(ScalerRef scaler, string ns, ObjectRef target, CancellationToken cancellationToken)
    {
        var records = store.State.ScaledOn(ns, target.Uid);
        if (records.Count == 0 || records.Any(record => record.ScalerUid == scaler.Uid))
            return;
        store.State.RecordScaled(
            records[0] with
            {
                ScalerName = scaler.Name,
                ScalerUid = scaler.Uid,
                Since = client.TimeProvider.GetUtcNow(),
            }
        );
        await store.FlushScaledAsync(ns, cancellationToken);
        foreach (var record in records)
            store.State.DropScaled(ns, record.ScalerUid, target.Uid);
    }

    private async Task RecordAsync(
        ScalerRef scaler,
        string ns,
        ObjectRef target,
        IReadOnlyList<(string Pointer, string Present, string Value)> changes,
        CancellationToken cancellationToken
    )
    {
        var known = store.State.ScaledBy(ns, scaler.Uid, target.Uid);
        var fields = new List<FieldOverride>();
        foreach (var (pointer, present, value) in changes)
            fields.Add(
                new(target, pointer, known?.Field(pointer) is { } field && field.IsOurs(present) ? field.Original : present, value, present)
            );
        fields.AddRange((known?.Fields ?? []).Where(field => !fields.Exists(one => one.Pointer == field.Pointer)));
        fields.Sort((one, other) => string.CompareOrdinal(one.Pointer, other.Pointer));
        store.State.RecordScaled(
            new()
            {
                Namespace = ns,
                ScalerName = scaler.Name,
                ScalerUid = scaler.Uid,
                Fields = fields,
                Since = known?.Since ?? client.TimeProvider.GetUtcNow(),
            }
        );
        await store.FlushScaledAsync(ns, cancellationToken);
    }

    /// <summary>Records that the write succeeded, so that the previous value no longer counts as Bursar's.</summary>
    private void Confirm(ScalerRef scaler, string ns, string targetUid)
    {
        if (store.State.ScaledBy(ns, scaler.Uid, targetUid) is not { } record)
            return;
        var fields = record.Fields.Where(field => field.Value != field.Original).Select(field => field with { Before = null }).ToArray();
        if (fields.Length == 0)
            store.State.DropScaled(ns, scaler.Uid, targetUid);
        else
            store.State.RecordScaled(record with { Fields = fields });
    }

    private static int? CountOf(string json, int absent) =>
        json == WorkloadObject.Absent ? absent
        : int.TryParse(json, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var count) ? count
        : null;
}

/// <summary>The scaler for which an object is written.</summary>
internal sealed record ScalerRef(string Namespace, string Name, string Uid);
