using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Bursar.Operator.Serving;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Admission;

/// <summary><c>--webhook-address</c>: <c>POST /admit</c>, an AdmissionReview over HTTPS. Until there is a certificate no connection is taken.</summary>
public sealed class AdmissionEndpoint : IAsyncDisposable
{
    public const string Path = "/admit";

    /// <summary>An API server takes objects of at most 3 MiB.</summary>
    public const int MostBytes = 4 * 1024 * 1024;

    private readonly WebApplication _application;

    private AdmissionEndpoint(WebApplication application, string address)
    {
        _application = application;
        Address = address;
    }

    /// <summary>Where it listens, with the real port: <c>host:port</c>.</summary>
    public string Address { get; }

    /// <param name="address"><c>host:port</c>; host <c>*</c> is every address, port 0 any free one.</param>
    /// <param name="certificate">The certificate of this moment; asked at every handshake.</param>
    /// <param name="review">What answers.</param>
    /// <param name="loggers">Where the server logs.</param>
    /// <param name="cancellationToken">Cancels the start alone.</param>
    public static async Task<AdmissionEndpoint> StartAsync(
        string address, Func<X509Certificate2?> certificate, Func<AdmissionRequest, AdmissionResponse> review, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var (host, port) = OperatorListener.Parse(address);
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(loggers);
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MostBytes;
            kestrel.Limits.MaxConcurrentConnections = 256;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
            kestrel.Listen(host, port, listener =>
            {
                listener.Protocols = HttpProtocols.Http1;
                listener.Use(next => connection =>
                {
                    if (certificate() is not null) return next(connection);
                    connection.Abort();
                    return Task.CompletedTask;
                });
                listener.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => new ValueTask<SslServerAuthenticationOptions>(Handshake(certificate)) });
            });
        });
        var application = builder.Build();
        application.Run(context => AnswerAsync(context, review));
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
        return new(application, string.Create(CultureInfo.InvariantCulture, $"{bound.Host}:{bound.Port}"));
    }

    public async ValueTask DisposeAsync()
    {
        using (var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5))) await _application.StopAsync(patience.Token);
        await _application.DisposeAsync();
    }

    private static SslServerAuthenticationOptions Handshake(Func<X509Certificate2?> certificate) => new()
    {
        ServerCertificate = certificate() ?? throw new AuthenticationException("there is no certificate yet"),
        EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
        CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
    };

    private static async Task AnswerAsync(HttpContext context, Func<AdmissionRequest, AdmissionResponse> review)
    {
        if (context.Request.Path.Value != Path)
        {
            await RefuseAsync(context, StatusCodes.Status404NotFound, $"there is {Path}");
            return;
        }
        if (context.Request.Method != "POST")
        {
            await RefuseAsync(context, StatusCodes.Status405MethodNotAllowed, $"{Path} takes a POST");
            return;
        }
        AdmissionReview? asked;
        try
        {
            asked = await JsonSerializer.DeserializeAsync(context.Request.Body, AdmissionJson.Default.AdmissionReview, context.RequestAborted);
        }
        catch (JsonException odd)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, $"the body is no AdmissionReview: {odd.Message}");
            return;
        }
        catch (Microsoft.AspNetCore.Http.BadHttpRequestException refused)
        {
            // Larger than is taken, or cut off.
            await RefuseAsync(context, refused.StatusCode, refused.Message);
            return;
        }
        if (asked is not { Kind: "AdmissionReview", ApiVersion: AdmissionReview.Version, Request: { Uid.Length: > 0 } request })
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, $"the body is no AdmissionReview of {AdmissionReview.Version} with a request");
            return;
        }
        var answer = JsonSerializer.SerializeToUtf8Bytes(new AdmissionReview { ApiVersion = AdmissionReview.Version, Kind = "AdmissionReview", Response = review(request) }, AdmissionJson.Default.AdmissionReview);
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = answer.Length;
        await context.Response.Body.WriteAsync(answer, context.RequestAborted);
    }

    private static async Task RefuseAsync(HttpContext context, int status, string sentence)
    {
        var body = Encoding.UTF8.GetBytes(sentence + "\n");
        context.Response.StatusCode = status;
        context.Response.ContentType = "text/plain; charset=utf-8";
        context.Response.ContentLength = body.Length;
        await context.Response.Body.WriteAsync(body, context.RequestAborted);
    }
}
