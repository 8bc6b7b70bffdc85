using Bursar.Agent.Journal;
using Bursar.Agent.Scrape;

namespace Bursar.Agent.Endpoints;

public sealed record AgentOptions
{
    /// <summary>The Kubernetes node; also the first part of the agent's TLS name (<see cref="BursarNames.Agent"/>).</summary>
    public required string NodeName { get; init; }

    /// <summary><c>host:port</c> of the endpoint for the operator; port 0 means any free port, host <c>*</c> all addresses.</summary>
    public string OperatorAddress { get; init; } = "*:9465";

    /// <summary><c>host:port</c> of the endpoint for pods.</summary>
    public string PodAddress { get; init; } = "*:9466";

    /// <summary><c>host:port</c> of metrics and health.</summary>
    public string MetricsAddress { get; init; } = "*:9464";

    /// <summary>
    /// The folder of <c>tls.crt</c>, <c>tls.key</c> and <c>ca.crt</c>; if null, connections to the operator's port are refused.
    /// </summary>
    public string? CertificateDirectory { get; init; }

    /// <summary>The host's <c>/var/log/pods</c>.</summary>
    public string? LogRoot { get; init; }

    /// <summary>The host's <c>/proc</c>.</summary>
    public string? ProcRoot { get; init; }

    /// <summary>Source of the journal's epoch.</summary>
    public required Random Random { get; init; }

    public JournalOptions Journal { get; init; } = new();

    public ScrapeOptions Scrape { get; init; } = new();
}

/// <summary>The bound addresses of the three endpoints; printed as one line of JSON at start.</summary>
public sealed record AgentAddresses(string Operator, string Pod, string Metrics);
