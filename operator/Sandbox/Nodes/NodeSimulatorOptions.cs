namespace Bursar.Sandbox.Nodes;

public sealed record NodeSimulatorOptions
{
    public required IReadOnlyList<FleetNode> Fleet { get; init; }

    /// <summary>Bind unscheduled pods (first fit), for clusters without a scheduler.</summary>
    public bool Bind { get; init; } = true;

    /// <summary>The <c>schedulerName</c>s of the pods to bind.</summary>
    public IReadOnlySet<string> SchedulerNames { get; init; } = new HashSet<string> { "default-scheduler" };

    /// <summary>Time from binding to the container's start.</summary>
    public TimeSpan ImagePull { get; init; } = TimeSpan.FromSeconds(2);

    public TimeSpan LeaseInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often the node's status is written without a change.</summary>
    public TimeSpan StatusInterval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Time until the Ready condition of a lost node is set to Unknown, for clusters without a node controller. Null does not set it.
    /// </summary>
    public TimeSpan? MarkLostAfter { get; init; } = TimeSpan.FromSeconds(50);

    /// <summary>Seed of random numbers.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Run Bursar's agent on every node; null runs none.</summary>
    public AgentPlacement? Agents { get; init; }
}

/// <summary>The namespace and Secret of the simulated agents.</summary>
public sealed record AgentPlacement
{
    public string Namespace { get; init; } = "bursar-agents";

    /// <summary>
    /// The Secret with <c>tls.crt</c>, <c>tls.key</c> and <c>ca.crt</c>. Until it exists, the agents refuse the operator's connections.
    /// </summary>
    public string Secret { get; init; } = "bursar-agent-tls";
}
