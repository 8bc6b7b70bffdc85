using Bursar.Api;
using Bursar.Core.Decisions;
using Bursar.Kubernetes.KubeOps;

namespace Bursar.Operator.Budgets;

/// <summary>
/// Reports requests whose budget cannot take them. All others are decided and reported in the pass of their budget, which is the only one
/// that changes its grants.
/// </summary>
internal sealed class RequestController(RequestObserver observer, RequestReporter reporter, Action<BudgetObject> evaluate)
    : IEntityController<V1Alpha1GpuBudgetRequest>
{
    /// <summary>How soon a request is considered that had no budget, besides on a change of the budget that it names.</summary>
    private static readonly TimeSpan Retry = TimeSpan.FromMinutes(1);

    /// <summary>Whether a user changed the request or answered it. Bursar's own writes need no reconciliation.</summary>
    public static bool Concerns(V1Alpha1GpuBudgetRequest before, V1Alpha1GpuBudgetRequest now) =>
        before.Metadata.Generation != now.Metadata.Generation || Answer(before) != Answer(now);

    private static (bool, bool, string?) Answer(V1Alpha1GpuBudgetRequest request) =>
        GpuBudgetRequestReader.Read(request) is var read ? (read.IsApproved, read.IsDenied, read.AnsweredBy) : default;

    public async Task<ReconciliationResult<V1Alpha1GpuBudgetRequest>> ReconcileAsync(
        V1Alpha1GpuBudgetRequest entity,
        CancellationToken cancellationToken
    )
    {
        if (observer.BudgetOf(entity, out var why) is { } budget)
        {
            evaluate(budget);
            return ReconciliationResult<V1Alpha1GpuBudgetRequest>.Success(entity);
        }
        // The answer to a request stays, also after its budget was deleted.
        if (entity.Status?.State is nameof(RequestState.Denied) or nameof(RequestState.Expired) or nameof(RequestState.Failed))
            return ReconciliationResult<V1Alpha1GpuBudgetRequest>.Success(entity);
        var wait = await reporter.WriteAsync(
            entity,
            GrantDecider.WithoutBudget(GpuBudgetRequestReader.Read(entity), NameIn(entity), why),
            cancellationToken
        );
        return ReconciliationResult<V1Alpha1GpuBudgetRequest>.Success(entity, wait < Retry ? wait.Value : Retry);
    }

    public Task<ReconciliationResult<V1Alpha1GpuBudgetRequest>> DeletedAsync(
        V1Alpha1GpuBudgetRequest entity,
        CancellationToken cancellationToken
    )
    {
        reporter.Forget(entity.Metadata.Uid);
        if (observer.BudgetOf(entity, out _) is { } budget)
            evaluate(budget);
        return Task.FromResult(ReconciliationResult<V1Alpha1GpuBudgetRequest>.Success(entity));
    }

    private static string NameIn(V1Alpha1GpuBudgetRequest request) =>
        request.Spec?.ClusterBudget is { } cluster
            ? $"{V1Alpha1ClusterGpuBudget.KindName} {cluster}"
            : $"{V1Alpha1GpuBudget.KindName} {request.Spec?.Budget}";
}
