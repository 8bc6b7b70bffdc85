namespace Bursar.Kubernetes.Client;

/// <summary>The API server refused a request.</summary>
public sealed class ApiException(int statusCode, string reason, string message, V1Status? status = null) : Exception(message)
{
    public int StatusCode { get; } = statusCode;

    /// <summary>The server's one word, such as NotFound or AlreadyExists; empty when it gave none.</summary>
    public string Reason { get; } = reason;

    public V1Status? Status { get; } = status;

    public bool IsNotFound => StatusCode == 404;

    /// <summary>Someone else was first: a resource version that moved, a name that is taken, a field with another manager.</summary>
    public bool IsConflict => StatusCode == 409;

    public bool IsAlreadyExists => StatusCode == 409 && Reason == "AlreadyExists";

    public bool IsExpired => StatusCode == 410;

    /// <summary>The object breaks its schema; for a JSON patch also: a test failed or a path is not there.</summary>
    public bool IsInvalid => StatusCode == 422;

    public bool IsForbidden => StatusCode == 403;
}

/// <summary>A write was held back because this process may not lead any more. Nothing was sent.</summary>
public sealed class LeadershipLostException(string message) : Exception(message);

/// <summary>The server no longer knows the resource version to watch from: list again.</summary>
public sealed class WatchExpiredException(string message) : Exception(message);
