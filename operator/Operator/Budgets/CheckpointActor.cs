using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;
using Bursar.Operator.Telemetry;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Budgets;

/// <summary>Publishes checkpoint requests to workloads, as annotations, and to the agents of their nodes, and withdraws them.</summary>
internal sealed partial class CheckpointActor(
    ClusterStores stores,
    WorkloadActor workloads,
    CheckpointTracker tracker,
    BudgetEvents events,
    ILogger<CheckpointActor> logger
)
{
    /// <summary>Publishes the budget's stored requests to the agents. New ones follow in <see cref="ActAsync"/>, once they are stored.</summary>
    public void Publish(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision) =>
        tracker.Set(
            budget.Uid,
            decision.Memory.Checkpoints.Where(one =>
                snapshot.Memory.Checkpoints.TryGetValue(one.Key, out var known) && known.Id == one.Value.Id
            )
        );

    /// <summary>Sends a request that is stored in the ledger, or withdraws one that was removed from it.</summary>
    public async Task ActAsync(ReadBudget budget, BudgetAction action, bool isNew, CancellationToken cancellationToken)
    {
        var isRequest = action.Kind == ActionKind.RequestCheckpoint;
        LogRequesting(action.Workload.Namespace, action.Workload.Name, action.Workload.Kind, budget.Name, action.CheckpointId!, isRequest);
        if (isRequest)
            tracker.Add(budget.Uid, action.Workload.Uid, action.Checkpoint!);
        var outcome = await workloads.MirrorRequestAsync(action.Workload, action.CheckpointId!, isRequest, cancellationToken);
        // No Event for the removal of a leftover annotation.
        if (action.Checkpoint is not null && (outcome is WriteResult.Done || isNew))
            events.CheckpointRequested(budget.Object, action);
    }

    public void Forget(string budgetUid) => tracker.Set(budgetUid, []);

    /// <summary>Removes the annotations of a deleted budget's requests.</summary>
    public async Task ClearAsync(string ns, string budget, string budgetUid, CancellationToken cancellationToken)
    {
        Forget(budgetUid);
        foreach (var kind in stores.Kinds)
        foreach (var work in ns.Length > 0 ? kind.In(ns) : kind.All())
            if (
                work.Metadata.Annotations.TryGetValue(BursarAnnotations.CheckpointRequested, out var id)
                && id.StartsWith(CheckpointRequest.PrefixOf(ns, budget), StringComparison.Ordinal)
            )
                await workloads.MirrorRequestAsync(PodWorkload.From(work).Key, id, isRequested: false, cancellationToken);
    }

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Requesting checkpoint: Namespace={Namespace} Name={Name} Kind={Kind} Budget={Budget} Id={Id} Requested={Requested}"
    )]
    private partial void LogRequesting(string @namespace, string name, string kind, string budget, string id, bool requested);
}
