using Bursar.Agent.Journal;
using Bursar.Agent.Scrape;

namespace Bursar.Agent.Endpoints;

public sealed record AgentOptions
{
    /// <summary>The Kubernetes node; the first part of the agent's name in TLS.</summary>
    public required string NodeName { get; init; }

    /// <summary><c>host:port</c> of the operator's door; port 0 is any free one, host <c>*</c> every address.</summary>
    public string OperatorAddress { get; init; } = "*:9465";

    /// <summary><c>host:port</c> of the pods' door.</summary>
    public string PodAddress { get; init; } = "*:9466";

    /// <summary><c>host:port</c> of metrics and health.</summary>
    public string MetricsAddress { get; init; } = "*:9464";

    /// <summary>Where <c>tls.crt</c>, <c>tls.key</c> and <c>ca.crt</c> are mounted; null serves no operator's door.</summary>
    public string? CertificateDirectory { get; init; }

    /// <summary>The host's <c>/var/log/pods</c>.</summary>
    public string? LogRoot { get; init; }

    /// <summary>The host's <c>/proc</c>.</summary>
    public string? ProcRoot { get; init; }

    /// <summary>Where chance comes from (the journal's epoch).</summary>
    public required Random Random { get; init; }

    public JournalOptions Journal { get; init; } = new();

    public ScrapeOptions Scrape { get; init; } = new();
}

/// <summary>Where the three doors really are; printed as one line of JSON at start.</summary>
public sealed record AgentAddresses(string Operator, string Pod, string Metrics);
