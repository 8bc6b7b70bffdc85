using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Bursar.Core.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Serving;

/// <summary><c>--metrics-address</c>: <c>/metrics</c>, <c>/healthz</c> (the process answers) and <c>/readyz</c> (its caches are those of the cluster).</summary>
public sealed class OperatorListener : IAsyncDisposable
{
    private readonly WebApplication _application;

    private OperatorListener(WebApplication application, string address)
    {
        _application = application;
        Address = address;
    }

    /// <summary>Where it listens, with the real port: <c>host:port</c>.</summary>
    public string Address { get; }

    /// <param name="address"><c>host:port</c>; host <c>*</c> is every address, port 0 any free one.</param>
    /// <param name="metrics">What <c>/metrics</c> shows.</param>
    /// <param name="ready">What <c>/readyz</c> asks.</param>
    /// <param name="loggers">Where the server logs.</param>
    /// <param name="cancellationToken">Cancels the start alone.</param>
    public static async Task<OperatorListener> StartAsync(
        string address, OperatorMetrics metrics, Func<bool> ready, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var (host, port) = Parse(address);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 0;
            kestrel.Limits.MaxConcurrentConnections = 256;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.Listen(host, port, listener => listener.Protocols = HttpProtocols.Http1);
        });
        var application = builder.Build();
        application.Run(context => AnswerAsync(context, metrics, ready));
        try
        {
            await application.StartAsync(cancellationToken);
        }
        catch
        {
            await application.DisposeAsync();
            throw;
        }
        var bound = new Uri(application.Services.GetRequiredService<IServer>().Features.GetRequiredFeature<IServerAddressesFeature>().Addresses.First());
        return new OperatorListener(application, string.Create(CultureInfo.InvariantCulture, $"{bound.Host}:{bound.Port}"));
    }

    public async ValueTask DisposeAsync()
    {
        using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5))) await _application.StopAsync(patience.Token);
        await _application.DisposeAsync();
    }

    private static async Task AnswerAsync(HttpContext context, OperatorMetrics metrics, Func<bool> ready)
    {
        var response = context.Response;
        if (context.Request.Method is not ("GET" or "HEAD"))
        {
            response.StatusCode = StatusCodes.Status405MethodNotAllowed;
            return;
        }
        byte[] body;
        var type = "text/plain; charset=utf-8";
        switch (context.Request.Path.Value)
        {
            case "/metrics":
                body = metrics.Scrape();
                type = PrometheusWriter.ContentType;
                break;
            case "/healthz":
                body = "ok\n"u8.ToArray();
                break;
            case "/readyz" when ready():
                body = "ok\n"u8.ToArray();
                break;
            case "/readyz":
                response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                body = "not ready: the cluster's state is still being read\n"u8.ToArray();
                break;
            default:
                response.StatusCode = StatusCodes.Status404NotFound;
                body = Encoding.UTF8.GetBytes("there is /metrics, /healthz and /readyz\n");
                break;
        }
        response.ContentType = type;
        response.ContentLength = body.Length;
        if (context.Request.Method == "GET") await response.Body.WriteAsync(body, context.RequestAborted);
    }

    internal static (IPAddress Host, int Port) Parse(string address)
    {
        var colon = address.LastIndexOf(':');
        if (colon < 0 || !ushort.TryParse(address.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port))
            throw new FormatException($"'{address}' is not host:port");
        var host = address[..colon].Trim('[', ']');
        // Kestrel cannot bind "any port" on both families at once.
        if (host is "*" or "") return (port == 0 || !Socket.OSSupportsIPv6 ? IPAddress.Any : IPAddress.IPv6Any, port);
        if (host == "localhost") return (IPAddress.Loopback, port);
        return IPAddress.TryParse(host, out var ip) ? (ip, port) : throw new FormatException($"'{host}' is neither an address, nor localhost, nor *");
    }
}
