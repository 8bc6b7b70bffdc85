using System.Collections.Concurrent;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Budgets;

/// <summary>
/// The latest decision on each budget. The budget controller records it once per pass; scaling, admission and metrics read it. It is empty
/// on a replica that does not lead. Safe from any thread.
/// </summary>
internal sealed class DecisionStore
{
    private readonly ConcurrentDictionary<ObjectKey, (string Uid, BudgetDecision Decision)> _latest = new();

    /// <summary>A decision was recorded: the budget, the decision before it, which is null for the first one, and the decision.</summary>
    public event Action<V1Alpha1GpuBudget, BudgetDecision?, BudgetDecision>? Recorded;

    /// <summary>The decision of a budget was removed.</summary>
    public event Action<V1Alpha1GpuBudget>? Forgotten;

    /// <summary>The latest decision of every budget, by namespace and name.</summary>
    public IEnumerable<(ObjectKey Budget, BudgetDecision Decision)> All => _latest.Select(pair => (pair.Key, pair.Value.Decision));

    /// <summary>The latest decision; null if this operator has made none on this object. A budget that was created anew has none.</summary>
    public BudgetDecision? Of(V1Alpha1GpuBudget budget) =>
        _latest.TryGetValue(ObjectKey.Of(budget), out var known) && known.Uid == budget.Metadata.Uid ? known.Decision : null;

    /// <summary>Keeps a decision, and of its memory only the admitted workloads: the memory is as large as all the rest.</summary>
    public void Record(V1Alpha1GpuBudget budget, BudgetDecision decision)
    {
        var before = Of(budget);
        _latest[ObjectKey.Of(budget)] = (budget.Metadata.Uid, decision with { Memory = new() { Admitted = decision.Memory.Admitted } });
        Recorded?.Invoke(budget, before, decision);
    }

    /// <summary>Removes the decision of a budget that is deleted or has no valid spec.</summary>
    public void Forget(V1Alpha1GpuBudget budget)
    {
        var key = ObjectKey.Of(budget);
        if (_latest.TryGetValue(key, out var known) && known.Uid == budget.Metadata.Uid && _latest.TryRemove(new(key, known)))
            Forgotten?.Invoke(budget);
    }
}
