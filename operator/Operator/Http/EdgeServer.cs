using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Http;

/// <summary>An HTTP server of the operator with one handler and tight limits.</summary>
internal sealed class EdgeServer : IAsyncDisposable
{
    private readonly WebApplication _application;

    private EdgeServer(WebApplication application, string address)
    {
        _application = application;
        Address = address;
    }

    /// <summary>The address with the actual port: <c>host:port</c>.</summary>
    public string Address { get; }

    /// <param name="address"><c>host:port</c>; host <c>*</c> means all addresses, port 0 a free port.</param>
    /// <param name="mostBytes">Limit of a request's body.</param>
    /// <param name="map">Maps the handlers.</param>
    /// <param name="loggers">Creates the server's loggers.</param>
    /// <param name="cancellationToken">Cancels only the start.</param>
    /// <param name="listen">Configures the listener, for example TLS; null for nothing.</param>
    /// <param name="protocols">HTTP/2 alone means HTTP/2 without TLS, with prior knowledge.</param>
    /// <param name="services">Adds services for the handlers; null for none.</param>
    public static async Task<EdgeServer> StartAsync(
        string address,
        int mostBytes,
        Action<WebApplication> map,
        ILoggerFactory loggers,
        CancellationToken cancellationToken,
        Action<ListenOptions>? listen = null,
        HttpProtocols protocols = HttpProtocols.Http1,
        Action<IServiceCollection>? services = null
    )
    {
        var (host, port) = Parse(address);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        services?.Invoke(builder.Services);
        builder
            .WebHost.UseKestrelCore()
            .ConfigureKestrel(kestrel =>
            {
                kestrel.AddServerHeader = false;
                kestrel.Limits.MaxRequestBodySize = mostBytes;
                kestrel.Limits.MaxConcurrentConnections = 256;
                kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
                // The streams of one client share a connection, and each of many scalers keeps a stream open. Pings detect a lost peer.
                kestrel.Limits.Http2.MaxStreamsPerConnection = 4096;
                kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(30);
                kestrel.Listen(host, port, listener =>
                {
                    listener.Protocols = protocols;
                    listen?.Invoke(listener);
                });
            });
        var application = builder.Build();
        map(application);
        try
        {
            await application.StartAsync(cancellationToken);
        }
        catch (Exception refused)
        {
            await application.DisposeAsync();
            if (refused is SocketException or IOException)
                throw new IOException($"cannot listen on {address}: {refused.Message}", refused);
            throw;
        }
        var bound = new Uri(
            application.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.First()
        );
        return new(application, string.Create(CultureInfo.InvariantCulture, $"{bound.Host}:{bound.Port}"));
    }

    public async ValueTask DisposeAsync()
    {
        using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5)))
            await _application.StopAsync(patience.Token);
        await _application.DisposeAsync();
    }

    internal static (IPAddress Host, int Port) Parse(string address)
    {
        var colon = address.LastIndexOf(':');
        if (colon < 0 || !ushort.TryParse(address.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port))
            throw new FormatException($"'{address}' is not host:port");
        var host = address[..colon].Trim('[', ']');
        // Kestrel cannot bind a free port on both address families at once.
        if (host is "*" or "")
            return (port == 0 || !Socket.OSSupportsIPv6 ? IPAddress.Any : IPAddress.IPv6Any, port);
        if (host == "localhost")
            return (IPAddress.Loopback, port);
        return IPAddress.TryParse(host, out var ip)
            ? (ip, port)
            : throw new FormatException($"'{host}' is neither an address, nor localhost, nor *");
    }
}
