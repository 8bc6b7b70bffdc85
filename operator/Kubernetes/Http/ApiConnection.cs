using System.Net;
using System.Net.Sockets;
using System.Security.Authentication;
using Bursar.Kubernetes.Config;
using k8s;

namespace Bursar.Kubernetes.Http;

/// <summary>
/// KubernetesClient's connection to one API server, with our credentials and our trust. Its own check of the server's certificate
/// ignores the name in it, and its kubeconfig support falls short of kubectl's. Safe for concurrent use.
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

    /// <param name="handlers">Makes the handlers of one client, outermost first.</param>
    public ApiConnection(KubeConfig config, TimeProvider time, string userAgent, Func<IEnumerable<DelegatingHandler>> handlers)
    {
        _handlers = handlers;
        _config = config;
        _credentials = new Credentials(config, time);
        _trust = new ServerTrust(config, time);
        _userAgent = userAgent;
        // SocketsHttpHandler asks for and checks the name in the URI, so another TLS name goes there and the dialling is done below.
        _address = config.TlsServerName is null ? config.Server : new UriBuilder(config.Server) { Host = config.TlsServerName }.Uri;
        _client = CreateClient();
    }

    public void Dispose()
    {
        _client.Dispose();
        _credentials.Dispose();
    }

    /// <summary>Sends a request through the handlers; the body of the answer is unread. Refused credentials are renewed once.</summary>
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
                // After the credentials, which may have come with a new client certificate.
                response = await Client()
                    .HttpClient.SendAsync(message, HttpCompletionOption.ResponseHeadersRead, cancellationToken)
                    .ConfigureAwait(false);
            }
            catch (OperationCanceledException closed) when (!cancellationToken.IsCancellationRequested)
            {
                // HttpClient cancels what is under way when it is disposed.
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

    /// <summary>A new client certificate needs new connections; the old ones end with what runs on them.</summary>
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
                // Deadlines are the caller's: a watch has none.
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
        handler.ConnectCallback = DialAsync;
        handler.SslOptions.RemoteCertificateValidationCallback = (_, certificate, chain, errors) =>
            _trust.Refusal(certificate, chain, errors) is { } refusal ? throw new AuthenticationException(refusal) : true;
        handler.SslOptions.LocalCertificateSelectionCallback = (_, _, _, _, _) => _credentials.ClientCertificate()!;
        if (_config.Proxy is not null)
            handler.Proxy = new WebProxy(_config.Proxy);
        else if (_config.Server.IsLoopback)
            handler.UseProxy = false;
    }

    private async ValueTask<Stream> DialAsync(SocketsHttpConnectionContext context, CancellationToken cancellationToken)
    {
        // Through a proxy, the end point is the proxy's and stays as it is.
        bool renamed = _config.TlsServerName is not null && context.DnsEndPoint.Host == _config.TlsServerName;
        DnsEndPoint target = renamed ? new DnsEndPoint(_config.Server.DnsSafeHost, _config.Server.Port) : context.DnsEndPoint;
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            // A watch is silent for long; without probes a peer that vanished would be believed for hours.
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

    /// <summary>Acts as the user whom the kubeconfig names; KubernetesClient ignores <c>as</c> and <c>as-groups</c>.</summary>
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
