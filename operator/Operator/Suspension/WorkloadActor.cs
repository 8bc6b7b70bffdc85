using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Suspension;

public enum ActOutcome
{
    Done,

    /// <summary>The field already held the value.</summary>
    AlreadySo,

    /// <summary>The object is gone, or another one has its name.</summary>
    Gone,

    /// <summary>Someone else changed the field in between: nothing was written.</summary>
    ChangedByOther,
}

/// <summary>
/// The one place that writes to other people's work. A field is changed by JSON patch with a test on the object's UID and
/// on the value that was read, so that a write is either exactly what was decided or nothing; replicas go through
/// <c>/scale</c>. Both ways are idempotent: the process may die after any of them.
/// </summary>
public sealed class WorkloadActor(KubeClient client)
{
    private const int MostTries = 5;

    private static readonly string s_requested = PatchOperation.Pointer("metadata", "annotations", BursarAnnotations.CheckpointRequested);
    private readonly TargetActor _targets = new(client);

    /// <summary>The record of a parking that is about to happen; null when the kind has no switch here.</summary>
    public static ParkedRecord? RecordOf(WorkloadKey workload, ClusterStores stores, BudgetAction action, string budget, string budgetUid, string cause)
    {
        if (WorkKinds.Of(workload.Kind) is not { } kind) return null;
        var work = stores.Of(workload.Kind)?.Get(workload.Namespace, workload.Name);
        if (kind.Scales && work is null) return null;
        var through = work is null ? null : OwnerKinds.Of(work, stores)?.Switch;
        return new()
        {
            ApiVersion = kind.Entity.ApiVersion,
            Kind = workload.Kind,
            Namespace = workload.Namespace,
            Name = workload.Name,
            Uid = workload.Uid,
            Target = through?.Target,
            Also = through is { Also.Count: > 0 } ? [.. through.Also.Select(one => through.Target with { Name = one.Name, Uid = one.Uid })] : null,
            Replicas = through is null || !kind.Serves ? null : kind.Scales ? work!.Replicas : work!.PodSets.Sum(set => set.Count),
            Field = through?.Field ?? kind.Field,
            // Of a switch that is seen off already, the other position is what is given back.
            Original = through is not null ? through.IsStopped ? through.On : through.Value
                : kind.Scales ? work!.Switch
                : work is not null && HeldMark.IsHeld(work) ? HeldMark.OriginalOf(work)
                : work?.Switch == Work.Absent ? Work.Absent : "false",
            Value = through?.Stopped ?? kind.Stopped,
            Since = action.Parked!.Since,
            Reason = action.Reason,
            Cause = cause,
            Budget = budget,
            BudgetUid = budgetUid,
            CostToFinish = action.CostToFinish,
            Class = action.Class,
        };
    }

    public Task<ActOutcome> ParkAsync(ParkedRecord record, CancellationToken cancellationToken) => ParkAsync(record, record.Original, cancellationToken);

    /// <param name="record">What is parked.</param>
    /// <param name="present">What stood there when it was read: not the record's original where somebody set it in between.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public Task<ActOutcome> ParkAsync(ParkedRecord record, string present, CancellationToken cancellationToken) =>
        WriteAsync(record, present, record.Value, park: true, cancellationToken);

    /// <summary>Gives back what the record says, if the field still holds what Bursar set.</summary>
    public Task<ActOutcome> RestoreAsync(ParkedRecord record, CancellationToken cancellationToken) =>
        WriteAsync(record, record.Value, record.Original, park: false, cancellationToken);

    /// <summary>
    /// Brings the mirror of a request for a checkpoint in line: sets it, or, where nothing is asked any more, takes off what is said to
    /// stand there. Kinds that scale are written through their scale alone and bear no mirror; their pods are told by the agent.
    /// </summary>
    public async Task<ActOutcome> MirrorRequestAsync(WorkloadKey workload, string id, bool asked, CancellationToken cancellationToken)
    {
        if (WorkKinds.Of(workload.Kind) is not { Scales: false } kind) return ActOutcome.AlreadySo;
        try
        {
            if (await kind.GetAsync(client, workload.Namespace, workload.Name, cancellationToken) is not { } work || work.Metadata.Uid != workload.Uid) return ActOutcome.Gone;
            var present = work.Metadata.Annotations.GetValueOrDefault(BursarAnnotations.CheckpointRequested);
            if (asked ? present == id : present is null) return ActOutcome.AlreadySo;
            if (!asked && present != id) return ActOutcome.ChangedByOther;
            var operations = new List<PatchOperation> { PatchOperation.Test("/metadata/uid", workload.Uid) };
            if (present is not null) operations.Add(PatchOperation.Test(s_requested, present));
            if (!asked) operations.Add(PatchOperation.Remove(s_requested));
            else
            {
                if (work.Metadata.Annotations.Count == 0) operations.Add(PatchOperation.Add("/metadata/annotations", new JsonObject()));
                operations.Add(PatchOperation.Add(s_requested, id));
            }
            await kind.PatchAsync(client, workload.Namespace, workload.Name, KubePatch.Json([.. operations]), cancellationToken);
            return ActOutcome.Done;
        }
        catch (ApiException error) when (error.IsNotFound)
        {
            return ActOutcome.Gone;
        }
        catch (ApiException error) when (error.IsInvalid || error.IsConflict)
        {
            return ActOutcome.ChangedByOther;
        }
    }

    /// <summary>Who set the field that a record names, as the object's managed fields tell; null where they do not, or it was Bursar.</summary>
    public async Task<string?> LastWriterAsync(ParkedRecord record, CancellationToken cancellationToken)
    {
        try
        {
            return FieldOwner.LastOf(await WrittenAsync(record, cancellationToken), record.Field);
        }
        catch (ApiException)
        {
            // It is for the message alone: the parking does not wait for it.
            return null;
        }
    }

    /// <summary>Whether the field that a record names is as Bursar set it, by the object's managed fields.</summary>
    public async Task<bool> IsOwnWriteAsync(ParkedRecord record, CancellationToken cancellationToken) =>
        FieldOwner.IsOwn(await WrittenAsync(record, cancellationToken), record.Field);

    /// <summary>Whether the field that a record names is as it was when the object was made.</summary>
    public async Task<bool> IsAsCreatedAsync(ParkedRecord record, CancellationToken cancellationToken) =>
        FieldOwner.IsAsCreated(await WrittenAsync(record, cancellationToken), record.Field);

    /// <summary>The object that a record writes to, as the API server gives it; null where this version does not know its kind.</summary>
    private async Task<JsonNode?> WrittenAsync(ParkedRecord record, CancellationToken cancellationToken)
    {
        var (entity, name) = record.Target is { } target ? (OwnerKinds.EntitiesOf(target).FirstOrDefault(), target.Name) : (WorkKinds.Of(record.Kind)?.Entity, record.Name);
        return entity is null ? null : await client.RequestAsync(HttpMethod.Get, entity.Path(record.Namespace, name), null, cancellationToken);
    }

    private async Task<ActOutcome> WriteAsync(ParkedRecord record, string from, string to, bool park, CancellationToken cancellationToken)
    {
        // A record of a kind that this version does not know can be neither kept nor given back by it.
        if (WorkKinds.Of(record.Kind) is not { } kind) return ActOutcome.ChangedByOther;
        for (var tried = 1; ; tried++)
        {
            try
            {
                return record.Target is not null ? await WriteTargetsAsync(record, from, to, park, cancellationToken)
                    : kind.Scales ? await ScaleAsync(kind, record, from, to, cancellationToken) : await SuspendAsync(kind, record, park, cancellationToken);
            }
            catch (ApiException error) when (error.IsNotFound)
            {
                return ActOutcome.Gone;
            }
            catch (ApiException error) when (error.IsInvalid || error.IsConflict)
            {
                // Mostly something beside the field was written between the read and the write, as a Deployment's status is by its
                // controller: the object is read again. What cannot be given back stays on record; what cannot be parked was not.
                if (tried < MostTries) continue;
                if (!park) throw;
                return ActOutcome.ChangedByOther;
            }
        }
    }

    /// <summary>What would start the work alone is stopped ahead of what runs it, and given back after it. Of those that wait, one that others changed is theirs.</summary>
    private async Task<ActOutcome> WriteTargetsAsync(ParkedRecord record, string from, string to, bool park, CancellationToken cancellationToken)
    {
        var outcome = park ? ActOutcome.Done : await _targets.WriteAsync(record, from, to, park, cancellationToken);
        foreach (var other in record.Also ?? []) await _targets.WriteAsync(record with { Target = other }, park ? null : from, to, park, cancellationToken);
        return park ? await _targets.WriteAsync(record, from, to, park, cancellationToken) : outcome;
    }

    private async Task<ActOutcome> SuspendAsync(WorkKind kind, ParkedRecord record, bool suspend, CancellationToken cancellationToken)
    {
        if (await kind.GetAsync(client, record.Namespace, record.Name, cancellationToken) is not { } work || work.Metadata.Uid != record.Uid) return ActOutcome.Gone;
        // The webhook made it suspended: it stays so, and is marked like all that is parked.
        var isHeld = suspend && HeldMark.IsHeld(work);
        if (work.IsStopped == suspend && !isHeld) return ActOutcome.AlreadySo;
        var operations = new List<PatchOperation>
        {
            PatchOperation.Test("/metadata/uid", record.Uid),
            // What is not there cannot be tested; the generation stands for the spec that was read.
            // Nor a boolean that stands there as a text.
            work.Switch == Work.Absent || work.Metadata.MistypedFields.Any(field => field.IsConverted && "/" + field.Path.Replace('.', '/') == kind.Field)
                ? PatchOperation.Test("/metadata/generation", work.Metadata.Generation) : PatchOperation.Test(kind.Field, work.IsStopped),
        };
        if (suspend && work.MissingPart is { } part) operations.Add(PatchOperation.Add(part, new JsonObject()));
        if (!isHeld) operations.Add(
            !suspend && record.Original == Work.Absent ? PatchOperation.Remove(kind.Field)
            : work.Switch == Work.Absent ? PatchOperation.Add(kind.Field, suspend)
            : PatchOperation.Replace(kind.Field, suspend));
        // The annotations mirror the ledger for whoever looks at the object; they are never read back as its source.
        var by = PatchOperation.Pointer("metadata", "annotations", BursarAnnotations.SuspendedBy);
        var why = PatchOperation.Pointer("metadata", "annotations", BursarAnnotations.SuspendedReason);
        if (suspend)
        {
            if (work.Metadata.Annotations.Count == 0) operations.Add(PatchOperation.Add("/metadata/annotations", new JsonObject()));
            operations.Add(PatchOperation.Add(by, $"gpubudget/{record.Budget}"));
            operations.Add(PatchOperation.Add(why, record.Reason));
            if (work.Metadata.Annotations.ContainsKey(BursarAnnotations.CheckpointRequested)) operations.Add(PatchOperation.Remove(s_requested));
        }
        else
        {
            if (work.Metadata.Annotations.ContainsKey(BursarAnnotations.SuspendedBy)) operations.Add(PatchOperation.Remove(by));
            if (work.Metadata.Annotations.ContainsKey(BursarAnnotations.SuspendedReason)) operations.Add(PatchOperation.Remove(why));
        }
        if (HeldMark.IsOn(work)) operations.Add(HeldMark.Erase());
        await kind.PatchAsync(client, record.Namespace, record.Name, KubePatch.Json([.. operations]), cancellationToken);
        return ActOutcome.Done;
    }

    private async Task<ActOutcome> ScaleAsync(WorkKind kind, ParkedRecord record, string from, string to, CancellationToken cancellationToken)
    {
        var scale = await kind.GetScaleAsync(client, record.Namespace, record.Name, cancellationToken);
        if (scale.Metadata.Uid.Length > 0 && scale.Metadata.Uid != record.Uid) return ActOutcome.Gone;
        var present = Text(scale.Spec.Replicas);
        if (present == to) return ActOutcome.AlreadySo;
        if (present != from) return ActOutcome.ChangedByOther;
        // A merge patch on the version that was read: a scale of zero leaves its replicas out, so there is no value to test.
        await kind.PatchScaleAsync(client, record.Namespace, record.Name, KubePatch.Merge(new JsonObject
        {
            ["metadata"] = new JsonObject { ["resourceVersion"] = scale.Metadata.ResourceVersion },
            ["spec"] = new JsonObject { ["replicas"] = int.Parse(to, CultureInfo.InvariantCulture) },
        }), cancellationToken);
        return ActOutcome.Done;
    }

    private static string Text(int replicas) => replicas.ToString(CultureInfo.InvariantCulture);
}
