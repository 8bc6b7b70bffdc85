using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Bursar.Agent.Certificates;
using Bursar.Agent.Endpoints;
using Bursar.Concurrency;
using Bursar.Core.Usage;

namespace Bursar.Agent.Client;

/// <summary>Options for the connection to one agent.</summary>
public sealed record AgentClientOptions
{
    public required string NodeName { get; init; }

    /// <summary>The address of the agent's pod, used instead of DNS.</summary>
    public required IPEndPoint Address { get; init; }

    /// <summary>Bursar's roots, PEM; several during a renewal.</summary>
    public required string RootsPem { get; init; }

    /// <summary>The operator's certificate.</summary>
    public required PemPair Certificate { get; init; }

    public required TimeProvider Time { get; init; }

    /// <summary>How long a request may take beyond the wait of its long poll.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);
}

/// <summary>An agent is unreachable, its certificate was rejected, or it answered with an error or an invalid body.</summary>
public sealed class AgentException(string message, Exception? inner = null, HttpStatusCode? status = null) : Exception(message, inner)
{
    /// <summary>Null without an HTTP response.</summary>
    public HttpStatusCode? Status { get; } = status;
}

/// <summary>
/// The operator's client of an agent's port 9465. It connects to the pod's address and accepts only a server certificate of Bursar's CA
/// that is valid for the agent's name. All methods throw <see cref="AgentException"/> on failure. Safe for concurrent use.
/// </summary>
public sealed class AgentClient : IDisposable
{
    /// <summary>The largest response that is read; a full report of 5,000 entries has about 2 MiB.</summary>
    private const int MaxAnswerBytes = 32 * 1024 * 1024;

    private readonly AgentClientOptions _options;
    private readonly HttpClient _client;
    private readonly X509Certificate2 _certificate;
    private readonly string _host;
    private volatile string? _refusal;

    public AgentClient(AgentClientOptions options)
    {
        this._options = options;
        _host = BursarNames.Agent(options.NodeName);
        _certificate = X509Certificate2.CreateFromPem(options.Certificate.Certificate, options.Certificate.PrivateKey);
        var roots = new X509Certificate2Collection();
        roots.ImportFromPem(options.RootsPem);
        _client = new HttpClient(
            TimedRequestHandler.Around(
                new SocketsHttpHandler
                {
                    UseProxy = false,
                    AllowAutoRedirect = false,
                    UseCookies = false,
                    ActivityHeadersPropagator = null,
                    ConnectCallback = ConnectAsync,
                    SslOptions = new SslClientAuthenticationOptions
                    {
                        ClientCertificates = [_certificate],
                        // Without this, the server's list of accepted issuers decides, and a root of the same name hides ours.
                        LocalCertificateSelectionCallback = (_, _, _, _, _) => _certificate,
                        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                        AllowTlsResume = false,
                        RemoteCertificateValidationCallback = (_, peer, _, _) =>
                        {
                            _refusal = PeerCheck.Refusal(
                                peer as X509Certificate2,
                                roots,
                                PeerPurpose.Server,
                                _host,
                                options.Time.GetUtcNow()
                            );
                            return _refusal is null;
                        },
                    },
                },
                options.Time
            )
        )
        {
            BaseAddress = new Uri($"https://{_host}:{options.Address.Port.ToString(CultureInfo.InvariantCulture)}"),
            Timeout = System.Threading.Timeout.InfiniteTimeSpan,
            MaxResponseContentBufferSize = MaxAnswerBytes,
        };
    }

    /// <summary>
    /// Long-polls for the entries after the cursor and acknowledges those before it. Null reads from the beginning. The agent waits up to
    /// <paramref name="wait"/> for new entries.
    /// </summary>
    public Task<UsageReport> GetUsageAsync(JournalCursor? after, TimeSpan wait, CancellationToken cancellationToken)
    {
        string seconds = ((long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        string path = after is null
            ? $"/v1/usage?wait={seconds}"
            : $"/v1/usage?after={Uri.EscapeDataString(after.ToString())}&wait={seconds}";
        return GetAsync(path, UsageJson.Default.UsageReport, wait, cancellationToken);
    }

    /// <summary>
    /// Long-polls for signals of another revision than <paramref name="after"/>, up to <paramref name="wait"/>. Null returns the current
    /// signals at once. An agent of an older version always answers at once, without a revision.
    /// </summary>
    public Task<SignalReport> GetSignalsAsync(long? after, TimeSpan wait, CancellationToken cancellationToken) =>
        GetAsync(
            after is null
                ? "/v1/signals"
                : string.Create(CultureInfo.InvariantCulture, $"/v1/signals?after={after}&wait={(long)Math.Ceiling(wait.TotalSeconds)}"),
            EndpointJson.Default.SignalReport,
            after is null ? TimeSpan.Zero : wait,
            cancellationToken
        );

    public Task<SignalReport> GetSignalsAsync(CancellationToken cancellationToken) =>
        GetSignalsAsync(null, TimeSpan.Zero, cancellationToken);

    public async Task PutTargetsAsync(TargetList targets, CancellationToken cancellationToken)
    {
        using var content = new ByteArrayContent(JsonSerializer.SerializeToUtf8Bytes(targets, UsageJson.Default.TargetList));
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using var request = new HttpRequestMessage(HttpMethod.Put, "/v1/targets") { Content = content };
        await SendAsync(request, TimeSpan.Zero, cancellationToken);
    }

    public void Dispose()
    {
        _client.Dispose();
        _certificate.Dispose();
    }

    private async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, TimeSpan wait, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        byte[] body = await SendAsync(request, wait, cancellationToken);
        try
        {
            return JsonSerializer.Deserialize(body, type) ?? throw new AgentException($"{_host} answered null to {path}");
        }
        catch (JsonException exception)
        {
            throw new AgentException($"{_host} answered {path} with something else than agreed: {exception.Message}", exception);
        }
    }

    private async Task<byte[]> SendAsync(HttpRequestMessage request, TimeSpan wait, CancellationToken cancellationToken)
    {
        using var deadline = new CancellationTokenSource(wait + _options.Timeout, _options.Time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellationToken);
        try
        {
            using var response = await _client.SendAsync(request, HttpCompletionOption.ResponseContentRead, either.Token);
            byte[] body = await response.Content.ReadAsByteArrayAsync(either.Token);
            if (response.IsSuccessStatusCode)
                return body;
            throw new AgentException(
                $"{_host} answered {(int)response.StatusCode} to {request.RequestUri}: {Message(body)}",
                status: response.StatusCode
            );
        }
        catch (OperationCanceledException exception) when (!cancellationToken.IsCancellationRequested)
        {
            throw new AgentException($"{_host} at {_options.Address} did not answer in time", exception);
        }
        catch (Exception exception) when (exception is HttpRequestException or SocketException)
        {
            // If the peer closes right after the handshake, the handler reads the address of the closed socket, which throws a bare
            // SocketException.
            throw new AgentException($"{_host} at {_options.Address}: {_refusal ?? exception.GetBaseException().Message}", exception);
        }
    }

    private static string Message(byte[] body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, EndpointJson.Default.Refusal)?.Error ?? "no reason given";
        }
        catch (JsonException)
        {
            // Another program may listen on that port.
            return "no reason given";
        }
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(_options.Address, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
