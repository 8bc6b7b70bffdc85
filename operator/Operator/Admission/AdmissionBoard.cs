using System.Collections.Concurrent;
using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Operator.Cluster;
using Bursar.Operator.Safety;

namespace Bursar.Operator.Admission;

/// <summary>The last word of every budget about each of its workloads, for those that Kueue asks about.</summary>
public sealed class AdmissionBoard(ControlSwitch control)
{
    private readonly ConcurrentDictionary<string, IReadOnlyDictionary<string, AdmissionAnswer>> _byBudget = new(StringComparer.Ordinal);

    public void Note(V1Alpha1GpuBudget budget, BudgetDecision decision)
    {
        var observes = !decision.IsEnforcing || control.ObserveOnly;
        _byBudget[budget.Metadata.Uid] = decision
            .Workloads.Where(verdict => verdict.State is WorkloadState.Pending or WorkloadState.Running)
            .ToDictionary(
                verdict => verdict.Key.Uid,
                verdict => AdmissionAnswer.Of(decision, verdict, budget.Metadata.Name, observes),
                StringComparer.Ordinal
            );
    }

    public void Forget(V1Alpha1GpuBudget budget) => _byBudget.TryRemove(budget.Metadata.Uid, out _);

    /// <summary>Null while the budget has not looked at it.</summary>
    public AdmissionAnswer? Of(string budgetUid, string workloadUid) =>
        _byBudget.GetValueOrDefault(budgetUid)?.GetValueOrDefault(workloadUid);
}
