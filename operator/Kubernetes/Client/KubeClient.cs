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
/// A client of one API server. Types carry only the fields that are read, so nothing is ever PUT back whole: writes are creates,
/// patches and deletes. Requests that the server puts off (429) are tried again; reads also after failures on
/// the way; writes never otherwise. Refusals are <see cref="ApiException"/>, broken connections <see cref="HttpRequestException"/>,
/// silence <see cref="TimeoutException"/>.
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
    /// The API server's clock, to the second, at its last answer: ages of its objects are told by it, not by a clock here that may be
    /// wrong. Null before the first answer.
    /// </summary>
    public DateTimeOffset? ServerTime =>
        Volatile.Read(ref _serverTime) is > 0 and var ticks ? new DateTimeOffset(ticks, TimeSpan.Zero) : null;

    /// <summary>The API server does not answer at present, which the client has logged.</summary>
    public bool IsUnreachable => _reachability.IsDown;

    internal ActivityTracker? ActivityTracker => ActivityTracker.From(TimeProvider);

    public ILoggerFactory LoggerFactory => _options.LoggerFactory;

    /// <summary>False once this server has shown that it has no streaming lists.</summary>
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
        catch (ApiException missing) when (missing.IsNotFound)
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

    /// <summary>Creates an object from its whole JSON, for kinds with more fields than their type here has.</summary>
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

    /// <summary>Any request, for what has no type here. An empty answer is null.</summary>
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
