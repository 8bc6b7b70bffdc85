using System.Runtime.ExceptionServices;
using Bursar.Api;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.KubeOps;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Reconciles a budget: observe, decide, act, then write the status. Status, Events and metrics all come from the one decision of the pass.
/// </summary>
internal sealed class BudgetController(
    BudgetObserver observer,
    BudgetRecorder recorder,
    BudgetActor actor,
    BudgetReporter reporter,
    GatedWorkloadActor gated,
    DecisionStore decisions,
    Expectations expectations
) : IEntityController<V1Alpha1GpuBudget>
{
    /// <summary>Interval of evaluations while workloads exist; part of the published overspend bound.</summary>
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
        if (expectations.IsWaiting(entity.Metadata.Namespace ?? ""))
            return ReconciliationResult<V1Alpha1GpuBudget>.Success(entity, ExpectationRetry);

        var budget = new ReadBudget(entity, terms!, selector, exempt);
        recorder.RestoreProgress(budget);
        var snapshot = observer.Observe(budget);
        var decision = BudgetDecider.Decide(snapshot);
        recorder.Record(budget, snapshot, decision);
        reporter.Announce(entity, decision);
        decisions.Record(entity, decision);
        await actor.RecordAsync(budget, snapshot, decision, cancellationToken);
        var gateFailure = await TryAsync(() => gated.RemoveGateAsync(budget, decision, cancellationToken));
        // A failed write must not prevent the status update.
        var failed = await TryAsync(() => actor.ActAsync(budget, snapshot, decision, cancellationToken))
            ?? await TryAsync(() => actor.ReleaseStraysAsync(budget, snapshot, cancellationToken))
            ?? gateFailure;
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

    /// <summary>
    /// Returns the time to the next pass: short while a workload exists or costs money, and never later than the edge of the window.
    /// </summary>
    private static TimeSpan Next(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision, TimeSpan? statusWait)
    {
        var isActive = snapshot.BurnRate.NanoPerHour > 0 || snapshot.Workloads.Count > 0 || decision.Actions.Count > 0;
        var next = isActive ? Evaluation : IdleEvaluation;
        if (Window.NextEdge(budget.Terms.Window, snapshot.Now) is { } edge && edge - snapshot.Now < next)
            next = edge - snapshot.Now;
        // A checkpoint request must end at its deadline, because the overspend bound relies on it.
        foreach (var request in decision.Memory.Checkpoints.Values)
            if (request.Deadline > snapshot.Now && request.Deadline - snapshot.Now < next)
                next = request.Deadline - snapshot.Now;
        if (statusWait is { } wait && wait < next)
            next = wait;
        return next < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : next;
    }
}
