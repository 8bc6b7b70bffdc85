namespace Bursar.Kube.Client;

/// <summary>The server no longer knows the resource version to watch from: list again.</summary>
public sealed class WatchExpiredException(string message) : Exception(message);
