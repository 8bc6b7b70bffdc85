using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Suspends the CronJob of a parked run and gives it back, so that no second run is made while one waits, and none replaces it
/// (concurrencyPolicy Replace deletes the waiting run). Only what the ledger holds is given back.
/// </summary>
public sealed class MakerActor(KubeClient client)
{
    private readonly FieldWriter _writer = new(client);

    /// <summary>
    /// The maker of a workload that is about to be parked, as it stands; null where it has none, or somebody else has suspended it.
    /// </summary>
    public async Task<FieldOverride?> FindAsync(V1ObjectMeta workload, CancellationToken cancellationToken)
    {
        if (workload.ControllerReference() is not { IsCronJob: true } owner)
            return null;
        if (
            await client.GetOrNullAsync<V1CronJob>(owner.Name, workload.Namespace, cancellationToken) is not { } maker
            || maker.Metadata.Uid != owner.Uid
        )
            return null;
        // One that Bursar suspended for a run whose record is lost is still Bursar's.
        if (maker.Spec.Suspend == true && !maker.Metadata.Annotations.ContainsKey(BursarAnnotations.SuspendedBy))
            return null;
        return new(
            new(V1CronJob.EntityKind.ApiVersion, owner.Kind, owner.Name, owner.Uid),
            WorkKind.SuspendField,
            maker.Spec.Suspend is null ? Work.Absent : "false",
            "true"
        );
    }

    /// <summary>
    /// Done, or already so by an earlier try; ChangedByOther where somebody else suspended it since it was read: then it is theirs.
    /// </summary>
    public async Task<WriteResult> HoldAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        (
            await ChangeAsync(
                record,
                obj =>
                    !IsSuspended(obj)
                        ? FieldChange.Set([new(WorkKind.SuspendField, "true"), .. FieldWriter.Mirror(record.Budget, "RunWaits")])
                    // Of a CronJob that is suspended already the mirror tells whether an earlier try of ours did it.
                    : FieldWriter.Text(obj, FieldWriter.Annotation(BursarAnnotations.SuspendedBy)) != Work.Absent ? WriteOutcome.AlreadySo
                    : WriteOutcome.ChangedByOther(),
                cancellationToken
            )
        ).Result;

    /// <summary>Gives it back as it was.</summary>
    public async Task<WriteResult> FreeAsync(SuspensionRecord record, CancellationToken cancellationToken) =>
        (
            await ChangeAsync(
                record,
                obj =>
                    !IsSuspended(obj)
                        ? WriteOutcome.AlreadySo
                        : FieldChange.Set([
                            new(WorkKind.SuspendField, record.CronJob!.Original == Work.Absent ? Work.Absent : "false"),
                            .. FieldWriter.Mirror(null),
                        ]),
                cancellationToken
            )
        ).Result;

    private Task<WriteOutcome> ChangeAsync(
        SuspensionRecord record,
        Func<JsonObject, FieldChange> decide,
        CancellationToken cancellationToken
    ) => _writer.ChangeAsync(record.Namespace, record.CronJob!.Object, decide, cancellationToken);

    private static bool IsSuspended(JsonObject maker) => FieldWriter.Text(maker, WorkKind.SuspendField) == "true";
}
