using System.Runtime.ExceptionServices;
using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.KubeOps;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>
/// The one loop: observe, decide, act, and the status last. Everything people see of a budget follows from the one
/// decision value of this evaluation.
/// </summary>
internal sealed class BudgetController(
    BudgetObserver observer,
    BudgetRecorder recorder,
    BudgetActor actor,
    BudgetReporter reporter,
    GatedWorkloadActor held,
    DecisionStore decisions,
    Expectations echoes
) : IEntityController<V1Alpha1GpuBudget>
{
    /// <summary>How long an evaluation of running work may be put off; part of the published overspend bound.</summary>
    public static readonly TimeSpan Evaluation = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan IdleEvaluation = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan ExpectationRetry = TimeSpan.FromMilliseconds(200);

    public async Task<ReconciliationResult<V1Alpha1GpuBudget>> ReconcileAsync(V1Alpha1GpuBudget entity, CancellationToken cancellationToken)
    {
        recorder.RestoreSpec(entity);
        if (GpuBudgetReader.Read(entity, out var terms, out var selector, out var exempt) is { Count: > 0 } errors)
        {
            decisions.Forget(entity);
            return await reporter.RefuseAsync(entity, new(errors, null), cancellationToken) is { } retry
                ? ReconciliationResult<V1Alpha1GpuBudget>.Success(entity, retry)
                : ReconciliationResult<V1Alpha1GpuBudget>.Success(entity);
        }
        if (echoes.IsWaiting(entity.Metadata.Namespace ?? ""))
            return ReconciliationResult<V1Alpha1GpuBudget>.Success(entity, ExpectationRetry);

        var budget = new ReadBudget(entity, terms!, selector, exempt);
        recorder.RestoreProgress(budget);
        var snapshot = observer.Observe(budget);
        var decision = BudgetDecider.Decide(snapshot);
        recorder.Record(budget, snapshot, decision);
        reporter.Announce(entity, decision);
        decisions.Record(entity, decision);
        await actor.RecordAsync(budget, snapshot, decision, cancellationToken);
        var heldBack = await TryAsync(() => held.RemoveGateAsync(budget, decision, cancellationToken));
        // One object that cannot be written must not keep the status of the others from being told.
        var failed = await TryAsync(() => actor.ActAsync(budget, snapshot, decision, cancellationToken))
            ?? await TryAsync(() => actor.ReleaseStraysAsync(budget, snapshot, cancellationToken))
            ?? heldBack;
        var wait = await reporter.WriteStatusAsync(entity, decision, cancellationToken);
        failed?.Throw();
        return ReconciliationResult<V1Alpha1GpuBudget>.Success(entity, Next(budget, snapshot, decision, wait));
    }

    public Task<ReconciliationResult<V1Alpha1GpuBudget>> DeletedAsync(V1Alpha1GpuBudget entity, CancellationToken cancellationToken)
    {
        reporter.Forget(entity.Metadata.Uid);
        recorder.Forget(entity.Metadata.Uid);
        actor.Forget(entity.Metadata.Uid);
        decisions.Forget(entity);
        return Task.FromResult(ReconciliationResult<V1Alpha1GpuBudget>.Success(entity));
    }

    private static async Task<ExceptionDispatchInfo?> TryAsync(Func<Task> act)
    {
        try
        {
            await act();
            return null;
        }
        catch (ApiException error)
        {
            return ExceptionDispatchInfo.Capture(error);
        }
    }

    /// <summary>Exactly at the window's edge; else soon while something burns or waits for its stop.</summary>
    private static TimeSpan Next(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision, TimeSpan? statusWait)
    {
        var moves = snapshot.BurnRate.NanoPerHour > 0 || snapshot.Workloads.Count > 0 || decision.Actions.Count > 0;
        var next = moves ? Evaluation : IdleEvaluation;
        if (Window.NextEdge(budget.Terms.Window, snapshot.Now) is { } edge && edge - snapshot.Now < next)
            next = edge - snapshot.Now;
        // A wait that is over ends then, and not at the next look: that is what the bound counts on.
        foreach (var request in decision.Memory.Checkpoints.Values)
            if (request.Deadline > snapshot.Now && request.Deadline - snapshot.Now < next)
                next = request.Deadline - snapshot.Now;
        if (statusWait is { } wait && wait < next)
            next = wait;
        return next < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : next;
    }
}
