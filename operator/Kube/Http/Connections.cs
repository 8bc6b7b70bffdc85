using System.Net;
using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Bursar.Kube.Config;

namespace Bursar.Kube.Http;

/// <summary>The pool of connections to one API server, with its trust and our identity.</summary>
internal sealed class Connections : IDisposable
{
    private readonly KubeConfig _config;
    private readonly Credentials _credentials;
    private readonly ServerTrust _trust;
    private readonly string _userAgent;
    private readonly Uri _address;
    private readonly Lock _lock = new();
    private HttpMessageInvoker _pool;
    private int _generation;

    public Connections(KubeConfig config, TimeProvider time, string userAgent)
    {
        _config = config;
        _credentials = new Credentials(config, time);
        _trust = new ServerTrust(config, time);
        _userAgent = userAgent;
        // SocketsHttpHandler asks for and checks the name in the URI, so another TLS name goes there and the dialling is done below.
        _address = config.TlsServerName is null ? config.Server : new UriBuilder(config.Server) { Host = config.TlsServerName }.Uri;
        _pool = NewPool();
    }

    public void Dispose()
    {
        _pool.Dispose();
        _credentials.Dispose();
    }

    /// <summary>An absolute address for a path of the API.</summary>
    public Uri Address(string pathAndQuery) =>
        new(_address.AbsolutePath is "/" or "" ? new Uri(_address, pathAndQuery).AbsoluteUri : $"{_address.AbsoluteUri.TrimEnd('/')}{pathAndQuery}");

    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (await _credentials.TokenAsync(cancellationToken).ConfigureAwait(false) is { Length: > 0 } token)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", token);
        request.Headers.TryAddWithoutValidation("User-Agent", _userAgent);
        if (_config.ImpersonateUser is not null) request.Headers.TryAddWithoutValidation("Impersonate-User", _config.ImpersonateUser);
        foreach (string group in _config.ImpersonateGroups) request.Headers.TryAddWithoutValidation("Impersonate-Group", group);
        return await Pool().SendAsync(request, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The server answered 401. True when another try may carry other credentials.</summary>
    public bool Refused() => _credentials.Refused();

    /// <summary>A new client certificate needs new connections; the old ones end with what runs on them.</summary>
    private HttpMessageInvoker Pool()
    {
        lock (_lock)
        {
            if (_generation != _credentials.Generation)
            {
                _generation = _credentials.Generation;
                _pool = NewPool();
            }

            return _pool;
        }
    }

    private HttpMessageInvoker NewPool()
    {
        SocketsHttpHandler handler = new()
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(90),
            ConnectTimeout = TimeSpan.FromSeconds(15),
            ConnectCallback = DialAsync,
            SslOptions = new SslClientAuthenticationOptions
            {
                RemoteCertificateValidationCallback = (_, certificate, chain, errors) => _trust.Refusal(certificate, chain, errors) is { } refusal ? throw new AuthenticationException(refusal) : true,
                LocalCertificateSelectionCallback = (_, _, _, _, _) => _credentials.ClientCertificate()!,
            },
        };
        if (_config.Proxy is not null) handler.Proxy = new WebProxy(_config.Proxy);
        else if (_config.Server.IsLoopback) handler.UseProxy = false;
        return new HttpMessageInvoker(handler, disposeHandler: true);
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
}
