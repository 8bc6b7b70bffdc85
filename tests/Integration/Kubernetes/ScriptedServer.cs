using System.Collections.Concurrent;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Bursar.Tests.Integration.Kubernetes;

/// <summary>A loopback server whose answers the test writes; it remembers what was asked.</summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ScriptedServer(WebApplication app) => _app = app;

    public ConcurrentQueue<RecordedRequest> Requests { get; } = [];

    public Uri Address { get; private set; } = null!;

    public static async Task<ScriptedServer> StartAsync(Func<RecordedRequest, HttpContext, Task> answer)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        WebApplication app = builder.Build();
        ScriptedServer server = new(app);
        app.Run(async context =>
        {
            using StreamReader reader = new(context.Request.Body);
            RecordedRequest asked = new(
                context.Request.Method,
                context.Request.Path,
                context.Request.QueryString.ToString(),
                await reader.ReadToEndAsync(),
                context.Request.ContentType ?? "",
                context.Request.Headers.ToDictionary(
                    header => header.Key,
                    header => header.Value.ToString(),
                    StringComparer.OrdinalIgnoreCase
                )
            );
            server.Requests.Enqueue(asked);
            await answer(asked, context);
        });
        await app.StartAsync();
        server.Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
        return server;
    }

    public KubeClient Client(KubeClientOptions? options = null) => new(new KubeConfig { Server = Address }, options);

    public async ValueTask DisposeAsync()
    {
        using CancellationTokenSource now = new();
        await now.CancelAsync();
        await _app.StopAsync(now.Token);
        await _app.DisposeAsync();
    }
}

internal sealed record RecordedRequest(
    string Method,
    string Path,
    string Query,
    string Body,
    string ContentType,
    Dictionary<string, string> Headers
)
{
    public bool IsWatch => Query.Contains("watch=true", StringComparison.Ordinal);

    public bool IsStreamingList => Query.Contains("sendInitialEvents=true", StringComparison.Ordinal);
}

internal static class Answers
{
    public static async Task JsonAsync(this HttpContext context, string json, int status = 200)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(json);
    }

    public static Task StatusAsync(this HttpContext context, int code, string reason, string message = "no") =>
        context.JsonAsync($$"""{"kind":"Status","status":"Failure","message":"{{message}}","reason":"{{reason}}","code":{{code}}}""", code);

    public static async Task LineAsync(this HttpContext context, string json)
    {
        await context.Response.WriteAsync(json + "\n");
        await context.Response.Body.FlushAsync();
    }

    public static Task EventAsync(this HttpContext context, string type, string obj) =>
        context.LineAsync($$"""{"type":"{{type}}","object":{{obj}}}""");

    /// <summary>Keeps a watch open, or a request unanswered, until the client leaves.</summary>
    public static async Task HoldAsync(this HttpContext context, bool headers = true)
    {
        if (headers)
            await context.Response.Body.FlushAsync();
        TaskCompletionSource left = new();
        await using CancellationTokenRegistration registration = context.RequestAborted.Register(left.SetResult);
        await left.Task;
    }

    public static string Map(string name, string version, string uid = "", string ns = "a") =>
        $$"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"{{name}}","namespace":"{{ns}}","uid":"{{(uid.Length == 0 ? name : uid)}}","resourceVersion":"{{version}}"},"data":{"v":"{{version}}"} }""";

    public static string List(string version, params string[] items) =>
        $$"""{"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"{{version}}"},"items":[{{string.Join(',', items)}}]}""";
}

internal static class Until
{
    /// <summary>Waits for a state of the world, not for luck: fails after half a minute.</summary>
    public static async Task TrueAsync(Func<bool> condition, string what, Action? meanwhile = null)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            if (TimeProvider.System.GetElapsedTime(start) > TimeSpan.FromSeconds(30))
                throw new TimeoutException($"Never came: {what}.");
            meanwhile?.Invoke();
            await Task.Delay(5);
        }
    }
}
