using Bursar.Concurrency;
using Bursar.Operator.Telemetry;

namespace Bursar.Operator.Scaling.Signals;

internal sealed record PromQuestion(string Source, string Query, TimeSpan Interval);

/// <summary>The latest answer to a query.</summary>
/// <param name="At">When the query was sent.</param>
/// <param name="Answer">The answer.</param>
internal sealed record PromReading(DateTimeOffset At, PromAnswer Answer);

/// <summary>
/// Sends each query to each source once for all scalers that need it, at the shortest of their intervals. The number of concurrent queries
/// per source is limited, so a source that hangs does not block others. Thread-safe.
/// </summary>
internal sealed class PrometheusPoller
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);

    private const int AtOnce = 8;

    private readonly Func<string, string, CancellationToken, Task<PromAnswer>> _query;
    private readonly TimeProvider _time;
    private readonly AsyncAutoResetEvent _changed;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, IReadOnlyList<PromQuestion>> _scalers = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Source, string Query), Entry> _entries = [];
    private readonly Dictionary<string, SourceQueue> _sources = new(StringComparer.Ordinal);
    private readonly HashSet<Task> _underWay = [];

    /// <param name="query"><see cref="PrometheusSources.QueryAsync"/>.</param>
    public PrometheusPoller(Func<string, string, CancellationToken, Task<PromAnswer>> query, TimeProvider time)
    {
        _query = query;
        _time = time;
        _changed = new(time, "a Prometheus query that is due");
    }

    /// <summary>Raised with the scalers that have a new reading.</summary>
    public event Action<IReadOnlyCollection<string>>? Changed;

    /// <summary>Replaces the queries of a scaler.</summary>
    /// <param name="scaler">A unique key of the scaler.</param>
    /// <param name="questions">Empty to remove the scaler.</param>
    public void Want(string scaler, IReadOnlyList<PromQuestion> questions)
    {
        lock (_gate)
        {
            if (_scalers.GetValueOrDefault(scaler, []).SequenceEqual(questions))
                return;
            if (questions.Count == 0)
                _scalers.Remove(scaler);
            else
                _scalers[scaler] = [.. questions];
            var wanted = new Dictionary<(string, string), Entry>();
            foreach (var (name, queries) in _scalers)
            {
                foreach (var question in queries)
                {
                    var key = (question.Source, question.Query);
                    var interval = question.Interval < Shortest ? Shortest : question.Interval;
                    if (!wanted.TryGetValue(key, out var entry))
                        wanted.Add(key, entry = new() { Interval = interval });
                    else if (interval < entry.Interval)
                        entry.Interval = interval;
                    entry.Scalers.Add(name);
                }
            }
            foreach (var gone in _entries.Keys.Where(key => !wanted.ContainsKey(key)).ToArray())
                _entries.Remove(gone);
            foreach (var (key, now) in wanted)
            {
                if (!_entries.TryGetValue(key, out var entry))
                    _entries.Add(key, entry = new());
                (entry.Interval, entry.Scalers) = (now.Interval, now.Scalers);
            }
            foreach (var gone in _sources.Keys.Where(source => !wanted.Keys.Any(key => key.Item1 == source)).ToArray())
                _sources.Remove(gone);
        }
        _changed.Set();
    }

    public void Forget(string scaler) => Want(scaler, []);

    /// <summary>Returns the latest reading; null before the first answer.</summary>
    public PromReading? Get(string source, string query)
    {
        lock (_gate)
            return _entries.GetValueOrDefault((source, query))?.Last;
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await PeriodicLoop.RunAsync(
            _time,
            "Prometheus queries",
            async token =>
            {
                await _changed.WaitAsync(StartDue(token) ?? Timeout.InfiniteTimeSpan, token);
                return TimeSpan.Zero;
            },
            cancellationToken
        );
        Task[] underWay;
        lock (_gate)
            underWay = [.. _underWay];
        await Task.WhenAll(underWay);
    }

    /// <summary>Starts the due queries and returns the time until the next one; null if there is none.</summary>
    private TimeSpan? StartDue(CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        TimeSpan? next = null;
        lock (_gate)
        {
            foreach (var (key, entry) in _entries)
            {
                if (entry.UnderWay)
                    continue;
                var due = entry.Started is { } started && started <= now ? started + entry.Interval - now : TimeSpan.Zero;
                if (due <= TimeSpan.Zero)
                {
                    entry.UnderWay = true;
                    entry.Started = now;
                    if (!_sources.TryGetValue(key.Source, out var source))
                        _sources.Add(key.Source, source = new());
                    source.Waiting.Enqueue((key, entry));
                    StartWaiting_NeedsLock(source, cancellationToken);
                }
                else if (next is null || due < next)
                    next = due;
            }
        }
        return next;
    }

    private void StartWaiting_NeedsLock(SourceQueue source, CancellationToken cancellationToken)
    {
        while (source.Running < AtOnce && source.Waiting.TryDequeue(out var one))
        {
            source.Running++;
            // Start outside the lock, because the query may do work before its first await.
            var task = TaskGroup.Start(_time, "Prometheus query", () => QueryAsync(source, one.Key, one.Entry, cancellationToken));
            _underWay.Add(task);
            _ = task.ContinueWith(
                done =>
                {
                    lock (_gate)
                        _underWay.Remove(done);
                },
                CancellationToken.None,
                TaskContinuationOptions.ExecuteSynchronously,
                TaskScheduler.Default
            );
        }
    }

    private async Task QueryAsync(SourceQueue source, (string Source, string Query) key, Entry entry, CancellationToken cancellationToken)
    {
        PromReading? reading = null;
        var at = _time.GetUtcNow();
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            reading = new(at, await _query(key.Source, key.Query, cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The result is no longer needed.
        }
        catch (Exception exception)
        {
            // Report the failure as the reading; other queries continue.
            reading = new(at, PromAnswer.Failed($"Prometheus source {key.Source}: {exception.GetType().Name}"));
        }
        string[] scalers;
        lock (_gate)
        {
            source.Running--;
            entry.UnderWay = false;
            if (reading is not null)
                entry.Last = reading;
            scalers = [.. entry.Scalers];
            if (!cancellationToken.IsCancellationRequested)
                StartWaiting_NeedsLock(source, cancellationToken);
        }
        if (reading is not null)
            Changed?.Invoke(scalers);
        // This query may be the next one that is due.
        _changed.Set();
    }

    private sealed class Entry
    {
        public TimeSpan Interval { get; set; }

        public HashSet<string> Scalers { get; set; } = new(StringComparer.Ordinal);

        public DateTimeOffset? Started { get; set; }

        public bool UnderWay { get; set; }

        public PromReading? Last { get; set; }
    }

    private sealed class SourceQueue
    {
        public Queue<((string Source, string Query) Key, Entry Entry)> Waiting { get; } = [];

        public int Running { get; set; }
    }
}
