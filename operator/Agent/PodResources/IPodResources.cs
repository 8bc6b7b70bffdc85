namespace Bursar.Agent.PodResources;

/// <summary>Lists the GPU devices of containers, from the kubelet or a simulated node.</summary>
public interface IPodResources
{
    /// <summary>Lists every GPU device id that is allocated to a container on this node.</summary>
    /// <exception cref="PodResourcesException">The kubelet does not answer, or answers with an error.</exception>
    Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken);
}

/// <param name="Namespace">The pod's namespace.</param>
/// <param name="Pod">The pod's name; the PodResources API has no UID.</param>
/// <param name="Container">The container's name.</param>
/// <param name="Resource">The extended resource, such as <c>nvidia.com/gpu</c>.</param>
/// <param name="DeviceId">The device plugin's id, such as <c>GPU-…</c>, <c>MIG-…</c> or <c>GPU-…::2</c>.</param>
public sealed record PodDevice(string Namespace, string Pod, string Container, string Resource, string DeviceId);

/// <summary>The kubelet's list is unavailable; the message says why.</summary>
public sealed class PodResourcesException : Exception
{
    public PodResourcesException(string message, Exception? inner = null)
        : base(message, inner) { }
}
