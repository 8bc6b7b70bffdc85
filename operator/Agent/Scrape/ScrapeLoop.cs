using System.Collections.Concurrent;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;
using Bursar.Concurrency;
using Bursar.Core.Scaling;
using Bursar.Core.Usage;
using Microsoft.Extensions.Logging;

namespace Bursar.Agent.Scrape;

/// <summary>The latest load of a serving pod.</summary>
public sealed record PodGauges(string PodUid, DateTimeOffset At, ServingGauges Gauges, IReadOnlyList<ModelTokens> Tokens)
{
    public string Namespace { get; init; } = "";

    public string Pod { get; init; } = "";

    public IReadOnlyList<ModelLoad> Loads { get; init; } = [];

    /// <summary>Latencies since the server started, over all models.</summary>
    public IReadOnlyDictionary<ServingLatency, LatencyHistogram> Histograms { get; init; } =
        new Dictionary<ServingLatency, LatencyHistogram>();
}

/// <summary>
/// Scrapes the operator's targets, a few at a time. A failing target is counted and does not affect the others. Targets with a shorter
/// interval, which a scaler depends on, are scraped by a loop of their own and do not wait for the others.
/// </summary>
public sealed partial class ScrapeLoop(
    PodScraper scraper,
    ScrapeOptions options,
    TargetStore targets,
    ProgressIntake progress,
    TokenIntake tokens,
    AgentCounters counters,
    TimeProvider time,
    ILogger<ScrapeLoop> logger,
    CheckpointIntake? checkpoints = null
)
{
    /// <summary>A page that was scraped longer ago than this is not used.</summary>
    private static readonly TimeSpan Stale = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, PodGauges> _gauges = new();
    private readonly ConcurrentDictionary<(string, int, string), ScrapeOutcome> _last = new();

    private readonly ConcurrentDictionary<(string, int, string), EngineSums> _engines = new();

    private readonly ConcurrentDictionary<(string, int, string), HistogramSums> _histograms = new();

    private readonly ConcurrentDictionary<(string, int, string), DateTimeOffset> _counted = new();

    /// <summary>Raised after a pass that read figures of at least one serving pod.</summary>
    public event Action? Changed;

    /// <summary>The latest gauges of each serving pod among the targets.</summary>
    public IReadOnlyList<PodGauges> Gauges => [.. _gauges.Values.OrderBy(g => g.PodUid, StringComparer.Ordinal)];

    /// <summary>
    /// Returns the unused part of a pod's KV cache, in bytes of each GPU. Null if its server does not expose it or has not answered for a
    /// minute.
    /// </summary>
    public long? UnusedCacheOf(string podUid) =>
        _gauges.TryGetValue(podUid, out var pod) && time.GetUtcNow() - pod.At < Stale ? pod.Gauges.UnusedCacheBytes : null;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await Task.WhenAll(RunAllAsync(cancellationToken), RunQuickAsync(cancellationToken));
        tokens.Retain(null);
    }

    public Task ScrapeAllAsync(CancellationToken cancellationToken) => ScrapeAsync((_, _) => true, cancellationToken);

    private Task RunAllAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(
            time,
            "scrapes",
            async token =>
            {
                await ScrapeAsync((_, target) => !IsQuick(target), token);
                return options.Interval;
            },
            cancellationToken
        );

    private async Task RunQuickAsync(CancellationToken cancellationToken)
    {
        var wake = new AsyncAutoResetEvent(time, "a scrape that is due");
        var due = new Dictionary<(string, int, string), DateTimeOffset>();
        targets.Changed += wake.Set;
        try
        {
            await PeriodicLoop.RunAsync(
                time,
                "quick scrapes",
                async token =>
                {
                    var wanted = targets
                        .Current.Pods.SelectMany(pod =>
                            pod.Scrape.Where(IsQuick)
                                .Select(target =>
                                    (Key: (pod.Uid, target.Port, target.Path), Every: TimeSpan.FromSeconds(target.IntervalSeconds!.Value))
                                )
                        )
                        .DistinctBy(target => target.Key)
                        .ToArray();
                    var now = time.GetUtcNow();
                    var ready = wanted
                        .Where(target => !due.TryGetValue(target.Key, out var at) || at <= now || at > now + target.Every)
                        .ToDictionary(target => target.Key, target => now + target.Every);
                    if (ready.Count > 0)
                        await ScrapeAsync(
                            (pod, target) => IsQuick(target) && ready.ContainsKey((pod.Uid, target.Port, target.Path)),
                            token
                        );
                    due = wanted.ToDictionary(
                        target => target.Key,
                        target => ready.TryGetValue(target.Key, out var next) ? next : due[target.Key]
                    );
                    var wait = due.Count > 0 ? due.Values.Min() - time.GetUtcNow() : Timeout.InfiniteTimeSpan;
                    if (due.Count == 0 || wait > TimeSpan.Zero)
                        await wake.WaitAsync(wait, token);
                    return TimeSpan.Zero;
                },
                cancellationToken
            );
        }
        finally
        {
            targets.Changed -= wake.Set;
        }
    }

    private bool IsQuick(ScrapeTarget target) =>
        target.IntervalSeconds is > 0 and var seconds && TimeSpan.FromSeconds(seconds) < options.Interval;

    private async Task ScrapeAsync(Func<TargetPod, ScrapeTarget, bool> which, CancellationToken cancellationToken)
    {
        var pods = targets.Current.Pods;
        Forget(pods);
        var selected = pods.SelectMany(p => p.Scrape.Where(s => which(p, s)).Select(s => (Pod: p, Target: s)));
        int changes = 0;
        await TaskGroup.ForEachAsync(
            time,
            selected,
            options.Concurrency,
            async (item, token) =>
            {
                if (Record(item.Pod, item.Target, await scraper.ScrapeAsync(item.Pod, item.Target, token)))
                    Interlocked.Increment(ref changes);
            },
            cancellationToken
        );
        if (changes > 0)
            Changed?.Invoke();
    }

    /// <summary>Returns true if the page had figures of a serving pod.</summary>
    private bool Record(TargetPod pod, ScrapeTarget target, ScrapeResult result)
    {
        counters.Scraped(result.Outcome.ToString());
        counters.LinesSkipped(result.SkippedLines);
        var key = (pod.Uid, target.Port, target.Path);
        var known = _last.TryGetValue(key, out var before);
        // A server that is loading its model does not listen yet.
        if (!known && result.Outcome == ScrapeOutcome.Unreachable)
            LogNotYet(pod.Namespace, pod.Name, result.Detail ?? "");
        else if (result.Outcome != ScrapeOutcome.Ok && !(known && before == result.Outcome))
            LogFailed(pod.Namespace, pod.Name, result.Outcome, result.Detail ?? "");
        _last[key] = result.Outcome;

        var at = WireTime.Truncate(time.GetUtcNow());
        var sums = result.Engines.Count > 0 ? _engines.GetOrAdd(key, _ => new()).Add(result) : result.Tokens;
        var latencies =
            result.Histograms.Count > 0
                ? _histograms.GetOrAdd(key, _ => new()).Add(result)
                : new Dictionary<ServingLatency, LatencyHistogram>();
        // A shorter interval must not write billed tokens to the journal more often.
        bool counts =
            sums.Count > 0
            && (!IsQuick(target) || !_counted.TryGetValue(key, out var taken) || at - taken >= options.Interval || at < taken);
        if (counts)
            _counted[key] = at;
        foreach (var model in counts ? sums : [])
        {
            tokens.Record(
                new TokenSample
                {
                    PodUid = pod.Uid,
                    Model = model.Model,
                    Prompt = model.Prompt,
                    Cached = model.Cached,
                    Generated = model.Generated,
                    Requests = model.Requests,
                    At = at,
                }
            );
        }
        bool shows = result.Loads.Count + sums.Count + latencies.Count > 0;
        if (shows)
            _gauges[pod.Uid] = new PodGauges(pod.Uid, at, result.Gauges ?? new(null, null, null), sums)
            {
                Namespace = pod.Namespace,
                Pod = pod.Name,
                Loads = result.Loads,
                Histograms = latencies,
            };
        if (result.Progress is { } training)
            progress.Record(
                new ProgressSample
                {
                    PodUid = pod.Uid,
                    Step = training.Step,
                    Total = training.Total,
                    CheckpointAt = training.CheckpointAt,
                    At = at,
                }
            );
        return shows;
    }

    private void Forget(IReadOnlyList<TargetPod> pods)
    {
        var uids = pods.Select(p => p.Uid).ToHashSet(StringComparer.Ordinal);
        progress.Retain(uids);
        checkpoints?.Retain(uids);
        tokens.Retain(uids);
        foreach (string uid in _gauges.Keys.Where(u => !uids.Contains(u)))
            _gauges.TryRemove(uid, out _);
        foreach (var key in _last.Keys.Where(k => !uids.Contains(k.Item1)))
            _last.TryRemove(key, out _);
        foreach (var key in _engines.Keys.Where(k => !uids.Contains(k.Item1)))
            _engines.TryRemove(key, out _);
        foreach (var key in _histograms.Keys.Where(k => !uids.Contains(k.Item1)))
            _histograms.TryRemove(key, out _);
        foreach (var key in _counted.Keys.Where(k => !uids.Contains(k.Item1)))
            _counted.TryRemove(key, out _);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Pod {Namespace}/{Name} does not serve its metrics yet: {Detail}")]
    private partial void LogNotYet(string @namespace, string name, string detail);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Scraping pod {Namespace}/{Name} failed: {Outcome}, {Detail}")]
    private partial void LogFailed(string @namespace, string name, ScrapeOutcome outcome, string detail);
}
