using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Bursar.Operator.Http;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Admission;

/// <summary>
/// Serves <c>--webhook-address</c>: <c>POST /admit</c> and <c>POST /creator</c> with an AdmissionReview over HTTPS. Connections are aborted
/// until there is a certificate.
/// </summary>
internal static class AdmissionEndpoint
{
    public const string Path = "/admit";

    /// <summary>Path of the label with the creator. The configuration has it only if the chart's value <c>admission.creatorLabel</c> is set.</summary>
    public const string CreatorPath = "/creator";

    /// <summary>Limit of a request. The API server accepts objects of up to 3 MiB.</summary>
    public const int MostBytes = 4 * 1024 * 1024;

    /// <param name="address"><c>host:port</c>; host <c>*</c> means all addresses, port 0 a free port.</param>
    /// <param name="certificate">Returns the current certificate; called for every handshake.</param>
    /// <param name="review">Answers a request to <c>/admit</c>.</param>
    /// <param name="labelCreator">Answers a request to <c>/creator</c>.</param>
    /// <param name="loggers">Creates the server's loggers.</param>
    /// <param name="cancellationToken">Cancels only the start.</param>
    public static Task<EdgeServer> StartAsync(
        string address,
        Func<X509Certificate2?> certificate,
        Func<AdmissionRequest, AdmissionResponse> review,
        Func<AdmissionRequest, AdmissionResponse> labelCreator,
        ILoggerFactory loggers,
        CancellationToken cancellationToken
    ) =>
        EdgeServer.StartAsync(
            address,
            MostBytes,
            application => application.Run(context => AnswerAsync(context, review, labelCreator)),
            loggers,
            cancellationToken,
            listener =>
            {
                listener.Use(next =>
                    connection =>
                    {
                        if (certificate() is not null)
                            return next(connection);
                        connection.Abort();
                        return Task.CompletedTask;
                    }
                );
                listener.UseHttps(
                    new TlsHandshakeCallbackOptions
                    {
                        OnConnection = _ => new ValueTask<SslServerAuthenticationOptions>(Handshake(certificate)),
                    }
                );
            }
        );

    private static SslServerAuthenticationOptions Handshake(Func<X509Certificate2?> certificate) =>
        new()
        {
            ServerCertificate = certificate() ?? throw new AuthenticationException("there is no certificate yet"),
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };

    private static async Task AnswerAsync(
        HttpContext context,
        Func<AdmissionRequest, AdmissionResponse> review,
        Func<AdmissionRequest, AdmissionResponse> labelCreator
    )
    {
        var path = context.Request.Path.Value;
        if (path is not (Path or CreatorPath))
        {
            await RefuseAsync(context, StatusCodes.Status404NotFound, $"there are {Path} and {CreatorPath}");
            return;
        }
        if (context.Request.Method != "POST")
        {
            await RefuseAsync(context, StatusCodes.Status405MethodNotAllowed, $"{path} takes a POST");
            return;
        }
        AdmissionReview? incoming;
        try
        {
            incoming = await JsonSerializer.DeserializeAsync(
                context.Request.Body,
                AdmissionJson.Default.AdmissionReview,
                context.RequestAborted
            );
        }
        catch (JsonException error)
        {
            await RefuseAsync(context, StatusCodes.Status400BadRequest, $"the body is not an AdmissionReview: {error.Message}");
            return;
        }
        catch (BadHttpRequestException refused)
        {
            // The request is too large or was cut off.
            await RefuseAsync(context, refused.StatusCode, refused.Message);
            return;
        }
        if (incoming is not { Kind: "AdmissionReview", ApiVersion: AdmissionReview.Version, Request: { Uid.Length: > 0 } request })
        {
            await RefuseAsync(
                context,
                StatusCodes.Status400BadRequest,
                $"the body is not an AdmissionReview of {AdmissionReview.Version} with a request"
            );
            return;
        }
        var answer = JsonSerializer.SerializeToUtf8Bytes(
            new AdmissionReview
            {
                ApiVersion = AdmissionReview.Version,
                Kind = "AdmissionReview",
                Response = path == Path ? review(request) : labelCreator(request),
            },
            AdmissionJson.Default.AdmissionReview
        );
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
