using Bursar.Core.Scaling;

namespace Bursar.Agent.Scrape;

/// <summary>The latencies that model servers expose as histograms.</summary>
public enum ServingLatency
{
    FirstToken,
    BetweenTokens,
    EndToEnd,
}

/// <summary>A latency of one engine for one model since the engine started.</summary>
public sealed record EngineHistogram(ServingLatency Figure, string Model, string Engine, LatencyHistogram Histogram);

/// <summary>
/// Merges a page's histograms into one per figure, whose counts do not decrease when one engine of several restarts or disappears
/// (<see cref="EngineSums"/> does the same for tokens). If all of them restart, the page's own sum is passed on. Safe for concurrent
/// use.
/// </summary>
public sealed class HistogramSums
{
    /// <summary>Above this number, engines that disappeared are merged into one entry.</summary>
    private const int MaxKept = 512;

    private static readonly (string Model, string Engine) Retired = ("", "\u0001");

    private readonly Lock _gate = new();
    private readonly Dictionary<ServingLatency, Dictionary<(string Model, string Engine), Engine>> _known = [];

    public IReadOnlyDictionary<ServingLatency, LatencyHistogram> Add(ScrapeResult page)
    {
        lock (_gate)
            return page.Histograms.GroupBy(engine => engine.Figure).ToDictionary(figure => figure.Key, Record_NeedsLock);
    }

    private LatencyHistogram Record_NeedsLock(IGrouping<ServingLatency, EngineHistogram> figure)
    {
        var now = new Dictionary<(string Model, string Engine), LatencyHistogram>();
        foreach (var engine in figure)
            now[(engine.Model, engine.Engine)] = engine.Histogram;
        if (!_known.TryGetValue(figure.Key, out var engines))
            _known.Add(figure.Key, engines = []);
        // Only an engine that had a count and did not decrease proves that the server still runs.
        if (
            !engines.Any(engine =>
                engine.Value.Last.Count > 0 && now.TryGetValue(engine.Key, out var shown) && !shown.BeganAnewSince(engine.Value.Last)
            )
        )
            engines.Clear();
        foreach (var gone in engines.Keys.Where(key => !now.ContainsKey(key)).ToArray())
            engines[gone] = new(engines[gone].All, LatencyHistogram.Empty);
        foreach (var (key, histogram) in now)
        {
            var before = engines.TryGetValue(key, out var engine) ? engine : new(LatencyHistogram.Empty, LatencyHistogram.Empty);
            engines[key] = new(before.Last.Count > 0 && histogram.BeganAnewSince(before.Last) ? before.All : before.Before, histogram);
        }
        if (engines.Count > MaxKept)
        {
            var retired = LatencyHistogram.Empty;
            foreach (var gone in engines.Keys.Where(key => !now.ContainsKey(key)).ToArray())
            {
                retired = retired.Plus(engines[gone].All);
                engines.Remove(gone);
            }
            engines[Retired] = new(retired, LatencyHistogram.Empty);
        }
        return engines.Values.Select(engine => engine.All).Aggregate((one, other) => one.Plus(other));
    }

    /// <param name="Before">The sum of its histograms before restarts.</param>
    /// <param name="Last">Its latest histogram; empty if the latest page does not contain it.</param>
    private readonly record struct Engine(LatencyHistogram Before, LatencyHistogram Last)
    {
        public LatencyHistogram All => Before.Plus(Last);
    }
}
