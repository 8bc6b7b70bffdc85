namespace Bursar.Kubernetes.Client;

/// <summary>The API server answered with an error status.</summary>
public sealed class ApiException(int statusCode, string reason, string message, V1Status? status = null) : Exception(message)
{
    public int StatusCode { get; } = statusCode;

    /// <summary>The reason in the server's Status, such as NotFound or AlreadyExists; empty if there is none.</summary>
    public string Reason { get; } = reason;

    public V1Status? Status { get; } = status;

    public bool IsNotFound => StatusCode == 404;

    /// <summary>The resource version has changed, the name is taken, or the field has another manager.</summary>
    public bool IsConflict => StatusCode == 409;

    public bool IsAlreadyExists => StatusCode == 409 && Reason == "AlreadyExists";

    public bool IsExpired => StatusCode == 410;

    /// <summary>The object violates its schema. For a JSON patch also: a test failed or a path does not exist.</summary>
    public bool IsInvalid => StatusCode == 422;

    public bool IsForbidden => StatusCode == 403;
}

/// <summary>This process may no longer lead. Thrown in place of sending a write, and by an election that lost the lease.</summary>
public sealed class LeadershipLostException(string message) : Exception(message);

/// <summary>The API server no longer has the resource version to watch from. The caller must list again.</summary>
public sealed class WatchExpiredException(string message) : Exception(message);
