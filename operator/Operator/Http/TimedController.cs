using Bursar.Kubernetes.KubeOps;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Http;

internal sealed class TimedController<T>(IEntityController<T> inner, OperatorMetrics metrics, TimeProvider time) : IEntityController<T>
    where T : class, IKubernetesEntity<T>
{
    public Task<ReconciliationResult<T>> ReconcileAsync(T entity, CancellationToken cancellationToken) =>
        MeasureAsync(() => inner.ReconcileAsync(entity, cancellationToken));

    public Task<ReconciliationResult<T>> DeletedAsync(T entity, CancellationToken cancellationToken) =>
        MeasureAsync(() => inner.DeletedAsync(entity, cancellationToken));

    private async Task<ReconciliationResult<T>> MeasureAsync(Func<Task<ReconciliationResult<T>>> act)
    {
        var started = time.GetTimestamp();
        var failed = true;
        try
        {
            var result = await act();
            failed = !result.IsSuccess;
            return result;
        }
        finally
        {
            metrics.Reconciled(T.EntityKind.Kind, time.GetElapsedTime(started), failed);
        }
    }
}
