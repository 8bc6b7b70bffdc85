using System.Net;
using Bursar.Kubernetes.Objects;

namespace Bursar.Operator.Telemetry;

/// <summary>Selects the pods that are agents, by their namespace and label.</summary>
/// <param name="Name">Value of the label <c>app.kubernetes.io/name</c>.</param>
internal sealed record AgentSelection(string Namespace, string Name)
{
    public bool Matches(V1Pod pod) =>
        pod.Metadata.Namespace == Namespace && pod.Metadata.Labels.TryGetValue("app.kubernetes.io/name", out var name) && name == Name;
}

/// <summary>An agent that can be polled: a ready pod with an address, and its node.</summary>
internal sealed record AgentPod(string Node, string Uid, IPEndPoint Address)
{
    public const int DefaultPort = 9465;

    /// <summary>Returns null while the pod cannot be polled.</summary>
    public static AgentPod? From(V1Pod pod)
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
            // The chart names the port usage; other manifests may name it operator.
            if (port.Name is "operator" or "usage" && port.ContainerPort is > 0 and < 65536)
                return port.ContainerPort;
        return DefaultPort;
    }
}
