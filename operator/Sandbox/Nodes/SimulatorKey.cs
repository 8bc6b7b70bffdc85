using Bursar.Kubernetes.Objects;

namespace Bursar.Sandbox.Nodes;

internal enum SimulatorWork
{
    Pod,
    Node,
    Schedule,
    Report,
    Checkpoint,
}

/// <summary>A key in the queue of the simulator's worker.</summary>
internal readonly record struct SimulatorKey(SimulatorWork Work, string Namespace, string Name)
{
    public static SimulatorKey Schedule { get; } = new(SimulatorWork.Schedule, "", "");

    public static SimulatorKey Node(string name) => new(SimulatorWork.Node, "", name);

    public static SimulatorKey Pod(IKubernetesObject pod) => new(SimulatorWork.Pod, pod.Metadata.Namespace ?? "", pod.Metadata.Name);
}
