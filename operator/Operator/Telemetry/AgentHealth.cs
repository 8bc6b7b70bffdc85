namespace Bursar.Operator.Telemetry;

/// <summary>
/// How far agents look after the cluster's GPU nodes. For information: what is billed comes from the API server's times,
/// with or without agents.
/// </summary>
/// <param name="Answering">Nodes whose agent answered last time.</param>
/// <param name="Missing">Nodes with GPU pods and no agent that answers.</param>
internal sealed record AgentHealth(IReadOnlyList<string> Answering, IReadOnlyList<string> Missing);
