using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Scaling.Targets;

/// <summary>
/// The one place where a scaler's number is written: replicas through the scale subresource; through the bounds of an InferenceService, which has none;
/// or, where another autoscaler owns them, as that one's upper bound. Every write is exactly what was decided on what was read, or nothing. What is
/// written beside replicas stands in the ledger, with what stood there before, ahead of the write.
/// </summary>
public sealed class ScaleActor(KubeClient client, ClusterStores stores, GpuLedger ledger, LedgerStore store)
{
    /// <summary>KEDA's, where a ScaledObject names no maxReplicaCount.</summary>
    private const int KedaMax = 100;

    private static readonly string _stop = PatchOperation.Pointer("metadata", "annotations", InferenceServiceKind.StopAnnotation);

    private readonly ScaledFieldActor _fields = new(client);

    /// <summary>Sets a target's replicas, if they are still those that were seen.</summary>
    public async Task<ScaleOutcome> ScaleAsync(ScalerRef scaler, ScaleTarget target, int replicas, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(replicas);
        if (stores.Stoppable?.Contains(target.Entity.Kind) == false) return ScaleOutcome.Refused($"this operator may not scale a {target.Entity.Kind} (operator.kinds of the chart)");
        if (replicas < target.Replicas) await store.FlushArrivalsAsync(ledger, target.Namespace, cancellationToken);
        try
        {
            return target.Served is { } seen
                ? await ServeAsync(scaler, target, seen, replicas, cancellationToken)
                : await ReplicateAsync(target, replicas, cancellationToken);
        }
        catch (ApiException error) when (error.IsForbidden)
        {
            return ScaleOutcome.Refused($"{target.Display} could not be scaled; it takes the right to {target.Right}: {error.Message}");
        }
    }

    /// <summary>
    /// Sets the upper bound of the autoscaler that owns the target: to <paramref name="max"/>, but not below its own lower bound, nor below one, nor above
    /// what its owner has set, which comes back when it is reached. What somebody else has set since is their word from now on.
    /// </summary>
    public async Task<ScaleOutcome> CapAsync(ScalerRef scaler, ScaleTarget target, int max, CancellationToken cancellationToken)
    {
        var owner = target.Owner ?? throw new ArgumentException($"No other autoscaler owns {target.Display}.", nameof(target));
        if (owner.WhyNot is { } whyNot) return ScaleOutcome.Refused(whyNot);
        if (max < target.Replicas) await store.FlushArrivalsAsync(ledger, target.Namespace, cancellationToken);
        try
        {
            return await CapAsync(scaler, target.Namespace, owner.Target, max, cancellationToken);
        }
        catch (ApiException error) when (error.IsForbidden)
        {
            return ScaleOutcome.Refused($"{owner.Entity.Kind} {owner.Name} could not be capped; it takes the right to {ScaledFieldActor.RightOn(target.Namespace, owner.Target)}: {error.Message}");
        }
    }

    /// <summary>Gives back what a record says and drops it. It stays where the object could not be written.</summary>
    public async Task<ScaleOutcome> ReleaseAsync(ScaledRecord record, CancellationToken cancellationToken)
    {
        var outcome = await _fields.RestoreAsync(record, cancellationToken);
        ledger.DropScaled(record.Namespace, record.ScalerUid, record.Target.Uid);
        return outcome;
    }

    private async Task<ScaleOutcome> ReplicateAsync(ScaleTarget target, int replicas, CancellationToken cancellationToken)
    {
        var path = target.Entity.Path(target.Namespace, target.Name, "scale");
        for (var tried = 1; ; tried++)
        {
            try
            {
                var scale = (await client.RequestAsync(HttpMethod.Get, path, null, cancellationToken))!.Deserialize(V1Scale.JsonTypeInfo)!;
                if (scale.Metadata.Uid.Length > 0 && scale.Metadata.Uid != target.Uid) return ScaleOutcome.Gone;
                if (scale.Spec.Replicas == replicas) return ScaleOutcome.AlreadySo;
                if (scale.Spec.Replicas != target.Replicas) return Differs(target, scale.Spec.Replicas);
                // A merge patch on the version that was read: a scale of zero leaves its replicas out, so there is no value to test.
                await ScaledFieldActor.PatchAsync(client, path, KubePatch.Merge(new JsonObject
                {
                    ["metadata"] = new JsonObject { ["resourceVersion"] = scale.Metadata.ResourceVersion },
                    ["spec"] = new JsonObject { ["replicas"] = replicas },
                }), cancellationToken);
                return ScaleOutcome.Done;
            }
            catch (ApiException error) when (error.IsNotFound)
            {
                return ScaleOutcome.Gone;
            }
            catch (ApiException error) when (error.IsConflict && tried < ScaledFieldActor.MostTries)
            {
                // Mostly something beside the replicas was written, as its status is by its controller: it is read again.
            }
            catch (ApiException error) when (error.IsConflict)
            {
                return ScaleOutcome.ChangedByOther($"{target.Display} was written by somebody else at each of {ScaledFieldActor.MostTries} tries");
            }
        }
    }

    private static ScaleOutcome Differs(ScaleTarget target, int present) =>
        ScaleOutcome.ChangedByOther($"{target.Display} has {present} replicas and not the {target.Replicas} that were seen");

    /// <summary>
    /// KServe keeps at least one replica whatever its bounds say, so zero is the annotation that stops it, and any other number both of its bounds. A stop by
    /// somebody else is theirs.
    /// </summary>
    private async Task<ScaleOutcome> ServeAsync(ScalerRef scaler, ScaleTarget target, ServedFields seen, int replicas, CancellationToken cancellationToken)
    {
        var parked = new ParkedTarget(target.Entity.ApiVersion, target.Entity.Kind, target.Name, target.Uid);
        await AdoptAsync(scaler, target.Namespace, parked, cancellationToken);
        for (var tried = 1; ; tried++)
        {
            if (await _fields.ReadAsync(target.Namespace, parked, cancellationToken) is not { } obj) return Forget(scaler, target.Namespace, parked);
            var record = ledger.ScaledBy(target.Namespace, scaler.Uid, target.Uid);
            var present = new ServedFields(ScaledFieldActor.Text(obj, ScaledFieldActor.PredictorMin), ScaledFieldActor.Text(obj, ScaledFieldActor.PredictorMax), ScaledFieldActor.Text(obj, _stop));
            if (obj["metadata"]!["annotations"]?[BursarAnnotations.SuspendedBy] is { } holder) return ScaleOutcome.Refused($"{target.Display} is parked ({(string?)holder})");
            var stop = record?.Field(_stop);
            var stoppedByUs = stop?.IsOurs(present.Stop) == true && present.Stop == Stopped;
            if (present.Stop == Stopped && !stoppedByUs) return ScaleOutcome.Refused($"{target.Display} is stopped by somebody else ({InferenceServiceKind.StopAnnotation})");

            var number = replicas.ToString(CultureInfo.InvariantCulture);
            var wanted = replicas == 0 ? present with { Stop = Stopped } : new(number, number, stoppedByUs ? stop!.Original : present.Stop);
            (string Pointer, string Present, string Value)[] all = [(ScaledFieldActor.PredictorMin, present.Min, wanted.Min), (ScaledFieldActor.PredictorMax, present.Max, wanted.Max), (_stop, present.Stop, wanted.Stop)];
            var changes = all.Where(one => one.Present != one.Value).ToArray();
            if (changes.Length == 0)
            {
                Confirm(scaler, target.Namespace, target.Uid);
                return ScaleOutcome.AlreadySo;
            }
            if (present != seen) return ScaleOutcome.ChangedByOther($"{target.Display} was changed since it was seen");
            await NoteAsync(scaler, target.Namespace, parked, changes, cancellationToken);
            try
            {
                if (!await _fields.WriteAsync(target.Namespace, parked, obj, [.. changes.Select(one => (one.Pointer, one.Value))], cancellationToken)) return Forget(scaler, target.Namespace, parked);
                Confirm(scaler, target.Namespace, target.Uid);
                return ScaleOutcome.Done;
            }
            catch (ApiException error) when ((error.IsInvalid || error.IsConflict) && tried < ScaledFieldActor.MostTries)
            {
                // Something was written between the read and the write: it is read again.
            }
            catch (ApiException error) when (error.IsInvalid || error.IsConflict)
            {
                return ScaleOutcome.ChangedByOther($"{target.Display} was not written at any of {ScaledFieldActor.MostTries} tries: {error.Message}");
            }
        }
    }

    private const string Stopped = "\"true\"";

    private async Task<ScaleOutcome> CapAsync(ScalerRef scaler, string ns, ParkedTarget owner, int max, CancellationToken cancellationToken)
    {
        var keda = owner.Kind == V1ScaledObject.EntityKind.Kind;
        var pointer = keda ? ScaledFieldActor.MaxReplicaCount : ScaledFieldActor.MaxReplicas;
        await AdoptAsync(scaler, ns, owner, cancellationToken);
        for (var tried = 1; ; tried++)
        {
            if (await _fields.ReadAsync(ns, owner, cancellationToken) is not { } obj) return Forget(scaler, ns, owner);
            var known = ledger.ScaledBy(ns, scaler.Uid, owner.Uid)?.Field(pointer);
            var present = ScaledFieldActor.Text(obj, pointer);
            var original = known?.IsOurs(present) == true ? known.Original : present;
            if (CountOf(original, KedaMax) is not { } most || CountOf(ScaledFieldActor.Text(obj, keda ? "/spec/minReplicaCount" : "/spec/minReplicas"), keda ? 0 : 1) is not { } least)
                return ScaleOutcome.Refused($"the bounds of {owner.Kind} {owner.Name} are no numbers");
            var cap = Math.Max(Math.Max(1, least), max);
            var value = cap >= most ? original : cap.ToString(CultureInfo.InvariantCulture);
            if (present == value)
            {
                if (value == original) ledger.DropScaled(ns, scaler.Uid, owner.Uid);
                else Confirm(scaler, ns, owner.Uid);
                return ScaleOutcome.AlreadySo;
            }
            // What is given back stands in the ledger already.
            if (value != original) await NoteAsync(scaler, ns, owner, [(pointer, present, value)], cancellationToken);
            try
            {
                if (!await _fields.WriteAsync(ns, owner, obj, [(pointer, value)], cancellationToken)) return Forget(scaler, ns, owner);
                if (value == original) ledger.DropScaled(ns, scaler.Uid, owner.Uid);
                else Confirm(scaler, ns, owner.Uid);
                return known is { Before: null } && !known.IsOurs(present) ? new(ScaleResult.Done, $"{pointer} of {owner.Kind} {owner.Name} was {present}: somebody else had set it since") : ScaleOutcome.Done;
            }
            catch (ApiException error) when ((error.IsInvalid || error.IsConflict) && tried < ScaledFieldActor.MostTries)
            {
                // Something was written between the read and the write, as its status is by its controller: it is read again.
            }
            catch (ApiException error) when (error.IsInvalid || error.IsConflict)
            {
                return ScaleOutcome.ChangedByOther($"{owner.Kind} {owner.Name} was not written at any of {ScaledFieldActor.MostTries} tries: {error.Message}");
            }
        }
    }

    /// <summary>
    /// What a former scaler has changed of the object becomes this one's: what stands there is Bursar's doing and nobody's word. Its own note goes only
    /// when this one's is stored.
    /// </summary>
    private async Task AdoptAsync(ScalerRef scaler, string ns, ParkedTarget target, CancellationToken cancellationToken)
    {
        var records = ledger.ScaledOn(ns, target.Uid);
        if (records.Count == 0 || records.Any(record => record.ScalerUid == scaler.Uid)) return;
        ledger.NoteScaled(records[0] with { ScalerName = scaler.Name, ScalerUid = scaler.Uid, Since = client.TimeProvider.GetUtcNow() });
        await store.FlushScaledAsync(ledger, ns, cancellationToken);
        foreach (var record in records) ledger.DropScaled(ns, record.ScalerUid, target.Uid);
    }

    private async Task NoteAsync(ScalerRef scaler, string ns, ParkedTarget target, IReadOnlyList<(string Pointer, string Present, string Value)> changes, CancellationToken cancellationToken)
    {
        var known = ledger.ScaledBy(ns, scaler.Uid, target.Uid);
        var fields = new List<ScaledField>();
        foreach (var (pointer, present, value) in changes)
            fields.Add(new(pointer, known?.Field(pointer) is { } field && field.IsOurs(present) ? field.Original : present, value, present));
        fields.AddRange((known?.Fields ?? []).Where(field => !fields.Exists(one => one.Pointer == field.Pointer)));
        fields.Sort((one, other) => string.CompareOrdinal(one.Pointer, other.Pointer));
        ledger.NoteScaled(new()
        {
            Namespace = ns,
            ScalerName = scaler.Name,
            ScalerUid = scaler.Uid,
            Target = target,
            Fields = fields,
            Since = known?.Since ?? client.TimeProvider.GetUtcNow(),
        });
        await store.FlushScaledAsync(ledger, ns, cancellationToken);
    }

    /// <summary>The write is known to have happened: what stood there before it is nobody's doing any more.</summary>
    private void Confirm(ScalerRef scaler, string ns, string targetUid)
    {
        if (ledger.ScaledBy(ns, scaler.Uid, targetUid) is not { } record) return;
        var fields = record.Fields.Where(field => field.Value != field.Original).Select(field => field with { Before = null }).ToArray();
        if (fields.Length == 0) ledger.DropScaled(ns, scaler.Uid, targetUid);
        else ledger.NoteScaled(record with { Fields = fields });
    }

    private ScaleOutcome Forget(ScalerRef scaler, string ns, ParkedTarget target)
    {
        ledger.DropScaled(ns, scaler.Uid, target.Uid);
        return ScaleOutcome.Gone;
    }

    private static int? CountOf(string json, int absent) =>
        json == Work.Absent ? absent : int.TryParse(json, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var count) ? count : null;
}
