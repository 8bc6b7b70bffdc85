namespace Bursar.Kubernetes.Client;

internal sealed record KubeRequest(HttpMethod Method, string PathAndQuery)
{
    public byte[]? Body { get; init; }

    public string? ContentType { get; init; }

    public string Accept { get; init; } = "application/json";

    /// <summary>A write that only the leader may do.</summary>
    public bool Fenced { get; init; }

    /// <summary>Whether the answer goes on for as long as it is followed.</summary>
    public bool IsWatch { get; init; }

    public bool IsRead => Method == HttpMethod.Get || Method == HttpMethod.Head;

    public override string ToString() => $"{Method} {PathAndQuery}";
}
