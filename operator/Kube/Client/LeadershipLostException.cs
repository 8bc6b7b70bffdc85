namespace Bursar.Kube.Client;

/// <summary>A write was held back because this process may not lead any more. Nothing was sent.</summary>
public sealed class LeadershipLostException(string message) : Exception(message);
