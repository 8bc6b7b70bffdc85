using System.Net;

namespace Bursar.Sandbox.Nodes;

/// <summary>The state of a simulated pod, for tests and the demo.</summary>
public sealed record SimulatedPodInfo
{
    public required string Namespace { get; init; }

    public required string Name { get; init; }

    public required string Uid { get; init; }

    public required string Node { get; init; }

    public required IPAddress Address { get; init; }

    public bool IsRunning { get; init; }

    public int Restarts { get; init; }

    /// <summary>The exit code of the last container; null if none has ended.</summary>
    public int? ExitCode { get; init; }

    /// <summary>The UUIDs of its devices.</summary>
    public IReadOnlyList<string> Devices { get; init; } = [];

    /// <summary>Completed steps; null if the pod does not train.</summary>
    public long? Step { get; init; }

    public long? Steps { get; init; }
}
