using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Http;
using Bursar.Kubernetes.Objects;
using Microsoft.Extensions.Logging;

namespace Bursar.Kubernetes.Events;

public sealed record EventRecorderOptions
{
    public string ReportingController { get; init; } = "bursar.dev/operator";

    /// <summary>The name of this process, such as its pod's name.</summary>
    public required string ReportingInstance { get; init; }

    /// <summary>Limit of different events that wait. Further ones are dropped and counted.</summary>
    public int Capacity { get; init; } = 1000;

    /// <summary>Requests that may be sent at once. <see cref="PerSecond"/> refills them.</summary>
    public int Burst { get; init; } = 50;

    public double PerSecond { get; init; } = 10;

    /// <summary>The number of series to remember. A forgotten series is looked up on the server.</summary>
    public int Remembered { get; init; } = 4096;

    /// <summary>Limit for writing the last events when the process stops.</summary>
    public TimeSpan DrainTime { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>
/// Writes Events (events.k8s.io/v1) in the background. Neither a slow server nor a rejected Event affects the code that publishes it. A
/// repeat raises the count of the first Event's series. This works across restarts too, because the Event's name is a hash of its object,
/// reason and key.
/// </summary>
public sealed partial class EventRecorder
{
    private const int LongestNote = 1024;
    private const int Tries = 3;
    private readonly KubeClient _client;
    private readonly EventRecorderOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly Dictionary<EventKey, Pending> _pending = [];
    private readonly Dictionary<EventKey, LinkedListNode<Known>> _known = [];
    private readonly LinkedList<Known> _recent = new();
    private readonly WorkQueue<EventKey> _queue;
    private bool _ended;
    private double _tokens;
    private long _refilled;
    private long _dropped;
    private long _written;

    public EventRecorder(KubeClient client, EventRecorderOptions options)
    {
        _client = client;
        _options = options;
        _time = client.TimeProvider;
        _queue = new WorkQueue<EventKey>(_time, name: "events");
        _log = client.LoggerFactory.CreateLogger<EventRecorder>();
        _tokens = options.Burst;
        _refilled = _time.GetTimestamp();
    }

    /// <summary>Events that were not written, because too many waited, the server rejected them or the process stopped.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    public long Written => Interlocked.Read(ref _written);

    /// <summary>Queues an Event. Never blocks and never throws. A repeat of a waiting Event only raises its count.</summary>
    public void Publish(KubeEvent evt)
    {
        EventKey key = new(
            evt.Regarding.Uid ?? "",
            evt.Regarding.Kind ?? "",
            evt.Regarding.Namespace ?? "",
            evt.Regarding.Name ?? "",
            evt.Reason,
            evt.Key
        );
        DateTimeOffset now = _time.GetUtcNow();
        lock (_lock)
        {
            if (_ended)
            {
                // Loops may still publish Events while the process stops, after the last ones are written.
                Interlocked.Increment(ref _dropped);
                return;
            }

            if (_pending.TryGetValue(key, out Pending? waiting))
            {
                waiting.Count++;
                waiting.Last = now;
                return;
            }

            if (_pending.Count >= _options.Capacity)
            {
                if (Interlocked.Increment(ref _dropped) == 1)
                    LogFull(_options.Capacity);
                return;
            }

            _pending[key] = new Pending(evt, now);
            _queue.Add(key);
        }
    }

    /// <summary>Writes Events until cancelled, then the waiting ones within the drain time.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await _queue.RunAsync((key, token) => WriteAsync(key, limited: true, token), cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            using CancellationTokenSource limit = new(_options.DrainTime, _time);
            EndWhenEmpty();
            await _queue
                .RunAsync(
                    async (key, _) =>
                    {
                        await WriteAsync(key, limited: false, limit.Token).ConfigureAwait(false);
                        EndWhenEmpty();
                    },
                    CancellationToken.None
                )
                .ConfigureAwait(false);
        }
    }

    /// <summary>Stops accepting Events once none is waiting.</summary>
    private void EndWhenEmpty()
    {
        lock (_lock)
        {
            if (_queue.Stats.Waiting > 0)
                return;
            _ended = true;
            _queue.ShutDown();
        }
    }

    private async Task WriteAsync(EventKey key, bool limited, CancellationToken cancellationToken)
    {
        try
        {
            for (int tried = 1; ; tried++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                if (limited)
                    await WaitForTokenAsync(cancellationToken).ConfigureAwait(false);
                Pending pending;
                lock (_lock)
                {
                    // From now on a repeat waits as a new entry, so that its count is not lost during this write.
                    if (!_pending.Remove(key, out pending!))
                        return;
                }

                try
                {
                    await SendAsync(key, pending, cancellationToken).ConfigureAwait(false);
                    Interlocked.Increment(ref _written);
                    return;
                }
                catch (Exception failure)
                    when (failure
                            is HttpRequestException
                                or IOException
                                or TimeoutException
                                or ApiException { StatusCode: >= 500 or 409 or 429 }
                        && tried < Tries
                    )
                {
                    LogRetry(key.Reason, key.Name, failure.Message);
                    if (!PutBack(key, pending))
                        return;
                    await PeriodicLoop.PauseAsync(_time, TimeSpan.FromSeconds(tried), cancellationToken).ConfigureAwait(false);
                }
                catch (Exception failure) when (failure is not OperationCanceledException)
                {
                    Interlocked.Increment(ref _dropped);
                    LogDropped(key.Reason, key.Name, failure.Message);
                    return;
                }
                catch (OperationCanceledException)
                {
                    // The write is repeated while draining. If the server did get the create, the repeat finds it by its name.
                    if (limited)
                    {
                        PutBack(key, pending);
                        throw;
                    }

                    Interlocked.Increment(ref _dropped);
                    LogDropped(key.Reason, key.Name, "no time was left");
                    return;
                }
            }
        }
        catch (OperationCanceledException) when (limited)
        {
            lock (_lock)
            {
                if (_pending.ContainsKey(key))
                    _queue.Add(key);
            }

            throw;
        }
        catch (OperationCanceledException)
        {
            // The drain time is over. Each waiting Event is counted and logged as dropped.
            lock (_lock)
                _pending.Remove(key);
            Interlocked.Increment(ref _dropped);
            LogDropped(key.Reason, key.Name, "no time was left");
        }
    }

    /// <summary>Puts back an Event that was not written. Returns false if a repeat is waiting, which then includes its count.</summary>
    private bool PutBack(EventKey key, Pending pending)
    {
        lock (_lock)
        {
            if (!_pending.TryGetValue(key, out Pending? newer))
            {
                _pending[key] = pending;
                return true;
            }

            newer.Count += pending.Count;
            return false;
        }
    }

    private async Task SendAsync(EventKey key, Pending pending, CancellationToken cancellationToken)
    {
        // Events of a cluster-scoped object belong in the namespace default.
        string ns = key.Namespace.Length == 0 ? "default" : key.Namespace;
        string name = NameOf(key);
        int known = CountOf(key);
        if (known > 0)
        {
            try
            {
                await PatchSeriesAsync(key, ns, name, known + pending.Count, pending.Last, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (ApiException notFound) when (notFound.IsNotFound)
            {
                // The server deletes Events after an hour by default, so this one is the first again.
            }
        }

        try
        {
            await _client.CreateAsync(Build(pending, ns, name), cancellationToken).ConfigureAwait(false);
            Remember(key, 1);
            if (pending.Count > 1)
                await PatchSeriesAsync(key, ns, name, pending.Count, pending.Last, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException exists) when (exists.IsConflict)
        {
            // The Event exists from before a restart, or the previous leader wrote it.
            V1Event? former = await _client.GetOrNullAsync<V1Event>(name, ns, cancellationToken).ConfigureAwait(false);
            if (former is null)
                throw;
            await PatchSeriesAsync(key, ns, name, (former.Series?.Count ?? 1) + pending.Count, pending.Last, cancellationToken)
                .ConfigureAwait(false);
        }
    }

    private V1Event Build(Pending pending, string ns, string name) =>
        new()
        {
            Metadata = new V1ObjectMeta { Name = name, Namespace = ns },
            EventTime = pending.First,
            ReportingController = _options.ReportingController,
            ReportingInstance = Cut(_options.ReportingInstance, 128),
            Action = Cut(pending.Event.Action, 128),
            Reason = Cut(pending.Event.Reason, 128),
            Regarding = pending.Event.Regarding,
            Related = pending.Event.Related,
            Note = Cut(pending.Event.Note, LongestNote),
            Type = pending.Event.Type,
        };

    private async Task PatchSeriesAsync(
        EventKey key,
        string ns,
        string name,
        int count,
        DateTimeOffset last,
        CancellationToken cancellationToken
    )
    {
        JsonObject series = new()
        {
            ["count"] = count,
            ["lastObservedTime"] = last.UtcDateTime.ToString(
                "yyyy-MM-ddTHH:mm:ss.ffffffZ",
                System.Globalization.CultureInfo.InvariantCulture
            ),
        };
        await _client
            .PatchAsync<V1Event>(name, ns, KubePatch.Merge(new JsonObject { ["series"] = series }), cancellationToken)
            .ConfigureAwait(false);
        Remember(key, count);
    }

    private async Task WaitForTokenAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            long now = _time.GetTimestamp();
            _tokens = Math.Min(_options.Burst, _tokens + (_time.GetElapsedTime(_refilled, now).TotalSeconds * _options.PerSecond));
            _refilled = now;
            if (_tokens >= 1)
            {
                _tokens--;
                return;
            }

            TimeSpan wait = TimeSpan.FromSeconds((1 - _tokens) / _options.PerSecond) + TimeSpan.FromMilliseconds(1);
            await PeriodicLoop.PauseAsync(_time, wait, cancellationToken).ConfigureAwait(false);
        }
    }

    private int CountOf(EventKey key)
    {
        lock (_lock)
            return _known.TryGetValue(key, out LinkedListNode<Known>? node) ? node.Value.Count : 0;
    }

    private void Remember(EventKey key, int count)
    {
        lock (_lock)
        {
            if (_known.Remove(key, out LinkedListNode<Known>? former))
                _recent.Remove(former);
            _known[key] = _recent.AddLast(new Known(key, count));
            if (_recent.Count <= _options.Remembered)
                return;
            _known.Remove(_recent.First!.Value.Key);
            _recent.RemoveFirst();
        }
    }

    /// <summary>Returns a name derived from the key, so that a repeat finds the first Event, whichever replica wrote it.</summary>
    private static string NameOf(EventKey key)
    {
        byte[] hash = SHA256.HashData(
            Encoding.UTF8.GetBytes($"{key.Uid}\n{key.Kind}\n{key.Namespace}\n{key.Name}\n{key.Reason}\n{key.Key}")
        );
        string stem = key.Name.Length > 200 ? key.Name[..200] : key.Name;
        return $"{stem.TrimEnd('.', '-')}.{Convert.ToHexStringLower(hash.AsSpan(0, 8))}";
    }

    /// <summary>Cuts a text between characters to a number of UTF-8 bytes and appends an ellipsis.</summary>
    internal static string Cut(string text, int bytes)
    {
        if (Encoding.UTF8.GetByteCount(text) <= bytes)
            return text;
        StringBuilder kept = new();
        int used = 3;
        foreach (Rune rune in text.EnumerateRunes())
        {
            used += rune.Utf8SequenceLength;
            if (used > bytes)
                break;
            kept.Append(rune.ToString());
        }

        return kept.Append('…').ToString();
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Capacity} events wait; more are dropped")]
    private partial void LogFull(int capacity);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Event {Reason} on {Name} not written yet: {Failure}")]
    private partial void LogRetry(string reason, string name, string failure);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Event {Reason} on {Name} given up: {Failure}")]
    private partial void LogDropped(string reason, string name, string failure);

    private sealed record EventKey(string Uid, string Kind, string Namespace, string Name, string Reason, string Key);

    private sealed record Known(EventKey Key, int Count);

    private sealed class Pending(KubeEvent evt, DateTimeOffset first)
    {
        public KubeEvent Event { get; } = evt;

        public DateTimeOffset First { get; } = first;

        public DateTimeOffset Last { get; set; } = first;

        public int Count { get; set; } = 1;
    }
}
