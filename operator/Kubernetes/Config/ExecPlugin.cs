namespace Bursar.Kubernetes.Config;

/// <summary>A program that prints credentials (client.authentication.k8s.io).</summary>
public sealed record ExecPlugin
{
    public required string Command { get; init; }

    public required string ApiVersion { get; init; }

    public IReadOnlyList<string> Arguments { get; init; } = [];

    public IReadOnlyList<KeyValuePair<string, string>> Environment { get; init; } = [];

    /// <summary>Shown when the program is missing.</summary>
    public string? InstallHint { get; init; }

    public bool ProvideClusterInfo { get; init; }
}
