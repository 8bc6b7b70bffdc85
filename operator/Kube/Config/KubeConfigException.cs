namespace Bursar.Kube.Config;

/// <summary>There is no usable way to an API server; the message says what was looked for.</summary>
public sealed class KubeConfigException(string message, Exception? innerException = null) : Exception(message, innerException);
