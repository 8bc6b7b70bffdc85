using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.KubeOps;

/// <summary>
/// Makes the cluster match an object. A controller reads everything again and never depends on what changed, so create, update and restart
/// take the same path.
/// </summary>
public interface IEntityController<T>
    where T : class, IKubernetesEntity<T>
{
    Task<ReconciliationResult<T>> ReconcileAsync(T entity, CancellationToken cancellationToken);

    /// <summary>Handles a deletion. It is only informational, because deletions during a restart are not reported.</summary>
    Task<ReconciliationResult<T>> DeletedAsync(T entity, CancellationToken cancellationToken);
}

/// <summary>The result of a reconciliation, and when to reconcile again without a change.</summary>
public sealed record ReconciliationResult<T>
    where T : class, IKubernetesEntity<T>
{
    private ReconciliationResult(T entity, bool isSuccess, string? message, Exception? error, TimeSpan? requeueAfter)
    {
        Entity = entity;
        IsSuccess = isSuccess;
        Message = message;
        Error = error;
        RequeueAfter = requeueAfter;
    }

    public T Entity { get; }

    public bool IsSuccess { get; }

    public string? Message { get; }

    public Exception? Error { get; }

    public TimeSpan? RequeueAfter { get; }

    public static ReconciliationResult<T> Success(T entity, TimeSpan? requeueAfter = null) => new(entity, true, null, null, requeueAfter);

    /// <summary>Without <paramref name="requeueAfter"/>, the object is retried after a back-off, without a limit of attempts.</summary>
    public static ReconciliationResult<T> Failure(T entity, string message, Exception? error = null, TimeSpan? requeueAfter = null) =>
        new(entity, false, message, error, requeueAfter);
}
