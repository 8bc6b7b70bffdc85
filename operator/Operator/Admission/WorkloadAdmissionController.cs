using System.Collections.Concurrent;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Budgets;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Admission;

/// <summary>
/// Answers Kueue's AdmissionCheck on a Workload that has quota: Ready as soon as every budget that selects it has admitted it. A workload
/// that does not fit is neither rejected nor retried here. Its budget suspends it, which releases the quota.
/// </summary>
internal sealed partial class WorkloadAdmissionController(
    KubeClient client,
    ClusterStores stores,
    DecisionStore decisions,
    ObserveOnlyMode control,
    TimeProvider time,
    ILogger<WorkloadAdmissionController> logger
) : IEntityController<V1Workload>
{
    /// <summary>Delay before the next try while the job is not cached.</summary>
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<string, string> _answered = new(StringComparer.Ordinal);

    public async Task<ReconciliationResult<V1Workload>> ReconcileAsync(V1Workload entity, CancellationToken cancellationToken)
    {
        var index = Reviewed(entity, stores);
        if (index < 0)
            return ReconciliationResult<V1Workload>.Success(entity);
        if (Answer(entity) is not { } answer)
            return ReconciliationResult<V1Workload>.Success(entity, Retry);
        // The next decision enqueues the Workload again.
        if (!answer.Admits)
            return ReconciliationResult<V1Workload>.Success(entity);

        // The cache may still show the state before this replica's own write.
        if (_answered.TryGetValue(entity.Metadata.Uid, out var version) && version == entity.Metadata.ResourceVersion)
            return ReconciliationResult<V1Workload>.Success(entity);
        var check = entity.Status.AdmissionChecks[index];
        var path = $"/status/admissionChecks/{index}";
        LogAdmitting(entity.Metadata.Namespace ?? "", entity.Metadata.Name, check.Name, answer.Sentence);
        try
        {
            await client.PatchAsync<V1Workload>(
                entity.Metadata.Name,
                entity.Metadata.Namespace,
                KubePatch.Json(
                    PatchOperation.Test("/metadata/uid", entity.Metadata.Uid),
                    PatchOperation.Test($"{path}/name", check.Name),
                    PatchOperation.Test($"{path}/state", "Pending"),
                    PatchOperation.Replace($"{path}/state", "Ready"),
                    PatchOperation.Add($"{path}/message", answer.Sentence),
                    PatchOperation.Add($"{path}/lastTransitionTime", Rfc3339.Format(time.GetUtcNow()))
                ) with
                {
                    Subresource = "status",
                },
                cancellationToken
            );
        }
        catch (ApiException error) when (error.IsNotFound || error.IsInvalid)
        {
            // It is gone or its check was reset. The next change triggers another reconcile.
        }
        _answered[entity.Metadata.Uid] = entity.Metadata.ResourceVersion;
        return ReconciliationResult<V1Workload>.Success(entity);
    }

    public Task<ReconciliationResult<V1Workload>> DeletedAsync(V1Workload entity, CancellationToken cancellationToken)
    {
        _answered.TryRemove(entity.Metadata.Uid, out _);
        return Task.FromResult(ReconciliationResult<V1Workload>.Success(entity));
    }

    /// <summary>Returns the index of its check that waits for Bursar; -1 for none.</summary>
    public static int Reviewed(V1Workload workload, ClusterStores stores)
    {
        if (
            stores.AdmissionChecks is not { } checks
            || workload.Spec.Active == false
            || !workload.Status.Has("QuotaReserved")
            || workload.Status.Has("Evicted")
            || workload.Status.Has("Finished")
        )
            return -1;
        for (var i = 0; i < workload.Status.AdmissionChecks.Count; i++)
            if (
                workload.Status.AdmissionChecks[i] is { State: "Pending", Name: { } name }
                && checks.Store.Get(null, name)?.Spec.ControllerName == AdmissionAnswer.ControllerName
            )
                return i;
        return -1;
    }

    /// <summary>Returns the answer; null while the job or a budget's decision is missing.</summary>
    private AdmissionAnswer? Answer(V1Workload workload)
    {
        var ns = workload.Metadata.Namespace ?? "";
        if (workload.Metadata.ControllerReference() is not { } owner || stores.CacheOf(owner) is not { IsServed: true } cache)
            return new(true, "Bursar cannot suspend this kind: it is counted if a budget selects it.");
        if (cache.Get(ns, owner.Name, owner.Uid) is not { } work)
            return null;
        if (!work.HasGpus)
            return new(true, "It asks for no GPU.");
        var labels = work.Labels;
        AdmissionAnswer? combined = null;
        foreach (var budget in stores.Coverage.WithLimitsIn(ns))
        {
            // A budget with an invalid spec enforces nothing.
            if (GpuBudgetReader.Read(budget, out var terms, out var selector, out _).Count > 0 || !selector.Matches(labels))
                continue;
            if (Answer(budget, owner.Uid) is not { } answer)
            {
                // A limit on some GPUs lists only workloads that use it.
                if (terms!.Counted.IsPartial && decisions.Get(budget) is not null)
                    continue;
                return null;
            }
            if (!answer.Admits)
                return answer;
            combined = combined is null ? answer : combined with { Sentence = $"{combined.Sentence} {answer.Sentence}" };
        }
        return combined ?? new(true, "No budget selects it.");
    }

    /// <summary>Returns the budget's answer; null while it has not evaluated the workload.</summary>
    private AdmissionAnswer? Answer(BudgetObject budget, string uid) =>
        decisions.Get(budget) is { } decision
        && decision.Workloads.FirstOrDefault(one => one.Key.Uid == uid && one.State is WorkloadState.Pending or WorkloadState.Running)
            is { } verdict
            ? AdmissionAnswer.From(decision, verdict, budget.Metadata.Name, observes: !decision.IsEnforcing || control.ObserveOnly)
            : null;

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Answering Kueue admission check: Namespace={Namespace} Name={Name} Check={Check} Answer={Answer}"
    )]
    private partial void LogAdmitting(string @namespace, string name, string check, string answer);
}
