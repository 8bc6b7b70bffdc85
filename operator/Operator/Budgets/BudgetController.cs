using System.Runtime.ExceptionServices;
using Bursar.Api;
using Bursar.Concurrency;
using Bursar.Core.Budgets;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>Reconciles the budgets of one kind. Both kinds share one <see cref="BudgetReconciler"/>.</summary>
internal sealed class BudgetController<TBudget>(BudgetReconciler reconciler) : IEntityController<TBudget>
    where TBudget : BudgetObject, IKubernetesEntity<TBudget>
{
    public async Task<ReconciliationResult<TBudget>> ReconcileAsync(TBudget entity, CancellationToken cancellationToken) =>
        await reconciler.ReconcileAsync(entity, cancellationToken) is { } next
            ? ReconciliationResult<TBudget>.Success(entity, next)
            : ReconciliationResult<TBudget>.Success(entity);

    public Task<ReconciliationResult<TBudget>> DeletedAsync(TBudget entity, CancellationToken cancellationToken)
    {
        reconciler.Forget(entity);
        return Task.FromResult(ReconciliationResult<TBudget>.Success(entity));
    }
}

/// <summary>
/// Reconciles a budget: observe, decide, act, then write the status. Status, Events and metrics all come from the one decision of the pass.
/// </summary>
internal sealed class BudgetReconciler(
    BudgetObserver observer,
    BudgetRecorder recorder,
    BudgetActor actor,
    BudgetReporter reporter,
    RequestReporter requests,
    GatedWorkloadActor gated,
    DecisionStore decisions,
    Expectations expectations,
    ClusterStores stores,
    TimeProvider time
)
{
    /// <summary>Interval of evaluations while workloads exist; part of the published overspend bound.</summary>
    public static readonly TimeSpan Evaluation = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan IdleEvaluation = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan ExpectationRetry = TimeSpan.FromMilliseconds(200);

    /// <summary>
    /// Budgets are observed and decided one after another, so that each sees the decisions of the others. Budgets that share workloads then
    /// never promise the cost of one workload twice.
    /// </summary>
    private readonly AsyncLock _deciding = new(time, "decides on budgets");

    /// <summary>Returns the time to the next pass; null if the budget has no valid spec.</summary>
    public async Task<TimeSpan?> ReconcileAsync(BudgetObject entity, CancellationToken cancellationToken)
    {
        recorder.RestoreSpec(entity);
        if (GpuBudgetReader.Read(entity, out var terms, out var selector, out var exempt) is { Count: > 0 } errors)
        {
            decisions.Forget(entity);
            return await reporter.RefuseAsync(entity, new(errors, null), cancellationToken);
        }
        var budget = new ReadBudget(entity, terms!, selector, exempt, recorder.NamespacesOf(entity, terms!));
        if (expectations.IsWaiting(budget.Namespaces))
            return ExpectationRetry;

        recorder.RestoreProgress(budget);
        BudgetSnapshot snapshot;
        GrantDecision grants;
        BudgetDecision decision;
        using (await _deciding.EnterAsync(cancellationToken))
        {
            (snapshot, grants) = recorder.Grant(budget, observer.Observe(budget) with { RolledOver = recorder.BeginWindow(budget) });
            decision = BudgetDecider.Decide(snapshot);
            recorder.Record(budget, snapshot, decision);
            decisions.Record(entity, decision);
            MarkOthers(entity, decision);
        }
        reporter.Announce(entity, decision);
        await actor.RecordAsync(budget, snapshot, decision, cancellationToken);
        TimeSpan? requestWait = null;
        var requestFailure = await TryAsync(async () => requestWait = await requests.ReportAsync(entity, grants, cancellationToken));
        var gateFailure = await TryAsync(() => gated.RemoveGateAsync(budget, decision, cancellationToken));
        // A failed write must not prevent the status update.
        var failed = await TryAsync(() => actor.ActAsync(budget, snapshot, decision, cancellationToken))
            ?? await TryAsync(() => actor.ReleaseStraysAsync(budget, snapshot, cancellationToken))
            ?? gateFailure
            ?? requestFailure;
        var wait = await reporter.WriteStatusAsync(budget, decision, cancellationToken);
        failed?.Throw();
        return Next(budget, snapshot, decision, requestWait < wait || wait is null ? requestWait : wait);
    }

    /// <summary>Marks the other budgets of the workloads that a decision resumes, because they have reserved nothing for them.</summary>
    private void MarkOthers(BudgetObject entity, BudgetDecision decision)
    {
        foreach (var action in decision.Actions.Where(action => action.Kind == ActionKind.Resume))
        foreach (var other in stores.Coverage.In(action.Workload.Namespace))
            if (other.Metadata.Uid != entity.Metadata.Uid)
                decisions.MarkOutdated(other);
    }

    public void Forget(BudgetObject entity)
    {
        reporter.Forget(entity.Metadata.Uid);
        recorder.Forget(entity.Metadata.Uid);
        actor.Forget(entity.Metadata.Uid);
        decisions.Forget(entity);
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
        foreach (var grant in decision.Grants)
            if (grant.EndedAt is null && grant.ExpiresAt > snapshot.Now && grant.ExpiresAt - snapshot.Now < next)
                next = grant.ExpiresAt - snapshot.Now;
        // A checkpoint request must end at its deadline, because the overspend bound relies on it.
        foreach (var request in decision.Memory.Checkpoints.Values)
            if (request.Deadline > snapshot.Now && request.Deadline - snapshot.Now < next)
                next = request.Deadline - snapshot.Now;
        if (statusWait is { } wait && wait < next)
            next = wait;
        return next < TimeSpan.FromMilliseconds(1) ? TimeSpan.FromMilliseconds(1) : next;
    }
}
