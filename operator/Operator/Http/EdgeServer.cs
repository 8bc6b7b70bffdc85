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

/// <summary>One small HTTP server of the operator: an address, one handler, tight limits.</summary>
internal sealed class EdgeServer : IAsyncDisposable
{
    private readonly WebApplication _application;

    private EdgeServer(WebApplication application, string address)
    {
        _application = application;
        Address = address;
    }

    /// <summary>Where it listens, with the real port: <c>host:port</c>.</summary>
    public string Address { get; }

    /// <param name="address"><c>host:port</c>; host <c>*</c> is every address, port 0 any free one.</param>
    /// <param name="mostBytes">Of a request's body.</param>
    /// <param name="map">Maps what answers.</param>
    /// <param name="loggers">Where the server logs.</param>
    /// <param name="cancellationToken">Cancels the start alone.</param>
    /// <param name="listen">What stands between the socket and HTTP, where anything does.</param>
    /// <param name="protocols">HTTP/2 alone is spoken in clear text with prior knowledge.</param>
    /// <param name="services">Adds services that the answers need; null for none.</param>
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
                // One caller's streams share a connection: a thousand scalers, each with a stream that stays open. A peer that is gone is
                // noticed.
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
        // Kestrel cannot bind "any port" on both families at once.
        if (host is "*" or "")
            return (port == 0 || !Socket.OSSupportsIPv6 ? IPAddress.Any : IPAddress.IPv6Any, port);
        if (host == "localhost")
            return (IPAddress.Loopback, port);
        return IPAddress.TryParse(host, out var ip)
            ? (ip, port)
            : throw new FormatException($"'{host}' is neither an address, nor localhost, nor *");
    }
}
