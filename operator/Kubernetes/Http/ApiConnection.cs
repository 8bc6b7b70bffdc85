using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Bursar.Kubernetes.Config;
using k8s;

namespace Bursar.Kubernetes.Http;

/// <summary>
/// A connection to one API server through KubernetesClient, with Bursar's own kubeconfig support and certificate check. KubernetesClient's
/// check ignores the name in the server's certificate, and its kubeconfig support lacks features of kubectl. Thread-safe.
/// </summary>
internal sealed class ApiConnection : IDisposable
{
    private readonly KubeConfig _config;
    private readonly Credentials _credentials;
    private readonly ServerTrust _trust;
    private readonly string _userAgent;
    private readonly Func<IEnumerable<DelegatingHandler>> _handlers;
    private readonly Uri _address;
    private readonly Lock _lock = new();
    private k8s.Kubernetes _client;
    private int _generation;

    /// <param name="handlers">Creates the handlers of one client, outermost first.</param>
    public ApiConnection(KubeConfig config, TimeProvider time, string userAgent, Func<IEnumerable<DelegatingHandler>> handlers)
    {
        _handlers = handlers;
        _config = config;
        _credentials = new Credentials(config, time);
        _trust = new ServerTrust(config, time);
        _userAgent = userAgent;
        // SocketsHttpHandler checks the certificate against the host in the URI. So the URI gets the TLS server name, and ConnectAsync
        // connects to the real address.
        _address = config.TlsServerName is null ? config.Server : new UriBuilder(config.Server) { Host = config.TlsServerName }.Uri;
        _client = CreateClient();
    }

    public void Dispose()
    {
        _client.Dispose();
        _credentials.Dispose();
    }

    /// <summary>Sends a request and returns the response with its body unread. Refused credentials (401) are renewed once.</summary>
    public async Task<HttpResponseMessage> SendAsync(KubeRequest request, CancellationToken cancellationToken)
    {
        for (bool renewed = false; ; renewed = true)
        {
            using HttpRequestMessage message = request.ToMessage(Address(request.PathAndQuery));
            if (Client().Credentials is { } credentials)
                await credentials.ProcessHttpRequestAsync(message, cancellationToken).ConfigureAwait(false);
            HttpResponseMessage response;
            try
            {
                // Get the client after the credentials, because these may include a new client certificate.
                response = await Client()
                    .HttpClient.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
                    .ConfigureAwait(false);
            }
            catch (OperationCanceledException closed) when (!cancellationToken.IsCancellationRequested)
            {
                // Disposing an HttpClient cancels its requests in progress.
                throw new HttpRequestException("The connection to the API server was closed.", closed);
            }

            if (response.StatusCode != HttpStatusCode.Unauthorized || renewed || !_credentials.Refused())
                return response;
            response.Dispose();
        }
    }

    private Uri Address(string pathAndQuery) =>
        new(
            _address.AbsolutePath is "/" or ""
                ? new Uri(_address, pathAndQuery).AbsoluteUri
                : $"{_address.AbsoluteUri.TrimEnd('/')}{pathAndQuery}"
        );

    /// <summary>
    /// Returns a client with the current client certificate. A new certificate needs new connections; requests in progress keep the old
    /// ones.
    /// </summary>
    private k8s.Kubernetes Client()
    {
        lock (_lock)
        {
            if (_generation != _credentials.Generation)
            {
                _generation = _credentials.Generation;
                _client = CreateClient();
            }

            return _client;
        }
    }

    private k8s.Kubernetes CreateClient() =>
        new(
            new KubernetesClientConfiguration
            {
                Host = _address.AbsoluteUri,
                UserAgent = _userAgent,
                TokenProvider = _credentials,
                // Callers set deadlines, because a watch has none.
                HttpClientTimeout = Timeout.InfiniteTimeSpan,
                // A list takes twice as long over HTTP/2 (docs/decisions/0015-libraries.md).
                DisableHttp2 = true,
                FirstMessageHandlerSetup = Configure,
            },
            [new ImpersonationHandler(_config), .. _handlers()]
        );

    private void Configure(SocketsHttpHandler handler)
    {
        handler.AllowAutoRedirect = false;
        handler.UseCookies = false;
        handler.AutomaticDecompression = DecompressionMethods.None;
        handler.PooledConnectionIdleTimeout = TimeSpan.FromSeconds(90);
        handler.ConnectTimeout = TimeSpan.FromSeconds(15);
        handler.ConnectCallback = ConnectAsync;
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            _trust.Refusal(certificate, chain, errors) is { } refusal ? throw new AuthenticationException(refusal) : true;
        handler.SslOptions.LocalCertificateSelectionCallback = (_, _, _, _, _) => _credentials.ClientCertificate()!;
        if (_config.Proxy is not null)
            handler.Proxy = new WebProxy(_config.Proxy);
        else if (_config.Server.IsLoopback)
            handler.UseProxy = false;
    }

    private async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        // With a proxy, the end point is the proxy's and is not changed.
        bool hasTlsName = _config.TlsServerName is not null && context.DnsEndPoint.Host == _config.TlsServerName;
        DnsEndPoint target = hasTlsName ? new DnsEndPoint(_config.Server.DnsSafeHost, _config.Server.Port) : context.DnsEndPoint;
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            // A watch may be silent for minutes. Without keep-alive probes, a vanished peer would go unnoticed for hours.
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 30);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 10);
            await socket.ConnectAsync(target, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Impersonates the user in the kubeconfig, because KubernetesClient ignores <c>as</c> and <c>as-groups</c>.</summary>
    private sealed class ImpersonationHandler(KubeConfig config) : DelegatingHandler
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (config.ImpersonateUser is not null)
                request.Headers.TryAddWithoutValidation("Impersonate-User", config.ImpersonateUser);
            foreach (var group in config.ImpersonateGroups)
                request.Headers.TryAddWithoutValidation("Impersonate-Group", group);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
