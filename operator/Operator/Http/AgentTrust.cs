using Bursar.Agent.Certificates;

namespace Bursar.Operator.Http;

/// <summary>
/// The operator's identity toward agents: the trusted authorities (PEM, several during a renewal) and its own certificate.
/// </summary>
internal sealed record AgentTrust(string RootsPem, PemPair Certificate);
