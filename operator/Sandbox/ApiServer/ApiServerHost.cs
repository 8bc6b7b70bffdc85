using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Concurrency;
using Bursar.Sandbox.Discovery;
using Bursar.Sandbox.OpenApi;
using Bursar.Sandbox.Values;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Bursar.Sandbox.ApiServer;

/// <summary>
/// The HTTPS server. It listens on loopback, requires one bearer token, refuses foreign Host headers, then applies faults and routes.
/// </summary>
internal sealed class ApiServerHost : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly KindRegistry _kinds;
    private readonly ResourceEndpoint _resources;
    private readonly FaultPlan _faults;
    private readonly TimeProvider _time;
    private readonly ActivityTracker? _activity;
    private readonly byte[] _token;
    private readonly OpenApiDocuments _openApi = new();
    private readonly CancellationTokenSource _stopping = new();
    private int _port;

    private ApiServerHost(
        WebApplication app,
        KindRegistry kinds,
        ResourceEndpoint resources,
        FaultPlan faults,
        TimeProvider time,
        ActivityTracker? activity,
        string token
    )
    {
        _app = app;
        _kinds = kinds;
        _resources = resources;
        _faults = faults;
        _time = time;
        _activity = activity;
        _token = Encoding.ASCII.GetBytes(token);
    }

    public Uri Address => new($"https://127.0.0.1:{_port}");

    public static async Task<ApiServerHost> StartAsync(
        ServerCertificate certificate,
        int port,
        string token,
        KindRegistry kinds,
        ResourceEndpoint resources,
        FaultPlan faults,
        TimeProvider time,
        ActivityTracker? activity,
        CancellationToken ct
    )
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder
            .WebHost.UseKestrelCore()
            .UseKestrelHttpsConfiguration()
            .ConfigureKestrel(kestrel =>
            {
                kestrel.AddServerHeader = false;
                kestrel.Limits.MinRequestBodyDataRate = null;
                kestrel.Limits.MinResponseDataRate = null;
                kestrel.Limits.Http2.MaxStreamsPerConnection = 4096;
                kestrel.Limits.MaxRequestBodySize = 16 * 1024 * 1024;
                kestrel.Listen(IPAddress.Loopback, port, listen => listen.UseHttps(certificate.Certificate));
            });
        builder.Services.Configure<Microsoft.Extensions.Hosting.HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(2));
        var app = builder.Build();
        var host = new ApiServerHost(app, kinds, resources, faults, time, activity, token);
        app.Run(host.HandleAsync);
        await app.StartAsync(ct).ConfigureAwait(false);
        host._port = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First()).Port;
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        // End watches first, or the host would wait for them.
        await _stopping.CancelAsync().ConfigureAwait(false);
        await _app.StopAsync().ConfigureAwait(false);
        await _app.DisposeAsync().ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task HandleAsync(HttpContext http)
    {
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, _stopping.Token);
        var ct = linked.Token;
        // Clients compute the age of objects by this clock.
        http.Response.Headers.Date = _time.GetUtcNow().ToString("R", System.Globalization.CultureInfo.InvariantCulture);
        try
        {
            await GuardedAsync(http, ct).ConfigureAwait(false);
        }
        catch (ApiError e) when (!http.Response.HasStarted)
        {
            await Answer.ErrorAsync(http, e, ct).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            // The client disconnected, or the server stops.
        }
        catch (Exception e) when (e is IOException or ConnectionAbortedException && http.RequestAborted.IsCancellationRequested)
        {
            // The client disconnected while the response was written.
        }
        catch (Exception e) when (!http.Response.HasStarted)
        {
            await Answer.ErrorAsync(http, ApiError.Internal($"{e.GetType().Name}: {e.Message} {e.StackTrace}"), ct).ConfigureAwait(false);
        }
    }

    private async Task GuardedAsync(HttpContext http, CancellationToken ct)
    {
        var host = http.Request.Host;
        if (host.Host is not ("127.0.0.1" or "localhost") || host.Port != _port)
        {
            // Prevents DNS rebinding: a web page could reach the server under its own host name.
            throw new ApiError(421, "MisdirectedRequest", $"this server answers to 127.0.0.1:{_port} and localhost:{_port} only");
        }

        Authenticate(http);
        var path = http.Request.Path.Value ?? "/";
        var info = RequestInfo.Parse(http.Request.Method, path, http.Request.Query);
        var isWatch = info is not null && (info.Verb == "watch" || http.Request.Query["watch"].FirstOrDefault() is "true" or "1");
        var verb = isWatch ? "watch" : info?.Verb ?? http.Request.Method.ToLowerInvariant();
        // Watches are counted where they write.
        using var unit = isWatch ? null : _activity?.Start("answering", path);
        var fault = _faults.Next(verb, info?.Resource ?? "", path, http.Request.Headers.UserAgent.ToString());
        switch (fault)
        {
            case Fault.Answer answer:
                throw FaultPlan.ToError(answer.Code, answer.RetryAfterSeconds, info);
            case Fault.Delay delay:
                await DelayAsync(http, delay.By, ct).ConfigureAwait(false);
                break;
            case Fault.AnswerAfter after:
                var answered = http.Response.Body;
                http.Response.Body = Stream.Null;
                try
                {
                    await RouteAsync(http, info, path, null, ct).ConfigureAwait(false);
                }
                finally
                {
                    http.Response.Body = answered;
                }

                http.Response.ContentLength = null;
                http.Response.Headers.Clear();
                throw FaultPlan.ToError(after.Code, 1, info);
        }

        await RouteAsync(http, info, path, fault, ct).ConfigureAwait(false);
    }

    /// <summary>Delays a request. The client's unit is paused, because it waits for the same timer.</summary>
    private async Task DelayAsync(HttpContext http, TimeSpan by, CancellationToken ct)
    {
        Guid? asked = Guid.TryParse(http.Request.Headers[ActivityTracker.Header].ToString(), out var id) ? id : null;
        if (asked is { } waits)
        {
            _activity?.PauseRequest(waits);
        }

        try
        {
            await PeriodicLoop.PauseAsync(_time, by, ct).ConfigureAwait(false);
        }
        finally
        {
            if (asked is { } goesOn)
            {
                _activity?.ResumeRequest(goesOn);
            }
        }
    }

    private void Authenticate(HttpContext http)
    {
        var header = http.Request.Headers.Authorization.ToString();
        var given = header.StartsWith("Bearer ", StringComparison.OrdinalIgnoreCase) ? Encoding.ASCII.GetBytes(header[7..].Trim()) : [];
        if (!CryptographicOperations.FixedTimeEquals(given, _token))
        {
            throw ApiError.Unauthorized();
        }
    }

    private async Task RouteAsync(HttpContext http, RequestInfo? info, string path, Fault? fault, CancellationToken ct)
    {
        if (info is not null)
        {
            await _resources.HandleAsync(http, info, fault, ct).ConfigureAwait(false);
            return;
        }

        if (!HttpMethods.IsGet(http.Request.Method) && !HttpMethods.IsHead(http.Request.Method))
        {
            throw ApiError.NoSuchPath();
        }

        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        switch (parts)
        {
            case []:
                var roots = new JsonArray("/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version");
                await Answer.JsonAsync(http, 200, new JsonObject { ["paths"] = roots }, ct).ConfigureAwait(false);
                return;
            case ["healthz" or "readyz" or "livez", ..]:
                await Answer.TextAsync(http, 200, "ok", ct).ConfigureAwait(false);
                return;
            case ["version"]:
                await Answer.JsonAsync(http, 200, Version(), ct).ConfigureAwait(false);
                return;
            case ["api"]:
                await DiscoveryAsync(
                        http,
                        () => DiscoveryDocuments.CoreVersions($"127.0.0.1:{_port}"),
                        DiscoveryDocuments.AggregatedCore,
                        ct
                    )
                    .ConfigureAwait(false);
                return;
            case ["apis"]:
                await DiscoveryAsync(http, () => DiscoveryDocuments.Groups(_kinds.All), DiscoveryDocuments.AggregatedGroups, ct)
                    .ConfigureAwait(false);
                return;
            case ["api", var version]:
                await Answer
                    .JsonAsync(http, 200, DiscoveryDocuments.Resources(_kinds.All, "", version) ?? throw ApiError.NoSuchPath(), ct)
                    .ConfigureAwait(false);
                return;
            case ["apis", var group]:
                await Answer
                    .JsonAsync(http, 200, DiscoveryDocuments.Group(_kinds.All, group) ?? throw ApiError.NoSuchPath(), ct)
                    .ConfigureAwait(false);
                return;
            case ["apis", var group, var version]:
                await Answer
                    .JsonAsync(http, 200, DiscoveryDocuments.Resources(_kinds.All, group, version) ?? throw ApiError.NoSuchPath(), ct)
                    .ConfigureAwait(false);
                return;
            case ["openapi", "v3"]:
                await Answer.JsonAsync(http, 200, _openApi.Index(_kinds.All), ct).ConfigureAwait(false);
                return;
            case ["openapi", "v3", ..]:
                var document = _openApi.Document(_kinds.All, string.Join('/', parts[2..])) ?? throw ApiError.NoSuchPath();
                http.Response.Headers.ETag = $"\"{document.Hash}\"";
                await Answer.BytesAsync(http, 200, document.Json, ct).ConfigureAwait(false);
                return;
            default:
                throw ApiError.NoSuchPath();
        }
    }

    private async Task DiscoveryAsync(
        HttpContext http,
        Func<JsonObject> plain,
        Func<IEnumerable<Schemas.KindInfo>, JsonObject> aggregated,
        CancellationToken ct
    )
    {
        foreach (var range in http.Request.Headers.Accept.ToString().Split(','))
        {
            var parts = range.Split(';', StringSplitOptions.TrimEntries);
            if (parts[0] != "application/json")
            {
                continue;
            }

            if (!parts.Contains("as=APIGroupDiscoveryList"))
            {
                break;
            }

            if (parts.Contains("v=v2"))
            {
                http.Response.ContentType = DiscoveryDocuments.AggregatedMediaType;
                await Answer.JsonAsync(http, 200, aggregated(_kinds.All), ct).ConfigureAwait(false);
                return;
            }
        }

        await Answer.JsonAsync(http, 200, plain(), ct).ConfigureAwait(false);
    }

    private static JsonObject Version() =>
        new()
        {
            ["major"] = "1",
            ["minor"] = "36",
            ["gitVersion"] = "v1.36.0-sandbox",
            ["gitCommit"] = "",
            ["gitTreeState"] = "clean",
            ["buildDate"] = "2026-01-01T00:00:00Z",
            ["goVersion"] = "none",
            ["compiler"] = "roslyn",
            ["platform"] = "linux/amd64",
        };
}
