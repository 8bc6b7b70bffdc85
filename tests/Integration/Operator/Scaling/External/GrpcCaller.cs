using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Runtime.CompilerServices;
using Bursar.Operator.Scaling.External.Wire;
using Google.Protobuf;
using Grpc.Core;

namespace Bursar.Tests.Integration.Operator.Scaling.External;

/// <summary>The result of a call: its messages, its status, and whether the status was in the headers.</summary>
internal sealed record GrpcReply(HttpStatusCode Http, IReadOnlyList<byte[]> Messages, StatusCode? Code, string Message, bool TrailersOnly)
{
    public T Only<T>(MessageParser<T> parser)
        where T : IMessage<T>
    {
        Code.Should().Be(StatusCode.OK, "{0}", Message);
        return parser.ParseFrom(Messages.Should().ContainSingle().Subject);
    }
}

/// <summary>A gRPC caller that can also send malformed calls. All calls share a connection, as KEDA's do.</summary>
internal sealed class GrpcCaller(string address) : IDisposable
{
    public const string Service = "externalscaler.ExternalScaler/";

    private readonly HttpClient _client = new(
        new SocketsHttpHandler
        {
            UseProxy = false,
            AllowAutoRedirect = false,
            ActivityHeadersPropagator = null,
        }
    )
    {
        Timeout = TimeSpan.FromSeconds(30),
    };

    public static byte[] Frame(byte[] message, byte flag = 0, uint? length = null)
    {
        var framed = new byte[5 + message.Length];
        framed[0] = flag;
        BinaryPrimitives.WriteUInt32BigEndian(framed.AsSpan(1), length ?? (uint)message.Length);
        message.CopyTo(framed, 5);
        return framed;
    }

    public Task<GrpcReply> CallAsync(string method, IMessage message, string? timeout = null) =>
        SendAsync(Service + method, Frame(message.ToByteArray()), timeout: timeout);

    public async Task<GrpcReply> SendAsync(
        string path,
        byte[] body,
        string contentType = "application/grpc",
        string? timeout = null,
        HttpMethod? method = null
    )
    {
        using var response = await OpenAsync(path, body, contentType, timeout, method, default);
        var bytes = await response.Content.ReadAsByteArrayAsync();
        if (response.StatusCode != HttpStatusCode.OK)
            return new(response.StatusCode, [], null, System.Text.Encoding.UTF8.GetString(bytes), false);
        var messages = new List<byte[]>();
        for (var rest = bytes.AsSpan(); rest.Length > 0; )
        {
            rest[0].Should().Be(0);
            var length = (int)BinaryPrimitives.ReadUInt32BigEndian(rest[1..]);
            messages.Add(rest.Slice(5, length).ToArray());
            rest = rest[(5 + length)..];
        }
        response.Content.Headers.ContentType!.MediaType.Should().Be("application/grpc");
        var alone = response.Headers.Contains("grpc-status");
        HttpHeaders status = alone ? response.Headers : response.TrailingHeaders;
        return new(response.StatusCode, messages, CodeOf(status), MessageOf(status), alone);
    }

    /// <summary>A stream's messages as they come; ends, or throws with the status.</summary>
    public async IAsyncEnumerable<bool> StreamAsync(
        ScaledObjectRef asked,
        string? timeout = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default
    )
    {
        using var response = await OpenAsync(
            Service + "StreamIsActive",
            Frame(asked.ToByteArray()),
            "application/grpc",
            timeout,
            null,
            cancellationToken
        );
        if (response.Headers.Contains("grpc-status"))
            throw new RpcException(new Status(CodeOf(response.Headers)!.Value, MessageOf(response.Headers)));
        await using var body = await response.Content.ReadAsStreamAsync(cancellationToken);
        var prefix = new byte[5];
        while (await body.ReadAtLeastAsync(prefix, 5, throwOnEndOfStream: false, cancellationToken) == 5)
        {
            var message = new byte[BinaryPrimitives.ReadUInt32BigEndian(prefix.AsSpan(1))];
            await body.ReadExactlyAsync(message, cancellationToken);
            yield return IsActiveResponse.Parser.ParseFrom(message).Result;
        }
        if (CodeOf(response.TrailingHeaders) is var code && code != StatusCode.OK)
            throw new RpcException(new Status(code!.Value, MessageOf(response.TrailingHeaders)));
    }

    public void Dispose() => _client.Dispose();

    private Task<HttpResponseMessage> OpenAsync(
        string path,
        byte[] body,
        string contentType,
        string? timeout,
        HttpMethod? method,
        CancellationToken cancellationToken
    )
    {
        var request = new HttpRequestMessage(method ?? HttpMethod.Post, new Uri($"http://{address}/{path}"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Headers.TE.Add(new("trailers"));
        if (timeout is not null)
            request.Headers.TryAddWithoutValidation("grpc-timeout", timeout);
        if (method != HttpMethod.Get)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.TryAddWithoutValidation("content-type", contentType);
        }
        return _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
    }

    private static StatusCode? CodeOf(HttpHeaders headers) =>
        headers.TryGetValues("grpc-status", out var values) ? (StatusCode)int.Parse(values.Single(), CultureInfo.InvariantCulture) : null;

    private static string MessageOf(HttpHeaders headers) =>
        headers.TryGetValues("grpc-message", out var values) ? Uri.UnescapeDataString(values.Single()) : "";
}
