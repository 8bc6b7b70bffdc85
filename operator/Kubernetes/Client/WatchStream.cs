using System.Text.Json;
using Bursar.Concurrency;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Client;

internal sealed class WatchStream<T> : IAsyncDisposable
    where T : class, IKubernetesEntity<T>
{
    /// <summary>The delay that gathering adds to changes in a burst. Decisions take seconds, so it does not matter.</summary>
    private static readonly TimeSpan GatherDelay = TimeSpan.FromMilliseconds(50);

    private readonly HttpResponseMessage _response;
    private readonly JsonStream _json;
    private readonly KubeClientOptions _options;
    private readonly Guid? _stream;
    private readonly Action<JsonException> _onUndecodable;
    private readonly Deadline _idle;
    private ActivityUnit? _following;

    private WatchStream(
        HttpResponseMessage response,
        Stream body,
        KubeClientOptions options,
        Guid? stream,
        Action<JsonException> onUndecodable,
        CancellationToken cancellationToken
    )
    {
        _response = response;
        _idle = new Deadline(options.WatchIdleTimeout, options.TimeProvider, cancellationToken);
        _json = new JsonStream(body, _idle.Restart);
        _options = options;
        _stream = stream;
        _onUndecodable = onUndecodable;
    }

    public static async Task<WatchStream<T>> StartAsync(
        HttpResponseMessage response,
        KubeClientOptions options,
        Guid? stream,
        Action<JsonException> onUndecodable,
        CancellationToken cancellationToken
    ) =>
        new(
            response,
            await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false),
            options,
            stream,
            onUndecodable,
            cancellationToken
        );

    /// <summary>Returns the next change; null when the watch has ended.</summary>
    public async ValueTask<WatchEvent<T>?> NextAsync()
    {
        // Do not count the time that the caller took for the last change as silence of the server.
        _idle.Restart();
        while (true)
        {
            int length;
            try
            {
                if (await _json.PeekAsync(_idle.Token).ConfigureAwait(false) < 0)
                    return null;
                length = await _json.MeasureAsync(_idle.Token).ConfigureAwait(false);
            }
            catch (Exception ended) when (IsEnd(ended))
            {
                return null;
            }

            _json.HideManagedFields(length);
            WatchEvent<T>? change = Decode(_json.Span(length));
            _json.Advance(length);
            if (change is { IsInitialEnd: true })
                Follow();
            if (change is not null)
                return change;
            Handled();
        }
    }

    /// <summary>
    /// Begins the phase in which changes come one by one. Under the system's clock, bursts are gathered. Virtual time stands while a change
    /// is handled, and advances while the reader waits for the next one.
    /// </summary>
    public void Follow()
    {
        if (ReferenceEquals(_options.TimeProvider, TimeProvider.System))
            _json.Gathering = GatherDelay;
        _following = ActivityTracker.From(_options.TimeProvider)?.Join("following", T.EntityKind.Plural);
        _following?.Pause();
    }

    /// <summary>Reports that the caller has handled the change returned last.</summary>
    public void Handled()
    {
        if (_stream is { } stream)
            ActivityTracker.From(_options.TimeProvider)?.Handled(stream);
    }

    public ValueTask DisposeAsync()
    {
        _following?.Dispose();
        // Disposing the response closes the connection. The rest of a watch is not worth reading.
        _response.Dispose();
        _json.Dispose();
        _idle.Dispose();
        if (_stream is { } stream)
            ActivityTracker.From(_options.TimeProvider)?.Closed(stream);
        return ValueTask.CompletedTask;
    }

    /// <summary>Returns whether a failure ends the watch normally. The next watch then delivers the missed changes.</summary>
    private bool IsEnd(Exception failure) =>
        failure switch
        {
            OperationCanceledException => _idle.RanOut,
            IOException or HttpRequestException => true,
            JsonException => true,
            _ => false,
        };

    private WatchEvent<T>? Decode(ReadOnlySpan<byte> json, bool mayBePlain = true)
    {
        string type = "";
        Range at = default;
        bool plain = mayBePlain && EntityJson.TryReadPlainEvent(json, out type, out at);
        if (!plain)
            (type, at) = EntityJson.ReadEvent(json);
        ReadOnlySpan<byte> obj = json[at];
        WatchEventType? known = type switch
        {
            "ADDED" => WatchEventType.Added,
            "MODIFIED" => WatchEventType.Modified,
            "DELETED" => WatchEventType.Deleted,
            "BOOKMARK" => WatchEventType.Bookmark,
            _ => null,
        };
        if (type == "ERROR")
            throw Error(plain ? json[EntityJson.ReadEvent(json).Object] : obj);
        if (known is null)
            return null;
        try
        {
            return new WatchEvent<T>(known.Value, EntityJson.Read<T>(obj));
        }
        catch (JsonException) when (plain)
        {
            // The event may have another layout than API servers write, so parse it in full.
            return Decode(json, mayBePlain: false);
        }
        catch (JsonException error)
        {
            _onUndecodable(error);
            return null;
        }
    }

    private static Exception Error(ReadOnlySpan<byte> obj)
    {
        V1Status status = JsonSerializer.Deserialize(obj, KubeJson.TypeInfo<V1Status>()) ?? new V1Status();
        string message = $"The watch of {T.EntityKind.Plural} failed: {status.Code} {status.Reason} {status.Message}";
        return status.Code == 410 || status.Reason is "Expired" or "Gone"
            ? new WatchExpiredException(message)
            : new ApiException(status.Code ?? 0, status.Reason ?? "", message, status);
    }
}
