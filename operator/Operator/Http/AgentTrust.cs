using Bursar.Agent.Certificates;

namespace Bursar.Operator.Http;

/// <summary>
/// What the operator needs to speak with agents: the roots it believes (PEM, several during a renewal) and who it is itself.
/// </summary>
internal sealed record AgentTrust(string RootsPem, PemPair Certificate);
