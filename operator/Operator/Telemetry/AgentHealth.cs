namespace Bursar.Operator.Telemetry;

/// <summary>
/// Coverage of the GPU nodes by agents. Informational only, because billing uses the API server's times with or without agents.
/// </summary>
/// <param name="Answering">Nodes whose agent answered the last poll.</param>
/// <param name="Missing">Nodes with GPU pods whose agent is missing or does not answer.</param>
internal sealed record AgentHealth(IReadOnlyList<string> Answering, IReadOnlyList<string> Missing);
