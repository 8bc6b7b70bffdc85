using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Core.State;
using Bursar.Operator.Cluster;
using Bursar.Operator.Suspension;

namespace Bursar.Operator.Budgets;

/// <summary>Finds the requests for a budget, and the budget of a request, in the caches.</summary>
internal sealed class RequestObserver(ClusterStores stores, OperatorState state)
{
    /// <summary>
    /// Returns the requests for a budget. Those for a ClusterGpuBudget come from namespaces that it covers, or covered when it granted them.
    /// Null: the cluster does not serve requests, for example because a CRD is being replaced.
    /// </summary>
    public IReadOnlyList<GrantRequest>? RequestsFor(ReadBudget budget)
    {
        if (!stores.Requests.IsServed)
            return null;
        var requests = stores.RequestsFor(budget.Object).Select(GpuBudgetRequestReader.Read).ToArray();
        if (requests.Length == 0 || !budget.IsCluster)
            return requests;
        var granted = state.Grants(budget.Uid).Select(grant => grant.RequestUid).ToHashSet(StringComparer.Ordinal);
        return [.. requests.Where(request => granted.Contains(request.Uid) || budget.Namespaces.Contains(request.Namespace))];
    }

    /// <summary>Returns the budget that a request names; null, with the reason, if it cannot take the request.</summary>
    public BudgetObject? BudgetOf(V1Alpha1GpuBudgetRequest request, out MissingBudget why)
    {
        var ns = request.Metadata.Namespace ?? "";
        BudgetObject? budget = request.Spec switch
        {
            { Budget: { } name } => stores.Budgets.Store.Get(ns, name),
            { ClusterBudget: { } name } => stores.ClusterBudgets.Store.Get(null, name),
            _ => null,
        };
        why =
            budget is null ? MissingBudget.NotThere
            : !stores.Coverage.NamespacesOf(budget).Contains(ns) ? MissingBudget.DoesNotCover
            : MissingBudget.Invalid;
        return why == MissingBudget.Invalid && GpuBudgetReader.Read(budget!, out _, out _, out _).Count == 0 ? budget : null;
    }
}
