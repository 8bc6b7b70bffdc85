using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Bursar.Concurrency;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;
using Microsoft.Extensions.Logging;

namespace Bursar.Kubernetes.Client;

/// <summary>
/// A client of one API server. Its types have only the fields that Bursar reads, so it never replaces an object (PUT). Writes are creates,
/// patches and deletes. Throttled requests (429) are retried, and reads also after a broken connection or a server error. Credentials that
/// the server refuses (401) are renewed once. Requests throw <see cref="ApiException"/> for an error status,
/// <see cref="HttpRequestException"/> or <see cref="IOException"/> for a broken connection, and <see cref="TimeoutException"/> if the
/// server is silent.
/// </summary>
public sealed partial class KubeClient : IDisposable
{
    private readonly KubeClientOptions _options;
    private readonly ApiConnection _connection;
    private readonly ILogger _log;
    private readonly ServerReachability _reachability;
    private int _streamingListRefused;
    private long _serverTime;

    public KubeClient(KubeConfig config, KubeClientOptions? options = null)
    {
        Config = config;
        _options = options ?? new KubeClientOptions();
        string version = typeof(KubeClient).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion
            ?? "0";
        _log = _options.LoggerFactory.CreateLogger<KubeClient>();
        _reachability = new ServerReachability(config.Server, _options.TimeProvider, _log);
        _discoveryGate = new AsyncLock(TimeProvider, "discovery");
        _connection = new ApiConnection(config, _options.TimeProvider, _options.UserAgent ?? $"bursar/{version}", Handlers);
    }

    public KubeConfig Config { get; }

    public TimeProvider TimeProvider => _options.TimeProvider;

    /// <summary>
    /// The API server's clock at its last response, to the second; null before the first response. Use it to compute the age of API
    /// objects, because the local clock may be wrong.
    /// </summary>
    public DateTimeOffset? ServerTime =>
        Volatile.Read(ref _serverTime) is > 0 and var ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    /// <summary>True during an outage of the API server, which the client itself logs.</summary>
    public bool IsUnreachable => _reachability.IsDown;

    internal ActivityTracker? ActivityTracker => ActivityTracker.From(TimeProvider);

    public ILoggerFactory LoggerFactory => _options.LoggerFactory;

    /// <summary>False once the server has refused a streaming list.</summary>
    public bool StreamingListSupported => Volatile.Read(ref _streamingListRefused) == 0;

    internal void StreamingListRefused() => Volatile.Write(ref _streamingListRefused, 1);

    public void Dispose() => _connection.Dispose();

    public Task<T> GetAsync<T>(string name, string? ns, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T> =>
        SendAsync(new KubeRequest(HttpMethod.Get, T.EntityKind.Path(ns, name)), EntityJson.Read<T>, cancellationToken);

    public async Task<T?> GetOrNullAsync<T>(string name, string? ns, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        try
        {
            return await GetAsync<T>(name, ns, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException notFound) when (notFound.IsNotFound)
        {
            return null;
        }
    }

    public Task<T> CreateAsync<T>(T obj, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T> =>
        SendAsync(
            new KubeRequest(HttpMethod.Post, T.EntityKind.Path(obj.Metadata.Namespace))
            {
                Body = JsonBody.Write(writer => JsonSerializer.Serialize(writer, obj, T.JsonTypeInfo)),
                ContentType = "application/json",
            },
            EntityJson.Read<T>,
            cancellationToken
        );

    /// <summary>Creates an object from JSON, for kinds with more fields than their C# type.</summary>
    public Task<T> CreateAsync<T>(JsonObject obj, string? ns, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T> =>
        SendAsync(
            new KubeRequest(HttpMethod.Post, T.EntityKind.Path(ns))
            {
                Body = JsonBody.Write(writer => obj.WriteTo(writer)),
                ContentType = "application/json",
            },
            EntityJson.Read<T>,
            cancellationToken
        );

    public Task<T> PatchAsync<T>(string name, string? ns, KubePatch patch, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T> =>
        SendAsync(
            new KubeRequest(
                HttpMethod.Patch,
                T.EntityKind.Path(ns, name, patch.Subresource)
                    + (patch.FieldManager is null ? "" : $"?fieldManager={Uri.EscapeDataString(patch.FieldManager)}")
            )
            {
                Body = patch.Body,
                ContentType = patch.ContentType,
            },
            EntityJson.Read<T>,
            cancellationToken
        );

    public async Task DeleteAsync<T>(string name, string? ns, DeleteOptions? options, CancellationToken cancellationToken)
        where T : class, IKubernetesEntity<T>
    {
        await SendAsync(
                new KubeRequest(HttpMethod.Delete, T.EntityKind.Path(ns, name))
                {
                    Body = options?.ToJson(),
                    ContentType = options is null ? null : "application/json",
                },
                static _ => true,
                cancellationToken
            )
            .ConfigureAwait(false);
    }

    /// <summary>Sends any request, for resources without a C# type. Returns null for an empty response.</summary>
    public async Task<JsonNode?> RequestAsync(HttpMethod method, string path, HttpContent? content, CancellationToken cancellationToken)
    {
        byte[]? body = content is null ? null : await content.ReadAsByteArrayAsync(cancellationToken).ConfigureAwait(false);
        return await SendAsync(
                new KubeRequest(method, path)
                {
                    Body = body,
                    ContentType = content?.Headers.ContentType?.ToString() ?? (body is null ? null : "application/json"),
                },
                static json => json.IsEmpty ? null : JsonNode.Parse(json, documentOptions: new() { MaxDepth = KubeJson.Depth }),
                cancellationToken
            )
            .ConfigureAwait(false);
    }
}
