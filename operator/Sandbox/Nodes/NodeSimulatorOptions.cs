namespace Bursar.Sandbox.Nodes;

public sealed record NodeSimulatorOptions
{
    public required IReadOnlyList<FleetNode> Fleet { get; init; }

    /// <summary>Bind unscheduled pods, first fit, where no scheduler runs.</summary>
    public bool Bind { get; init; } = true;

    /// <summary>Whose pods are bound.</summary>
    public IReadOnlySet<string> SchedulerNames { get; init; } = new HashSet<string> { "default-scheduler" };

    /// <summary>From binding to the container's start.</summary>
    public TimeSpan ImagePull { get; init; } = TimeSpan.FromSeconds(2);

    public TimeSpan LeaseInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often the node's status is written although nothing changed.</summary>
    public TimeSpan StatusInterval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>When the Ready condition of a lost node becomes Unknown, where no node controller runs; null leaves it.</summary>
    public TimeSpan? MarkLostAfter { get; init; } = TimeSpan.FromSeconds(50);

    /// <summary>Where chance comes from.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Run Bursar's agent on every node; null runs none.</summary>
    public AgentPlacement? Agents { get; init; }
}

/// <summary>Where the simulated agents live.</summary>
public sealed record AgentPlacement
{
    public string Namespace { get; init; } = "bursar-agents";

    /// <summary>
    /// The Secret with <c>tls.crt</c>, <c>tls.key</c> and <c>ca.crt</c>; until it is there the agents serve no operator's door.
    /// </summary>
    public string Secret { get; init; } = "bursar-agent-tls";
}
