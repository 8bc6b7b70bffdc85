namespace Bursar.Agent.PodResources;

/// <summary>Tells which container holds which device. The real one asks the kubelet; a simulated node gives its own.</summary>
public interface IPodResources
{
    /// <summary>Every GPU device id that a container on this node holds at this moment.</summary>
    /// <exception cref="PodResourcesException">The kubelet does not answer, or not sensibly.</exception>
    Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken);
}

/// <param name="Namespace">The pod's namespace.</param>
/// <param name="Pod">The pod's name; its UID is not told.</param>
/// <param name="Container">The container's name.</param>
/// <param name="Resource">The extended resource, such as <c>nvidia.com/gpu</c>.</param>
/// <param name="DeviceId">The device plugin's id, such as <c>GPU-…</c>, <c>MIG-…</c> or <c>GPU-…::2</c>.</param>
public sealed record PodDevice(string Namespace, string Pod, string Container, string Resource, string DeviceId);

/// <summary>The kubelet could not be asked; the message says why.</summary>
public sealed class PodResourcesException : Exception
{
    public PodResourcesException(string message, Exception? inner = null)
        : base(message, inner) { }
}
