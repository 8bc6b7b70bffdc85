using System.Net;

namespace Bursar.Sandbox.Nodes;

/// <summary>What the simulator knows of a pod at a moment, for tests and demonstrations.</summary>
public sealed record SimulatedPodInfo
{
    public required string Namespace { get; init; }

    public required string Name { get; init; }

    public required string Uid { get; init; }

    public required string Node { get; init; }

    public required IPAddress Address { get; init; }

    public bool IsRunning { get; init; }

    public int Restarts { get; init; }

    /// <summary>The exit code of the last container that ended.</summary>
    public int? ExitCode { get; init; }

    /// <summary>UUIDs of the devices it holds.</summary>
    public IReadOnlyList<string> Devices { get; init; } = [];

    /// <summary>Steps done and steps in all, for what trains.</summary>
    public long? Step { get; init; }

    public long? Steps { get; init; }
}
