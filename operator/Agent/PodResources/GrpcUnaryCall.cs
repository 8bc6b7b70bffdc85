using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using Google.Protobuf;

namespace Bursar.Agent.PodResources;

/// <summary>
/// One gRPC unary call over HTTP/2 with prior knowledge: a length-prefixed message each way and the status in the
/// trailers (or, when the server fails at once, in the headers).
/// </summary>
internal static class GrpcUnaryCall
{
    private const int PrefixSize = 5;

    /// <param name="client">A client that reaches the server whatever the URI's host says.</param>
    /// <param name="method">Service and method, <c>package.Service/Method</c>.</param>
    /// <param name="request">The message to send.</param>
    /// <param name="parser">The parser of the answer.</param>
    /// <param name="maxBytes">The largest answer that is read.</param>
    /// <param name="cancellationToken">Ends the call.</param>
    public static async Task<TResponse> CallAsync<TResponse>(
        HttpClient client, string method, IMessage request, MessageParser<TResponse> parser, int maxBytes, CancellationToken cancellationToken)
        where TResponse : IMessage<TResponse>
    {
        byte[] payload = request.ToByteArray();
        byte[] framed = new byte[PrefixSize + payload.Length];
        BinaryPrimitives.WriteUInt32BigEndian(framed.AsSpan(1), (uint)payload.Length);
        payload.CopyTo(framed, PrefixSize);

        using var message = new HttpRequestMessage(HttpMethod.Post, $"http://localhost/{method}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(framed),
        };
        message.Headers.TE.Add(new TransferCodingWithQualityHeaderValue("trailers"));
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");

        using var response = await client.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.StatusCode != HttpStatusCode.OK)
            throw new PodResourcesException($"{method} answered HTTP {(int)response.StatusCode}");
        if (response.Headers.Contains("grpc-status"))
            Check(method, response.Headers);

        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        byte[] prefix = new byte[PrefixSize];
        int read = await body.ReadAtLeastAsync(prefix, PrefixSize, throwOnEndOfStream: false, cancellationToken);
        if (read == 0)
        {
            Check(method, response.TrailingHeaders);
            throw new PodResourcesException($"{method} answered no message");
        }
        if (read < PrefixSize)
            throw new PodResourcesException($"{method} broke off in a message's prefix");
        if (prefix[0] != 0)
            throw new PodResourcesException($"{method} answered a compressed message, which was not asked for");
        uint length = BinaryPrimitives.ReadUInt32BigEndian(prefix.AsSpan(1));
        if (length > maxBytes)
            throw new PodResourcesException($"{method} answered {length} bytes, more than the {maxBytes} that are read");
        byte[] answer = new byte[length];
        await body.ReadExactlyAsync(answer, cancellationToken);
        // The trailers come after the end of the body only.
        if (await body.ReadAsync(prefix.AsMemory(0, 1), cancellationToken) != 0)
            throw new PodResourcesException($"{method} answered more than one message");
        Check(method, response.TrailingHeaders);
        return parser.ParseFrom(answer);
    }

    private static void Check(string method, HttpHeaders headers)
    {
        string status = headers.TryGetValues("grpc-status", out var values) ? string.Concat(values) : "";
        if (status == "0")
            return;
        string text = headers.TryGetValues("grpc-message", out var messages) ? Uri.UnescapeDataString(string.Concat(messages)) : "";
        throw new PodResourcesException(status.Length == 0
            ? $"{method} ended without a status"
            : $"{method} failed with gRPC status {status}{(text.Length == 0 ? "" : ": " + text)}");
    }
}
