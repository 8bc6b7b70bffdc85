namespace Bursar.Agent.Scrape;

/// <summary>How a scrape ended; each is a label value of <c>bursar_agent_scrapes_total</c>.</summary>
public enum ScrapeOutcome
{
    Ok,
    Unreachable,
    TimedOut,
    Status,
    Redirect,
    TooLarge,
    Malformed,

    /// <summary>The page was read, but has none of the known metrics.</summary>
    Nothing,
    UnknownKind,
    NoAddress,
}

/// <summary>The figures of a scraped page.</summary>
/// <param name="Outcome">How the scrape ended.</param>
/// <param name="Detail">The reason of a failure, for the log; else null.</param>
public sealed record ScrapeResult(ScrapeOutcome Outcome, string? Detail = null)
{
    /// <summary>The name of the model server in <see cref="ServingMetrics"/>; null for a training page.</summary>
    public string? Server { get; init; }

    public IReadOnlyList<ModelTokens> Tokens { get; init; } = [];

    /// <summary>The addends of <see cref="Tokens"/>.</summary>
    public IReadOnlyList<EngineCount> Engines { get; init; } = [];

    public ServingGauges? Gauges { get; init; }

    /// <summary>The load and the latency of each model.</summary>
    public IReadOnlyList<ModelLoad> Loads { get; init; } = [];

    /// <summary>Latencies of requests, by model and engine.</summary>
    public IReadOnlyList<EngineHistogram> Histograms { get; init; } = [];

    public TrainingProgress? Progress { get; init; }

    /// <summary>Lines of the page that could not be parsed. The others were used.</summary>
    public int SkippedLines { get; init; }
}

/// <summary>Cumulative tokens and ended requests of one model, over all its engines. Null if the server does not count them.</summary>
public sealed record ModelTokens(string Model, long Prompt, long? Cached, long Generated, long? Requests = null);

/// <summary>Load of a serving pod: the sum of requests and the highest cache use (0 to 1) over models and engines.</summary>
public sealed record ServingGauges(long? Running, long? Waiting, double? CacheUse)
{
    /// <summary>
    /// The part of the cache that no request uses, in bytes of each GPU. Null if the server does not expose the size of its cache.
    /// </summary>
    public long? UnusedCacheBytes { get; init; }
}

/// <summary>
/// Load of one model over all its engines, and the latency of its requests since the server started.
/// </summary>
/// <param name="Model">The model.</param>
/// <param name="Running">Requests in progress.</param>
/// <param name="Waiting">Queued requests.</param>
/// <param name="CacheUse">The highest use of the KV cache, 0 to 1.</param>
/// <param name="LatencySeconds">The sum of the ended requests' times from arrival to end.</param>
/// <param name="LatencyRequests">The number of these requests.</param>
public sealed record ModelLoad(string Model, long? Running, long? Waiting, double? CacheUse, double? LatencySeconds, long? LatencyRequests);

public sealed record TrainingProgress(long Step, long? Total, DateTimeOffset? CheckpointAt);
