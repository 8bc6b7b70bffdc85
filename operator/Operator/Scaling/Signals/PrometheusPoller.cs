using Bursar.Concurrency;
using Bursar.Operator.Telemetry;

namespace Bursar.Operator.Scaling.Signals;

/// <summary>A query that a scaler asks, and how often.</summary>
internal sealed record PromQuestion(string Source, string Query, TimeSpan Interval);

/// <summary>What came of it last.</summary>
/// <param name="At">When it was asked.</param>
/// <param name="Answer">What came.</param>
internal sealed record PromReading(DateTimeOffset At, PromAnswer Answer);

/// <summary>
/// Asks each query of each source once for all scalers that want it, as often as the most hurried of them does; a few at a time of one
/// source, so that one that hangs holds up none but itself.
/// </summary>
internal sealed class PrometheusPoller
{
    private static readonly TimeSpan Shortest = TimeSpan.FromSeconds(1);

    private const int AtOnce = 8;

    private readonly Func<string, string, CancellationToken, Task<PromAnswer>> _ask;
    private readonly TimeProvider _time;
    private readonly AsyncAutoResetEvent _changed;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, IReadOnlyList<PromQuestion>> _scalers = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Source, string Query), Entry> _entries = [];
    private readonly Dictionary<string, SourceQuery> _turns = new(StringComparer.Ordinal);
    private readonly HashSet<Task> _underWay = [];

    /// <param name="ask"><see cref="PrometheusSources.QueryAsync"/>.</param>
    /// <param name="time">The clock.</param>
    public PrometheusPoller(Func<string, string, CancellationToken, Task<PromAnswer>> ask, TimeProvider time)
    {
        _ask = ask;
        _time = time;
        _changed = new(time, "a Prometheus query that is due");
    }

    /// <summary>The scalers for which there is another reading.</summary>
    public event Action<IReadOnlyCollection<string>>? Changed;

    /// <summary>All that a scaler asks; replaces what it asked before.</summary>
    /// <param name="scaler">Any key that stays the scaler's own.</param>
    /// <param name="questions">None takes it out.</param>
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
            foreach (var (name, asked) in _scalers)
            {
                foreach (var question in asked)
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
            foreach (var gone in _turns.Keys.Where(source => !wanted.Keys.Any(key => key.Item1 == source)).ToArray())
                _turns.Remove(gone);
        }
        _changed.Set();
    }

    /// <summary>The scaler is gone.</summary>
    public void Forget(string scaler) => Want(scaler, []);

    /// <summary>Null while it was not asked yet.</summary>
    public PromReading? Of(string source, string query)
    {
        lock (_gate)
            return _entries.GetValueOrDefault((source, query))?.Last;
    }

    /// <summary>Runs until cancelled.</summary>
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

    /// <summary>Starts what is due; how long until the next is.</summary>
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
                    if (!_turns.TryGetValue(key.Source, out var turn))
                        _turns.Add(key.Source, turn = new());
                    turn.Waiting.Enqueue((key, entry));
                    Go_NeedsLock(turn, cancellationToken);
                }
                else if (next is null || due < next)
                    next = due;
            }
        }
        return next;
    }

    private void Go_NeedsLock(SourceQuery turn, CancellationToken cancellationToken)
    {
        while (turn.Running < AtOnce && turn.Waiting.TryDequeue(out var one))
        {
            turn.Running++;
            // Off the lock, whatever the asking does before it first waits.
            var task = TaskGroup.Start(_time, "Prometheus query", () => QueryAsync(turn, one.Key, one.Entry, cancellationToken));
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

    private async Task QueryAsync(SourceQuery turn, (string Source, string Query) key, Entry entry, CancellationToken cancellationToken)
    {
        PromReading? reading = null;
        var at = _time.GetUtcNow();
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            reading = new(at, await _ask(key.Source, key.Query, cancellationToken));
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Nobody waits for it any more.
        }
        catch (Exception exception)
        {
            // One that cannot be asked is told as such; the others are asked all the same.
            reading = new(at, PromAnswer.Failed($"Prometheus source {key.Source}: {exception.GetType().Name}"));
        }
        string[] scalers;
        lock (_gate)
        {
            turn.Running--;
            entry.UnderWay = false;
            if (reading is not null)
                entry.Last = reading;
            scalers = [.. entry.Scalers];
            if (!cancellationToken.IsCancellationRequested)
                Go_NeedsLock(turn, cancellationToken);
        }
        if (reading is not null)
            Changed?.Invoke(scalers);
        // Its next turn may be the earliest now.
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

    private sealed class SourceQuery
    {
        public Queue<((string Source, string Query) Key, Entry Entry)> Waiting { get; } = [];

        public int Running { get; set; }
    }
}
