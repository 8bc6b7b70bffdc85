using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Suspends the CronJob of a parked run and gives it back, so that no second run is made while one waits, and none replaces it
/// (concurrencyPolicy Replace deletes the waiting run). Written as work is: by JSON patch with a test on what was read, and only what the
/// ledger holds is given back.
/// </summary>
public sealed class MakerActor(KubeClient client)
{
    /// <summary>The maker of a workload that is about to be parked, as it stands; null where it has none, or somebody else has suspended it.</summary>
    public async Task<HeldMaker?> FindAsync(V1ObjectMeta workload, CancellationToken cancellationToken)
    {
        if (workload.ControllerReference() is not { IsCronJob: true } owner) return null;
        if (await client.GetOrNullAsync<V1CronJob>(owner.Name, workload.Namespace, cancellationToken) is not { } maker || maker.Metadata.Uid != owner.Uid) return null;
        // One that Bursar suspended for a run whose record is lost is still Bursar's.
        if (maker.Spec.Suspend == true && !maker.Metadata.Annotations.ContainsKey(BursarAnnotations.SuspendedBy)) return null;
        return new(owner.Kind, owner.Name, owner.Uid, maker.Spec.Suspend is null ? Work.Absent : "false");
    }

    /// <summary>Done, or already so by an earlier try; ChangedByOther where somebody else suspended it since it was read: then it is theirs.</summary>
    public Task<ActOutcome> HoldAsync(ParkedRecord record, CancellationToken cancellationToken) => WriteAsync(record, suspend: true, cancellationToken);

    /// <summary>Gives it back as it was.</summary>
    public Task<ActOutcome> FreeAsync(ParkedRecord record, CancellationToken cancellationToken) => WriteAsync(record, suspend: false, cancellationToken);

    private async Task<ActOutcome> WriteAsync(ParkedRecord record, bool suspend, CancellationToken cancellationToken)
    {
        const int mostTries = 3;
        var held = record.Maker!;
        for (var tried = 1; ; tried++)
        {
            if (await client.GetOrNullAsync<V1CronJob>(held.Name, record.Namespace, cancellationToken) is not { } maker || maker.Metadata.Uid != held.Uid) return ActOutcome.Gone;
            // Of a CronJob that is suspended already the mirror tells whether an earlier try of ours did it.
            if (maker.Spec.Suspend == true && suspend) return maker.Metadata.Annotations.ContainsKey(BursarAnnotations.SuspendedBy) ? ActOutcome.AlreadySo : ActOutcome.ChangedByOther;
            if (maker.Spec.Suspend != true && !suspend) return ActOutcome.AlreadySo;
            try
            {
                await client.PatchAsync<V1CronJob>(held.Name, record.Namespace, KubePatch.Json([.. Operations(record, held, maker, suspend)]), cancellationToken);
                return ActOutcome.Done;
            }
            catch (ApiException error) when (error.IsNotFound)
            {
                return ActOutcome.Gone;
            }
            catch (ApiException error) when ((error.IsInvalid || error.IsConflict) && tried < mostTries)
            {
                // It was changed in between, as each of its runs does: it is read again.
            }
        }
    }

    private static List<PatchOperation> Operations(ParkedRecord record, HeldMaker held, V1CronJob maker, bool suspend)
    {
        var operations = new List<PatchOperation>
        {
            PatchOperation.Test("/metadata/uid", held.Uid),
            maker.Spec.Suspend is { } present ? PatchOperation.Test("/spec/suspend", present) : PatchOperation.Test("/metadata/generation", maker.Metadata.Generation),
            suspend ? PatchOperation.Add("/spec/suspend", true)
                : held.Original == Work.Absent ? PatchOperation.Remove("/spec/suspend")
                : PatchOperation.Replace("/spec/suspend", false),
        };
        var by = PatchOperation.Pointer("metadata", "annotations", BursarAnnotations.SuspendedBy);
        var why = PatchOperation.Pointer("metadata", "annotations", BursarAnnotations.SuspendedReason);
        if (suspend)
        {
            if (maker.Metadata.Annotations.Count == 0) operations.Add(PatchOperation.Add("/metadata/annotations", new JsonObject()));
            operations.Add(PatchOperation.Add(by, $"gpubudget/{record.Budget}"));
            operations.Add(PatchOperation.Add(why, "RunWaits"));
        }
        else
        {
            if (maker.Metadata.Annotations.ContainsKey(BursarAnnotations.SuspendedBy)) operations.Add(PatchOperation.Remove(by));
            if (maker.Metadata.Annotations.ContainsKey(BursarAnnotations.SuspendedReason)) operations.Add(PatchOperation.Remove(why));
        }
        return operations;
    }
}
