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

    /// <summary>This process, such as its pod's name.</summary>
    public required string ReportingInstance { get; init; }

    /// <summary>Different events that may wait; beyond it new ones are dropped and counted.</summary>
    public int Capacity { get; init; } = 1000;

    /// <summary>Requests that may go out at once, and how many a second refill that.</summary>
    public int Burst { get; init; } = 50;

    public double PerSecond { get; init; } = 10;

    /// <summary>How many series are remembered; a forgotten one is found again on the server.</summary>
    public int Remembered { get; init; } = 4096;

    /// <summary>How long the last events may take when the process stops.</summary>
    public TimeSpan DrainTime { get; init; } = TimeSpan.FromSeconds(5);
}

/// <summary>
/// Writes events.k8s.io/v1 in the background: an event is a courtesy, and neither a slow server nor a refusal may touch the work
/// that reports it. Repeats become a series on the first event, also across restarts, since the name follows from what the event is about.
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

    /// <summary>Events given up: no room, or refused for good.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    public long Written => Interlocked.Read(ref _written);

    /// <summary>
    /// Notes an event for writing. Never blocks and never throws; a repeat of one that still waits only raises its count.
    /// </summary>
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
                // The last loops of a process that stops may still speak when nobody writes any more.
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

    /// <summary>Writes until cancelled, then what still waits, within the drain time.</summary>
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

    /// <summary>Accepts no more events once none waits.</summary>
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
                    await TokenAsync(cancellationToken).ConfigureAwait(false);
                Pending pending;
                lock (_lock)
                {
                    // From here a repeat waits on its own: its count must not be lost beside a write under way.
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
                    if (!Return(key, pending))
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
                    // Stopped in the middle: once more while draining. The name is fixed, so a create that did arrive is found.
                    if (limited)
                    {
                        Return(key, pending);
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
            // The drain time has ended: the events that wait are given up one by one, not left.
            lock (_lock)
                _pending.Remove(key);
            Interlocked.Increment(ref _dropped);
            LogDropped(key.Reason, key.Name, "no time was left");
        }
    }

    /// <summary>Puts a write that failed back. False when a repeat has come meanwhile and carries its count on.</summary>
    private bool Return(EventKey key, Pending pending)
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
        // An object of the cluster has no namespace; its events belong into default.
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
            catch (ApiException gone) when (gone.IsNotFound)
            {
                // The server forgets events after an hour: then this is the first again.
            }
        }

        try
        {
            await _client.CreateAsync(Build(pending, ns, name), cancellationToken).ConfigureAwait(false);
            Remember(key, 1);
            if (pending.Count > 1)
                await PatchSeriesAsync(key, ns, name, pending.Count, pending.Last, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException there) when (there.IsConflict)
        {
            // Written before a restart of ours, or by the leader before us.
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

    private async Task TokenAsync(CancellationToken cancellationToken)
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

    /// <summary>Follows from what the event is about, so that a repeat finds the first, whoever wrote it.</summary>
    private static string NameOf(EventKey key)
    {
        byte[] hash = SHA256.HashData(
            Encoding.UTF8.GetBytes($"{key.Uid}\n{key.Kind}\n{key.Namespace}\n{key.Name}\n{key.Reason}\n{key.Key}")
        );
        string stem = key.Name.Length > 200 ? key.Name[..200] : key.Name;
        return $"{stem.TrimEnd('.', '-')}.{Convert.ToHexStringLower(hash.AsSpan(0, 8))}";
    }

    /// <summary>Cuts to a number of UTF-8 bytes, between characters, with an ellipsis in place of what is gone.</summary>
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
