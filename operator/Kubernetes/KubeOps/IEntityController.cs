using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.KubeOps;

/// <summary>
/// Brings one object's world in line with it. Never asks what changed: everything is read anew, so create, update and restart are one path.
/// </summary>
public interface IEntityController<T>
    where T : class, IKubernetesEntity<T>
{
    Task<ReconciliationResult<T>> ReconcileAsync(T entity, CancellationToken cancellationToken);

    /// <summary>The object is gone. Informational: after a restart nobody tells of what vanished meanwhile.</summary>
    Task<ReconciliationResult<T>> DeletedAsync(T entity, CancellationToken cancellationToken);
}

/// <summary>How a reconciliation went, and when to look again without a change.</summary>
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

    /// <summary>Without a time of its own, a failure comes back after a back-off, for ever.</summary>
    public static ReconciliationResult<T> Failure(T entity, string message, Exception? error = null, TimeSpan? requeueAfter = null) =>
        new(entity, false, message, error, requeueAfter);
}
