using System.Net;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Telemetry;

/// <summary>A dcgm-exporter that may be asked: a ready pod with an address, and the node whose GPUs it shows.</summary>
internal sealed record ExporterPod(string Node, string Uid, IPEndPoint Address)
{
    public const int DefaultPort = 9400;

    /// <summary>Null while the pod cannot be asked.</summary>
    public static ExporterPod? Of(V1Pod pod)
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
