using System.Collections.Concurrent;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;
using Bursar.Core.Usage;
using Microsoft.Extensions.Logging;

namespace Bursar.Agent.Scrape;

/// <summary>The load a serving pod showed last.</summary>
public sealed record PodGauges(string PodUid, DateTimeOffset At, ServingGauges Gauges, IReadOnlyList<ModelTokens> Tokens)
{
    public string Namespace { get; init; } = "";

    public string Pod { get; init; } = "";

    public IReadOnlyList<ModelLoad> Loads { get; init; } = [];
}

/// <summary>Scrapes the operator's targets, a few at a time; a target that fails is counted and harms no other.</summary>
public sealed partial class ScrapeLoop(
    PodScraper scraper, ScrapeOptions options, TargetStore targets, ProgressIntake progress, TokenIntake tokens,
    AgentCounters counters, TimeProvider time, ILogger<ScrapeLoop> logger, IAgentActivity? activity, CheckpointIntake? checkpoints = null)
{
    private readonly ConcurrentDictionary<string, PodGauges> gauges = new();
    private readonly ConcurrentDictionary<(string, int, string), ScrapeOutcome> last = new();

    private readonly ConcurrentDictionary<(string, int, string), EngineSums> engines = new();

    /// <summary>The newest gauges of every serving pod among the targets.</summary>
    public IReadOnlyList<PodGauges> Gauges => [.. gauges.Values.OrderBy(g => g.PodUid, StringComparer.Ordinal)];

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            while (true)
            {
                activity?.Begin();
                try
                {
                    await ScrapeAllAsync(cancellationToken);
                }
                finally
                {
                    activity?.End();
                }
                await Task.Delay(options.Interval, time, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            tokens.Keep(null);
        }
    }

    public async Task ScrapeAllAsync(CancellationToken cancellationToken)
    {
        var pods = targets.Current.Pods;
        Forget(pods);
        var work = pods.SelectMany(p => p.Scrape.Select(s => (Pod: p, Target: s)));
        var bound = new ParallelOptions { MaxDegreeOfParallelism = options.Concurrency, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(work, bound, async (item, token) => Take(item.Pod, item.Target, await scraper.ScrapeAsync(item.Pod, item.Target, token)));
    }

    private void Take(TargetPod pod, ScrapeTarget target, ScrapeResult result)
    {
        counters.Scraped(result.Outcome.ToString());
        var key = (pod.Uid, target.Port, target.Path);
        var known = last.TryGetValue(key, out var before);
        // A server that loads its model does not listen yet.
        if (!known && result.Outcome == ScrapeOutcome.Unreachable) LogNotYet(pod.Namespace, pod.Name, result.Detail ?? "");
        else if (result.Outcome != ScrapeOutcome.Ok && !(known && before == result.Outcome)) LogFailed(pod.Namespace, pod.Name, result.Outcome, result.Detail ?? "");
        last[key] = result.Outcome;

        var at = WireTime.Truncate(time.GetUtcNow());
        var sums = result.Engines.Count > 0 ? engines.GetOrAdd(key, _ => new()).Of(result) : result.Tokens;
        foreach (var model in sums)
        {
            tokens.Take(new TokenSample
            {
                PodUid = pod.Uid,
                Model = model.Model,
                Prompt = model.Prompt,
                Cached = model.Cached,
                Generated = model.Generated,
                Requests = model.Requests,
                At = at,
            });
        }
        if (result.Loads.Count > 0)
            gauges[pod.Uid] = new PodGauges(pod.Uid, at, result.Gauges ?? new(null, null, null), sums) { Namespace = pod.Namespace, Pod = pod.Name, Loads = result.Loads };
        if (result.Progress is { } training)
            progress.Take(new ProgressSample { PodUid = pod.Uid, Step = training.Step, Total = training.Total, CheckpointAt = training.CheckpointAt, At = at });
    }

    private void Forget(IReadOnlyList<TargetPod> pods)
    {
        var uids = pods.Select(p => p.Uid).ToHashSet(StringComparer.Ordinal);
        progress.Keep(uids);
        checkpoints?.Keep(uids);
        tokens.Keep(uids);
        foreach (string uid in gauges.Keys.Where(u => !uids.Contains(u)))
            gauges.TryRemove(uid, out _);
        foreach (var key in last.Keys.Where(k => !uids.Contains(k.Item1)))
            last.TryRemove(key, out _);
        foreach (var key in engines.Keys.Where(k => !uids.Contains(k.Item1)))
            engines.TryRemove(key, out _);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Namespace}/{Name} does not serve its metrics yet: {Detail}")]
    private partial void LogNotYet(string @namespace, string name, string detail);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Scrape of {Namespace}/{Name}: {Outcome}, {Detail}")]
    private partial void LogFailed(string @namespace, string name, ScrapeOutcome outcome, string detail);
}
