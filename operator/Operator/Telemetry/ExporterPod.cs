using System.Net;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Telemetry;

/// <summary>A dcgm-exporter that can be read: a ready pod with an address, and its node.</summary>
internal sealed record ExporterPod(string Node, string Uid, IPEndPoint Address)
{
    public const int DefaultPort = 9400;

    /// <summary>Returns null while the pod cannot be read.</summary>
    public static ExporterPod? From(V1Pod pod)
    {
        if (pod.Spec.NodeName is not { Length: > 0 } node || pod.Metadata.DeletionTimestamp is not null)
            return null;
        if (pod.Status.Condition("Ready") is not { Status: "True" } || !IPAddress.TryParse(pod.Status.PodIP, out var address))
            return null;
        return new(node, pod.Metadata.Uid, new(address, Port(pod)));
    }

    private static int Port(V1Pod pod)
    {
        foreach (var container in pod.Spec.Containers)
        foreach (var port in container.Ports)
            if (port.Name == "metrics" && port.ContainerPort is > 0 and < 65536)
                return port.ContainerPort;
        return DefaultPort;
    }
}
