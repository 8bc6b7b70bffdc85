using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;
using Microsoft.Extensions.Logging;

namespace Bursar.Kubernetes.Informers;

/// <summary>
/// Keeps a store equal to the API server's objects of one kind. It lists (or opens a streaming list) and then watches. After a failure it
/// continues the watch, or lists again if the resource version has expired. An object that disappeared in between is reported as deleted
/// after that list.
/// </summary>
public sealed partial class Informer<T> : IInformer
    where T : class, IKubernetesEntity<T>
{
    private readonly KubeClient _client;
    private readonly InformerOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Store<T> _store = new();
    private readonly Action<T>? _transform;
    private readonly Lock _handlerLock = new();
    private readonly List<InformerHandler<T>> _handlers = [];
    private readonly TaskCompletionSource _synced = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private EntityKind _kind = T.EntityKind;
    private string? _version;
    private bool _listConsistently;
    private bool _checkServed;
    private int _failures;
    private readonly FailureLog _failureLog;
    private InformerHealth _health = new(true, false, null, null, 0, null, 0, 0);

    /// <param name="transform">Removes unread fields from an object before it is stored; null to keep all.</param>
    public Informer(KubeClient client, InformerOptions? options = null, Action<T>? transform = null)
    {
        _transform = transform;
        _client = client;
        _options = options ?? new InformerOptions();
        _time = client.TimeProvider;
        _log = client.LoggerFactory.CreateLogger<Informer<T>>();
        _failureLog = new FailureLog(client);
    }

    public IStore<T> Store => _store;

    public EntityKind Kind => T.EntityKind;

    public IReadOnlyList<IKubernetesObject> Unreadable => _store.Unreadable();

    public event Action<IKubernetesObject>? UnreadableSeen;

    public bool HasSynced => _synced.Task.IsCompleted;

    /// <summary>False while the API server does not serve an optional kind, or while a newer version supersedes it.</summary>
    public bool IsServed => Volatile.Read(ref _health).IsServed;

    public InformerHealth Health => Volatile.Read(ref _health) with { HasSynced = HasSynced };

    public Task HasSyncedAsync(CancellationToken cancellationToken) => _synced.Task.WaitAsync(cancellationToken);

    /// <summary>Adds an index, which includes the objects already in the store.</summary>
    public Informer<T> AddIndex(string name, Func<T, IEnumerable<string>> keys)
    {
        _store.AddIndex(name, keys);
        return this;
    }

    /// <summary>Adds a handler and calls <see cref="InformerHandler{T}.Added"/> for the objects already in the store.</summary>
    public Informer<T> AddHandler(InformerHandler<T> handler)
    {
        lock (_handlerLock)
        {
            _handlers.Add(handler);
            if (handler.Added is not null)
                foreach (T obj in _store.List())
                    Notify(() => handler.Added(obj));
        }

        return this;
    }

    public Task RunAsync(CancellationToken cancellationToken)
    {
        _checkServed = _options.Optional;
        return PeriodicLoop.RunAsync(_time, $"cache of {T.EntityKind.Plural}", ListAndWatchAsync, cancellationToken);
    }

    /// <summary>Lists if no resource version is known, then watches until the watch ends. Returns the pause before the next pass.</summary>
    private async Task<TimeSpan> ListAndWatchAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (_checkServed && !await ShouldWatchAsync(cancellationToken).ConfigureAwait(false))
            {
                NotServed();
                return _options.ServedCheck;
            }

            _checkServed = false;
            Served();
            WatchStream<T>? open = null;
            if (_version is null)
                open = await ListAsync(cancellationToken).ConfigureAwait(false);
            bool endedAtOnce = await WatchAsync(open, cancellationToken).ConfigureAwait(false);
            if (!endedAtOnce)
            {
                _failures = 0;
                return TimeSpan.Zero;
            }

            // Back off, because a server that ends watches at once would otherwise be called in a tight loop.
            _failures++;
        }
        catch (WatchExpiredException expired)
        {
            LogExpired(T.EntityKind.Plural, expired.Message);
            _version = null;
            _listConsistently = true;
            _failures++;
            if (_failures == 1)
                return TimeSpan.Zero;
        }
        catch (ApiException notFound) when (_options.Optional && notFound.IsNotFound)
        {
            _checkServed = true;
            _version = null;
            _failures++;
        }
        catch (Exception failure)
            when (failure is ApiException or HttpRequestException or IOException or TimeoutException or System.Text.Json.JsonException
                || (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested)
            )
        {
            _failures++;
            if (_failureLog.IsNews(failure, out long inARow))
                LogFailed(T.EntityKind.Plural, inARow, failure.Message);
            InformerHealth health = _health;
            Volatile.Write(ref _health, health with { ConsecutiveFailures = _failures, LastError = failure.Message });
        }

        return Backoff();
    }

    private async Task<bool> ShouldWatchAsync(CancellationToken cancellationToken) =>
        await IsServedAsync(cancellationToken).ConfigureAwait(false)
        && (_options.Superseded is null || !await _options.Superseded(cancellationToken).ConfigureAwait(false));

    private async Task<bool> IsServedAsync(CancellationToken cancellationToken)
    {
        foreach (
            EntityKind kind in (IEnumerable<EntityKind>)
                [
                    T.EntityKind,
                    .. _options.OlderVersions.Select(version => new EntityKind(
                        T.EntityKind.Group,
                        version,
                        T.EntityKind.Kind,
                        T.EntityKind.Plural,
                        T.EntityKind.Namespaced
                    )),
                ]
        )
        {
            if (!await _client.IsServedAsync(kind, cancellationToken).ConfigureAwait(false))
                continue;
            _kind = kind;
            return true;
        }

        return false;
    }

    /// <summary>Makes the store equal to the API server's state. Returns the open watch after a streaming list, else null.</summary>
    private async Task<WatchStream<T>?> ListAsync(CancellationToken cancellationToken)
    {
        if (_options.StreamingList && _client.StreamingListSupported)
        {
            WatchStream<T>? stream = await StreamListAsync(cancellationToken).ConfigureAwait(false);
            if (stream is not null)
                return stream;
        }

        // The first list may be served from the API server's cache. After an expired version, only a consistent read is sure to be newer.
        KubeList<T> list = await _client
            .ListAsync<T>(
                new ListOptions
                {
                    Kind = _kind,
                    Namespace = _options.Namespace,
                    LabelSelector = _options.LabelSelector,
                    FieldSelector = _options.FieldSelector,
                    ResourceVersion = _listConsistently ? null : "0",
                    Limit = _listConsistently ? 500 : 0,
                },
                cancellationToken
            )
            .ConfigureAwait(false);
        Replace(list.Items, list.ResourceVersion);
        return null;
    }

    /// <summary>Returns null if the server does not support streaming lists.</summary>
    private async Task<WatchStream<T>?> StreamListAsync(CancellationToken cancellationToken)
    {
        WatchStream<T>? stream = null;
        try
        {
            stream = await _client
                .OpenWatchAsync<T>(
                    new WatchOptions
                    {
                        Kind = _kind,
                        Namespace = _options.Namespace,
                        LabelSelector = _options.LabelSelector,
                        FieldSelector = _options.FieldSelector,
                        SendInitialEvents = true,
                    },
                    cancellationToken
                )
                .ConfigureAwait(false);
            Dictionary<ObjectKey, T> items = [];
            while (await stream.NextAsync().ConfigureAwait(false) is { } change)
            {
                switch (change.Type)
                {
                    case WatchEventType.Added or WatchEventType.Modified:
                        items[ObjectKey.From(change.Object)] = change.Object;
                        break;
                    case WatchEventType.Deleted:
                        items.Remove(ObjectKey.From(change.Object));
                        break;
                    case WatchEventType.Bookmark when change.IsInitialEnd:
                        Replace(items.Values, change.Object.Metadata.ResourceVersion);
                        stream.Handled();
                        WatchStream<T> complete = stream;
                        stream = null;
                        return complete;
                }

                stream.Handled();
            }

            cancellationToken.ThrowIfCancellationRequested();
            throw new IOException("The stream ended before the first state was whole.");
        }
        catch (ApiException refusal)
            when (refusal.IsInvalid
                || (refusal.StatusCode is 400 or 500 && refusal.Message.Contains("RequestWatchProgress", StringComparison.Ordinal))
            )
        {
            LogNoStreamingList(refusal.Message);
            _client.StreamingListRefused();
            return null;
        }
        finally
        {
            if (stream is not null)
                await stream.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Applies changes until the watch ends. Returns true if it ended within a second and without any event.</summary>
    private async Task<bool> WatchAsync(WatchStream<T>? open, CancellationToken cancellationToken)
    {
        WatchStream<T> watch = open
            ?? await _client
                .OpenWatchAsync<T>(
                    new WatchOptions
                    {
                        Kind = _kind,
                        Namespace = _options.Namespace,
                        LabelSelector = _options.LabelSelector,
                        FieldSelector = _options.FieldSelector,
                        ResourceVersion = _version,
                    },
                    cancellationToken
                )
                .ConfigureAwait(false);
        long opened = _time.GetTimestamp();
        bool received = open is not null;
        try
        {
            while (await watch.NextAsync().ConfigureAwait(false) is { } change)
            {
                received = true;
                Apply(change);
                watch.Handled();
            }

            cancellationToken.ThrowIfCancellationRequested();
        }
        finally
        {
            await watch.DisposeAsync().ConfigureAwait(false);
        }

        return !received && _time.GetElapsedTime(opened) < TimeSpan.FromSeconds(1);
    }

    private void Apply(WatchEvent<T> change)
    {
        T obj = change.Object;
        if (change.Type != WatchEventType.Bookmark)
        {
            lock (_handlerLock)
            {
                if (change.Type == WatchEventType.Deleted)
                {
                    if (_store.Remove(ObjectKey.From(obj)) is not null)
                        Deleted_NeedsLock(obj);
                }
                else
                {
                    Put_NeedsLock(obj);
                }
            }
        }

        if (obj.Metadata.ResourceVersion.Length > 0)
            _version = obj.Metadata.ResourceVersion;
        if (_failureLog.Succeeded())
            LogFollowing(T.EntityKind.Plural);
        InformerHealth health = _health;
        DateTimeOffset now = _time.GetUtcNow();
        Volatile.Write(
            ref _health,
            health with
            {
                LastEvent = now,
                LastSync = now,
                ConsecutiveFailures = 0,
                LastError = null,
                Events = health.Events + 1,
            }
        );
    }

    private void Replace(IReadOnlyCollection<T> items, string version)
    {
        lock (_handlerLock)
        {
            _store.EnsureCapacity(items.Count);
            HashSet<ObjectKey> present = new(items.Count);
            foreach (T obj in items)
                present.Add(ObjectKey.From(obj));
            foreach (T former in _store.List())
            {
                ObjectKey key = ObjectKey.From(former);
                if (!present.Contains(key) && _store.Remove(key) is not null)
                    Deleted_NeedsLock(former, seen: false);
            }

            foreach (T obj in items)
                Put_NeedsLock(obj);
        }

        _version = version.Length == 0 ? null : version;
        if (_failureLog.Succeeded())
            LogFollowing(T.EntityKind.Plural);
        InformerHealth health = _health;
        Volatile.Write(
            ref _health,
            health with
            {
                LastSync = _time.GetUtcNow(),
                ConsecutiveFailures = 0,
                LastError = null,
                Lists = health.Lists + 1,
            }
        );
        _synced.TrySetResult();
    }

    private void Put_NeedsLock(T obj)
    {
        T? former = _store.Get(ObjectKey.From(obj));
        if (
            former is not null
            && former.Metadata.ResourceVersion == obj.Metadata.ResourceVersion
            && former.Metadata.Uid == obj.Metadata.Uid
        )
            return;
        _transform?.Invoke(obj);
        _store.Put(obj);
        // Report an object once per set of unreadable fields, not with every other change.
        if (obj.Metadata.IsUnreadable && former?.Metadata.MistypedFields.SequenceEqual(obj.Metadata.MistypedFields) != true)
        {
            LogUnreadable(
                T.EntityKind.Kind,
                obj.Metadata.Namespace ?? "",
                obj.Metadata.Name,
                obj.Metadata.Uid,
                string.Join("; ", obj.Metadata.MistypedFields.Where(field => !field.IsConverted))
            );
            if (UnreadableSeen is { } report)
                Notify(() => report(obj));
        }

        if (former is not null && former.Metadata.Uid != obj.Metadata.Uid)
        {
            // The object was deleted and recreated unseen. The handlers must see two objects, because the UID is another one.
            Deleted_NeedsLock(former, seen: false);
            former = null;
        }

        foreach (InformerHandler<T> handler in _handlers)
        {
            if (former is null)
                Notify(() => handler.Added?.Invoke(obj));
            else
                Notify(() => handler.Updated?.Invoke(former, obj));
        }
    }

    private void Deleted_NeedsLock(T obj, bool seen = true)
    {
        foreach (InformerHandler<T> handler in _handlers)
            Notify(() => (seen ? handler.Deleted : handler.DeletedUnseen ?? handler.Deleted)?.Invoke(obj));
    }

    private void Notify(Action call)
    {
        try
        {
            call();
        }
        catch (Exception failure)
        {
            LogHandlerFailed(failure, T.EntityKind.Plural);
        }
    }

    private void NotServed()
    {
        if (IsServed)
            LogNotServed(T.EntityKind.Plural, T.EntityKind.ApiVersion);
        InformerHealth health = _health;
        Volatile.Write(ref _health, health with { IsServed = false, LastSync = _time.GetUtcNow() });
        Replace([], "");
    }

    private void Served()
    {
        InformerHealth health = _health;
        if (!health.IsServed)
            Volatile.Write(ref _health, health with { IsServed = true });
    }

    private TimeSpan Backoff()
    {
        double spread;
        lock (_options.Random)
            spread = 0.5 + _options.Random.NextDouble();
        double ticks = _options.FirstBackoff.Ticks * Math.Pow(2, Math.Clamp(_failures - 1, 0, 30));
        return TimeSpan.FromTicks((long)(Math.Min(ticks, _options.LongestBackoff.Ticks) * spread));
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Listing {Plural} again: {Reason}")]
    private partial void LogExpired(string plural, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Watching {Plural} failed (attempt {Failures}): {Reason}")]
    private partial void LogFailed(string plural, long failures, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Watching {Plural} again")]
    private partial void LogFollowing(string plural);

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Kind is not served, checking again from time to time: Plural={Plural} ApiVersion={ApiVersion}"
    )]
    private partial void LogNotServed(string plural, string apiVersion);

    [LoggerMessage(Level = LogLevel.Information, Message = "The server has no streaming lists, using paged ones: {Reason}")]
    private partial void LogNoStreamingList(string reason);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Read an object without the fields that have an unexpected type: kind={Kind} namespace={Namespace} name={Name} uid={Uid} reason={Reason}"
    )]
    private partial void LogUnreadable(string kind, string @namespace, string name, string uid, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "A handler of {Plural} failed")]
    private partial void LogHandlerFailed(Exception failure, string plural);
}
