using System.Collections.Concurrent;
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
/// Reconciles a budget: observe, decide and act, for the budget and for each limit inside it, then write the status. Status, Events and
/// metrics all come from the decisions of the pass.
/// </summary>
internal sealed class BudgetReconciler(
    BudgetObserver observer,
    LabelLimits limits,
    BudgetRecorder recorder,
    SpendingRecorder spending,
    LoanObserver loans,
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
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(1);

    /// <summary>
    /// Budgets are observed and decided one after another, so that each sees the decisions of the others. Budgets that share workloads then
    /// never promise the cost of one workload twice.
    /// </summary>
    private readonly AsyncLock _deciding = new(time, "decides on budgets");

    /// <summary>The UIDs of the budgets whose loans are not stored yet.</summary>
    private readonly ConcurrentDictionary<string, bool> _unstoredLoans = new(StringComparer.Ordinal);

    /// <summary>Returns the time to the next pass; null if the budget has no valid spec.</summary>
    public async Task<TimeSpan?> ReconcileAsync(BudgetObject entity, CancellationToken cancellationToken)
    {
        recorder.RestoreSpec(entity);
        if (GpuBudgetReader.Read(entity, out var terms, out var selector, out var exempt) is { Count: > 0 } errors)
        {
            foreach (var part in stores.Coverage.LimitsOf(entity).Prepend(entity))
                decisions.Forget(part);
            return await reporter.RefuseAsync(entity, new(errors, null), cancellationToken);
        }
        var budget = new ReadBudget(entity, terms!, selector, exempt, recorder.NamespacesOf(entity, terms!));
        if (expectations.IsWaiting(budget.Namespaces))
            return ExpectationRetry;

        recorder.SetCuts(entity);
        var withoutLimit = limits.Update(budget);
        var whole = await PassAsync([budget], () => [observer.Observe(budget)], cancellationToken);
        var (next, failed) = (whole.Next, whole.Failed);
        TimeSpan? wait = null;
        var requestFailure = await TryAsync(async () => wait = await requests.ReportAsync(entity, whole.Grants!, cancellationToken));
        failed ??= requestFailure;
        foreach (var group in GroupsOf(budget))
        {
            // A decision must see what the one before it has written.
            if (expectations.IsWaiting(budget.Namespaces))
            {
                next = ExpectationRetry;
                break;
            }
            var pass = await PassAsync(group.Limits, group.Observe, cancellationToken);
            failed ??= pass.Failed;
            next = pass.Next < next ? pass.Next : next;
        }
        (BudgetObject, BudgetDecision)[] decided =
        [
            .. stores
                .Coverage.LimitsOf(entity)
                .Where(limit => decisions.Get(limit) is not null)
                .Select(limit => (limit, decisions.Get(limit)!)),
        ];
        var statusWait = await reporter.WriteStatusAsync(budget, whole.Decision, decided, withoutLimit, cancellationToken);
        foreach (var due in (TimeSpan?[])[wait, statusWait])
            if (due < next)
                next = due.Value;
        failed?.Throw();
        return next < Shortest ? Shortest : next;
    }

    /// <summary>
    /// Returns the limits inside a budget in the groups that are decided on together. Those of a label's values have no workload in common.
    /// </summary>
    private IEnumerable<(IReadOnlyList<ReadBudget> Limits, Func<IReadOnlyList<BudgetSnapshot>> Observe)> GroupsOf(ReadBudget budget)
    {
        var all = stores.Coverage.LimitsOf(budget.Object);
        foreach (var limit in all.Where(limit => !limit.IsOfLabel).Select(budget.LimitOf))
            yield return ([limit], () => [observer.Observe(limit)]);
        ReadBudget[] values = [.. all.Where(limit => limit.IsOfLabel).Select(budget.LimitOf)];
        if (values.Length > 0 && GpuBudgetReader.LimitedLabelOf(budget.Object) is { } key)
            yield return (values, () => observer.Observe(budget, key, values));
    }

    /// <summary>
    /// Decides on a budget, or on limits inside one, and acts. Returns the decision on the first, that on the budget's requests, the time to the
    /// next pass, and a failed write, which must not prevent the status update.
    /// </summary>
    private async Task<(BudgetDecision Decision, GrantDecision? Grants, TimeSpan Next, ExceptionDispatchInfo? Failed)> PassAsync(
        IReadOnlyList<ReadBudget> budgets,
        Func<IReadOnlyList<BudgetSnapshot>> observe,
        CancellationToken cancellationToken
    )
    {
        foreach (var budget in budgets)
            recorder.RestoreProgress(budget);
        // The status shows the forecast of the budget only.
        var models = budgets.ToDictionary(budget => budget.Uid, budget => budget.Object.PartOf is null ? spending.ModelOf(budget) : null);
        GrantDecision? grants = null;
        var passes = new List<(ReadBudget Budget, BudgetSnapshot Snapshot, BudgetDecision Decision)>();
        var forBreaker = 0;
        using (await _deciding.EnterAsync(cancellationToken))
            foreach (var (budget, observed) in budgets.Zip(observe()))
            {
                var snapshot = observed with
                {
                    RolledOver = recorder.BeginWindow(budget, observed.Now),
                    Spending = models[budget.Uid],
                    // All were observed before the first of them decided.
                    BreakerAllowance = Math.Max(0, observed.BreakerAllowance - forBreaker),
                };
                snapshot = recorder.WithLoans(snapshot);
                // Requests are for budgets and not for the limits inside them.
                if (budget.Object.PartOf is null)
                    (snapshot, grants) = recorder.Grant(budget, snapshot);
                var own = snapshot;
                (snapshot, var decision) = LoanDecider.Decide(own, () => loans.OffersTo(budget, own));
                if (recorder.RecordLoans(budget, own, snapshot))
                    _unstoredLoans[budget.Uid] = true;
                recorder.Record(budget, snapshot, decision);
                decisions.Record(budget.Object, decision);
                decisions.MarkOthers(budget.Object, decision, stores.Coverage);
                forBreaker += decision.Actions.Count(action => action is { Kind: ActionKind.Suspend, CountsForBreaker: true });
                passes.Add((budget, snapshot, decision));
            }
        var next = IdleEvaluation;
        ExceptionDispatchInfo? failed = null;
        foreach (var (budget, snapshot, decision) in passes)
        {
            reporter.Announce(budget.Object, decision);
            // A loan is stored before a workload relies on it.
            if (_unstoredLoans.ContainsKey(budget.Uid))
            {
                if (await TryAsync(() => actor.StoreAsync(budget, cancellationToken)) is { } notStored)
                {
                    failed ??= notStored;
                    continue;
                }
                _unstoredLoans.TryRemove(budget.Uid, out _);
            }
            await actor.RecordAsync(budget, snapshot, decision, cancellationToken);
            var gateFailure = await TryAsync(() => gated.RemoveGateAsync(budget, decision, HasStoredLoans, cancellationToken));
            var failure = await TryAsync(() => actor.ActAsync(budget, snapshot, decision, cancellationToken))
                ?? await TryAsync(() => actor.ReleaseStraysAsync(budget, snapshot, cancellationToken))
                ?? gateFailure;
            failed ??= failure;
            if (Next(budget, snapshot, decision) is var early && early < next)
                next = early;
        }
        return (passes[0].Decision, grants, next, failed);
    }

    /// <summary>Whether the loans of a budget are stored. Another budget's pass may run between its decision and that write.</summary>
    private bool HasStoredLoans(BudgetObject budget) => !_unstoredLoans.ContainsKey(budget.Metadata.Uid);

    public void Forget(BudgetObject entity)
    {
        reporter.Forget(entity.Metadata.Uid);
        foreach (var part in stores.Coverage.LimitsOf(entity).Prepend(entity))
        {
            recorder.Forget(part.Metadata.Uid);
            _unstoredLoans.TryRemove(part.Metadata.Uid, out _);
            actor.Forget(part.Metadata.Uid);
            decisions.Forget(part);
        }
        spending.Forget(entity.Metadata.Uid);
        stores.Coverage.Forget(entity);
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
    private static TimeSpan Next(ReadBudget budget, BudgetSnapshot snapshot, BudgetDecision decision)
    {
        var isActive = snapshot.BurnRate.NanoPerHour > 0 || snapshot.Workloads.Count > 0 || decision.Actions.Count > 0;
        var next = isActive ? Evaluation : IdleEvaluation;
        if (Window.NextEdge(budget.Terms.Window, snapshot.Now) is { } edge && edge - snapshot.Now < next)
            next = edge - snapshot.Now;
        // A checkpoint request must end at its deadline, because the overspend bound relies on it.
        foreach (var request in decision.Memory.Checkpoints.Values)
            if (request.Deadline > snapshot.Now && request.Deadline - snapshot.Now < next)
                next = request.Deadline - snapshot.Now;
        return next;
    }
}
