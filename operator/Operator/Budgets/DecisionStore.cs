using System.Collections.Concurrent;
using System.Collections.Immutable;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Budgets;

/// <summary>
/// The latest decision on each budget, recorded once per pass by the budget controller and read by scaling, admission and metrics. Empty on
/// a replica that does not lead. Thread-safe.
/// </summary>
internal sealed class DecisionStore
{
    private static readonly Estimate NoEstimate = Estimate.Unknown("");

    private readonly ConcurrentDictionary<ObjectKey, Latest> _latest = new();

    /// <summary>
    /// The UIDs of the budgets whose latest decision is outdated, each with the UIDs of the workloads that other budgets have resumed since.
    /// </summary>
    private readonly ConcurrentDictionary<string, ImmutableHashSet<string>> _outdated = new(StringComparer.Ordinal);

    /// <summary>Raised with the budget, the previous decision (null for the first one) and the new decision.</summary>
    public event Action<BudgetObject, BudgetDecision?, BudgetDecision>? Recorded;

    public event Action<BudgetObject>? Forgotten;

    public IEnumerable<(ObjectKey Budget, BudgetDecision Decision)> All => _latest.Select(pair => (pair.Key, pair.Value.Decision));

    /// <summary>Returns the latest decision; null if this leader has made none on this object. A recreated budget has none.</summary>
    public BudgetDecision? Get(BudgetObject budget) => Find(budget)?.Decision;

    /// <summary>
    /// Returns the UIDs of the workloads that the latest decision does not cover; null if there is no decision. If another budget has resumed
    /// a workload since, the decision covers none of the workloads that still wait, until the budget is evaluated again. The resumed workload itself
    /// stays covered, because it was resumed only since all its budgets cover it.
    /// </summary>
    public IReadOnlyList<string>? NotCoveredBy(BudgetObject budget) =>
        Find(budget) is not { } latest ? null
        : _outdated.TryGetValue(budget.Metadata.Uid, out var resumed)
            ?
            [
                .. latest
                    .Decision.Workloads.Where(work => work.OtherBudgets is not null || work.State == WorkloadState.SuspendedByBudget)
                    .Select(work => work.Key.Uid)
                    .Where(uid => !resumed.Contains(uid))
                    .Union(latest.NotCovered, StringComparer.Ordinal),
            ]
        : latest.NotCovered;

    /// <summary>Whether another budget has resumed a workload that the latest decision on this budget has not reserved for.</summary>
    public bool IsOutdated(BudgetObject budget) => _outdated.ContainsKey(budget.Metadata.Uid);

    /// <summary>Records that another budget resumed a workload that the budget's latest decision has not reserved for.</summary>
    public void MarkOutdated(BudgetObject budget, string workloadUid) =>
        _outdated.AddOrUpdate(budget.Metadata.Uid, [workloadUid], (_, resumed) => resumed.Add(workloadUid));

    /// <summary>Marks the other budgets of the workloads that a decision resumes, because they have reserved nothing for them.</summary>
    public void MarkOthers(BudgetObject budget, BudgetDecision decision, BudgetCoverage coverage)
    {
        foreach (var action in decision.Actions.Where(action => action.Kind == ActionKind.Resume))
        foreach (var other in coverage.WithLimitsIn(action.Workload.Namespace))
            if (other.Metadata.Uid != budget.Metadata.Uid && !budget.IsLimitOfOtherValue(other))
                MarkOutdated(other, action.Workload.Uid);
    }

    /// <summary>
    /// Stores a decision without what no reader of it needs: most of its memory, estimates, and the sentences of running workloads. With
    /// budgets in several levels each workload has several verdicts.
    /// </summary>
    public void Record(BudgetObject budget, BudgetDecision decision)
    {
        var before = Get(budget);
        _outdated.TryRemove(budget.Metadata.Uid, out _);
        _latest[ObjectKey.From(budget)] = new(
            budget.Metadata.Uid,
            decision with
            {
                Memory = new() { Admitted = decision.Memory.Admitted },
                Workloads = [.. decision.Workloads.Select(Slim)],
            },
            [.. decision.DoesNotCover()]
        );
        Recorded?.Invoke(budget, before, decision);
    }

    /// <summary>Removes the decision of a budget that is deleted or has no valid spec.</summary>
    public void Forget(BudgetObject budget)
    {
        var key = ObjectKey.From(budget);
        _outdated.TryRemove(budget.Metadata.Uid, out _);
        if (_latest.TryGetValue(key, out var known) && known.Uid == budget.Metadata.Uid && _latest.TryRemove(new(key, known)))
            Forgotten?.Invoke(budget);
    }

    private static WorkloadVerdict Slim(WorkloadVerdict verdict) =>
        verdict with
        {
            Estimate = NoEstimate,
            Sentence = verdict.State == WorkloadState.Running ? "" : verdict.Sentence,
        };

    private Latest? Find(BudgetObject budget) =>
        _latest.TryGetValue(ObjectKey.From(budget), out var known) && known.Uid == budget.Metadata.Uid ? known : null;

    /// <param name="NotCovered">Computed once, because each budget with the same workloads reads it.</param>
    private sealed record Latest(string Uid, BudgetDecision Decision, IReadOnlyList<string> NotCovered);
}
