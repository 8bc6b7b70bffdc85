using System.Text.Json;
using Bursar.Concurrency;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;

namespace Bursar.Kubernetes.Client;

/// <summary>One open watch.</summary>
internal sealed class WatchStream<T> : IAsyncDisposable
    where T : class, IKubernetesEntity<T>
{
    /// <summary>What a burst of changes may be late by. Against the seconds that decisions take it is nothing.</summary>
    private static readonly TimeSpan GatherDelay = TimeSpan.FromMilliseconds(50);

    private readonly HttpResponseMessage _response;
    private readonly JsonStream _json;
    private readonly KubeClientOptions _options;
    private readonly Guid? _stream;
    private readonly Action<JsonException> _onOddObject;
    private readonly Deadline _idle;
    private ActivityUnit? _following;

    private WatchStream(
        HttpResponseMessage response,
        Stream body,
        KubeClientOptions options,
        Guid? stream,
        Action<JsonException> onOddObject,
        CancellationToken cancellationToken
    )
    {
        _response = response;
        _idle = new Deadline(options.WatchIdleTimeout, options.TimeProvider, cancellationToken);
        _json = new JsonStream(body, _idle.Restart);
        _options = options;
        _stream = stream;
        _onOddObject = onOddObject;
    }

    public static async Task<WatchStream<T>> StartAsync(
        HttpResponseMessage response,
        KubeClientOptions options,
        Guid? stream,
        Action<JsonException> onOddObject,
        CancellationToken cancellationToken
    ) =>
        new(
            response,
            await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false),
            options,
            stream,
            onOddObject,
            cancellationToken
        );

    /// <summary>The next change; null when the watch is over.</summary>
    public async ValueTask<WatchEvent<T>?> NextAsync()
    {
        // The time that the last change took to handle is not the server's silence.
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
    /// Begins to follow changes, which come one by one from here on. On the wall clock a burst of them is gathered. Virtual time stands still
    /// while a change is under way, and passes while the flow that reads the stream waits for one.
    /// </summary>
    public void Follow()
    {
        if (ReferenceEquals(_options.TimeProvider, TimeProvider.System))
            _json.Gathering = GatherDelay;
        _following = ActivityTracker.From(_options.TimeProvider)?.Join("following", T.EntityKind.Plural);
        _following?.Pause();
    }

    /// <summary>The change that was returned last has been dealt with.</summary>
    public void Handled()
    {
        if (_stream is { } stream)
            ActivityTracker.From(_options.TimeProvider)?.Handled(stream);
    }

    public ValueTask DisposeAsync()
    {
        _following?.Dispose();
        // Disposing the response cuts the connection: the rest of a watch is never worth reading.
        _response.Dispose();
        _json.Dispose();
        _idle.Dispose();
        if (_stream is { } stream)
            ActivityTracker.From(_options.TimeProvider)?.Closed(stream);
        return ValueTask.CompletedTask;
    }

    /// <summary>Silence and cut connections end a watch; what was missed comes with the next one.</summary>
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
            // Perhaps only the event is written in another way.
            return Decode(json, mayBePlain: false);
        }
        catch (JsonException odd)
        {
            _onOddObject(odd);
            return null;
        }
    }

    private static Exception Error(ReadOnlySpan<byte> obj)
    {
        V1Status status = JsonSerializer.Deserialize(obj, KubeJson.Of<V1Status>()) ?? new V1Status();
        string message = $"The watch of {T.EntityKind.Plural} failed: {status.Code} {status.Reason} {status.Message}";
        return status.Code == 410 || status.Reason is "Expired" or "Gone"
            ? new WatchExpiredException(message)
            : new ApiException(status.Code ?? 0, status.Reason ?? "", message, status);
    }
}
