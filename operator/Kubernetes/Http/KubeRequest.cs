using System.Net.Http.Headers;
using Bursar.Concurrency;

namespace Bursar.Kubernetes.Http;

internal sealed record KubeRequest(HttpMethod Method, string PathAndQuery)
{
    public ReadOnlyMemory<byte> Body { get; init; }

    /// <summary>Null for a request without a body.</summary>
    public string? ContentType { get; init; }

    public string Accept { get; init; } = "application/json";

    /// <summary>True for a response that continues until the caller or the server closes it.</summary>
    public bool IsWatch { get; init; }

    public HttpRequestMessage ToMessage(Uri address)
    {
        HttpRequestMessage message = new(Method, address);
        message.Headers.TryAddWithoutValidation("Accept", Accept);
        message.Options.Set(TimedRequestHandler.IsStream, IsWatch);
        if (ContentType is not null)
        {
            message.Content = new ReadOnlyMemoryContent(Body);
            message.Content.Headers.ContentType = MediaTypeHeaderValue.Parse(ContentType);
        }

        return message;
    }

    public override string ToString() => $"{Method} {PathAndQuery}";
}
