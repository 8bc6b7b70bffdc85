using System.Text.Json.Nodes;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;

namespace Bursar.Operator.Workloads;

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
    public const string SuspendField = "/spec/suspend";
    public const string ReplicasField = "/spec/replicas";

    /// <summary>The record of a parking that is about to happen; null when the kind has no switch here.</summary>
    public static ParkedRecord? RecordOf(WorkloadKey workload, ClusterStores stores, BudgetAction action, string budget, string budgetUid, string cause)
    {
        var record = new ParkedRecord
        {
            ApiVersion = "batch/v1",
            Kind = workload.Kind,
            Namespace = workload.Namespace,
            Name = workload.Name,
            Uid = workload.Uid,
            Field = SuspendField,
            Original = "false",
            Value = "true",
            Since = action.Parked!.Since,
            Reason = action.Reason,
            Cause = cause,
            Budget = budget,
            BudgetUid = budgetUid,
            CostToFinish = action.CostToFinish,
        };
        if (workload.Kind == "Job") return record;
        if (workload.Kind != "Deployment" || stores.Deployments.Store.Get(workload.Namespace, workload.Name) is not { } deployment) return null;
        return record with
        {
            ApiVersion = "apps/v1",
            Field = ReplicasField,
            Original = (deployment.Spec.Replicas ?? 1).ToString(System.Globalization.CultureInfo.InvariantCulture),
            Value = "0",
        };
    }

    public Task<ActOutcome> ParkAsync(ParkedRecord record, CancellationToken cancellationToken) =>
        record.Field == SuspendField ? SuspendAsync(record, suspend: true, cancellationToken) : ScaleAsync(record, record.Original, record.Value, cancellationToken);

    /// <summary>Gives back what the record says, if the field still holds what Bursar set.</summary>
    public Task<ActOutcome> RestoreAsync(ParkedRecord record, CancellationToken cancellationToken) =>
        record.Field == SuspendField ? SuspendAsync(record, suspend: false, cancellationToken) : ScaleAsync(record, record.Value, record.Original, cancellationToken);

    private async Task<ActOutcome> SuspendAsync(ParkedRecord record, bool suspend, CancellationToken cancellationToken)
    {
        if (await client.GetOrNullAsync<V1Job>(record.Name, record.Namespace, cancellationToken) is not { } job || job.Metadata.Uid != record.Uid) return ActOutcome.Gone;
        if ((job.Spec.Suspend == true) == suspend) return ActOutcome.AlreadySo;
        var operations = new List<PatchOperation>
        {
            PatchOperation.Test("/metadata/uid", record.Uid),
            PatchOperation.Test(SuspendField, !suspend),
            PatchOperation.Replace(SuspendField, suspend),
        };
        // The annotations mirror the ledger for whoever looks at the object; they are never read back as its source.
        var by = PatchOperation.Pointer("metadata", "annotations", BursarAnnotations.SuspendedBy);
        var why = PatchOperation.Pointer("metadata", "annotations", BursarAnnotations.SuspendedReason);
        if (suspend)
        {
            if (job.Metadata.Annotations.Count == 0) operations.Add(PatchOperation.Add("/metadata/annotations", new JsonObject()));
            operations.Add(PatchOperation.Add(by, $"gpubudget/{record.Budget}"));
            operations.Add(PatchOperation.Add(why, record.Reason));
        }
        else
        {
            if (job.Metadata.Annotations.ContainsKey(BursarAnnotations.SuspendedBy)) operations.Add(PatchOperation.Remove(by));
            if (job.Metadata.Annotations.ContainsKey(BursarAnnotations.SuspendedReason)) operations.Add(PatchOperation.Remove(why));
        }
        try
        {
            await client.PatchAsync<V1Job>(record.Name, record.Namespace, KubePatch.Json([.. operations]), cancellationToken);
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

    private async Task<ActOutcome> ScaleAsync(ParkedRecord record, string from, string to, CancellationToken cancellationToken)
    {
        try
        {
            var scale = await client.GetScaleAsync<V1Deployment>(record.Name, record.Namespace, cancellationToken);
            if (scale.Metadata.Uid.Length > 0 && scale.Metadata.Uid != record.Uid) return ActOutcome.Gone;
            var present = scale.Spec.Replicas.ToString(System.Globalization.CultureInfo.InvariantCulture);
            if (present == to) return ActOutcome.AlreadySo;
            if (present != from) return ActOutcome.ChangedByOther;
            var value = int.Parse(to, System.Globalization.CultureInfo.InvariantCulture);
            // A merge patch on the version that was read: a scale of zero leaves its replicas out, so there is no value to test.
            await client.PatchScaleAsync<V1Deployment>(record.Name, record.Namespace, KubePatch.Merge(new JsonObject
            {
                ["metadata"] = new JsonObject { ["resourceVersion"] = scale.Metadata.ResourceVersion },
                ["spec"] = new JsonObject { ["replicas"] = value },
            }), cancellationToken);
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
}
