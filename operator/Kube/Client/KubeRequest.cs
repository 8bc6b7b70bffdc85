namespace Bursar.Kube.Client;

internal sealed record KubeRequest(HttpMethod Method, string PathAndQuery)
{
    public byte[]? Body { get; init; }

    public string? ContentType { get; init; }

    public string Accept { get; init; } = "application/json";

    /// <summary>A write that only the leader may do.</summary>
    public bool Fenced { get; init; }

    public Guid? ActivityStream { get; init; }

    public bool IsRead => Method == HttpMethod.Get || Method == HttpMethod.Head;
}
