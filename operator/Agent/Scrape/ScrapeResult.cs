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

    /// <summary>The page was read, but none of the metrics looked for is on it.</summary>
    Nothing,
    UnknownKind,
    NoAddress,
}

/// <summary>What was on a page.</summary>
/// <param name="Outcome">How it went.</param>
/// <param name="Detail">A sentence for the log when it went wrong.</param>
public sealed record ScrapeResult(ScrapeOutcome Outcome, string? Detail = null)
{
    /// <summary>Which model server the page is of.</summary>
    public string? Server { get; init; }

    public IReadOnlyList<ModelTokens> Tokens { get; init; } = [];

    /// <summary>What <see cref="Tokens"/> are the sums of.</summary>
    public IReadOnlyList<EngineCount> Engines { get; init; } = [];

    public ServingGauges? Gauges { get; init; }

    /// <summary>The load and the latency of each model.</summary>
    public IReadOnlyList<ModelLoad> Loads { get; init; } = [];

    /// <summary>How long requests took, by model and engine.</summary>
    public IReadOnlyList<EngineHistogram> Histograms { get; init; } = [];

    public TrainingProgress? Progress { get; init; }

    /// <summary>Lines of the page that could not be read. The others were used.</summary>
    public int SkippedLines { get; init; }
}

/// <summary>Cumulative tokens of one model, over all its engines, and the requests that ended; null where the server counts none.</summary>
public sealed record ModelTokens(string Model, long Prompt, long? Cached, long Generated, long? Requests = null);

/// <summary>Load of a serving pod: requests summed and cache use at its highest over models and engines.</summary>
public sealed record ServingGauges(long? Running, long? Waiting, double? CacheUse)
{
    /// <summary>
    /// The part of the cache that no request uses, in bytes of each GPU; null where the server does not tell the size of its cache.
    /// </summary>
    public long? UnusedCacheBytes { get; init; }
}

/// <summary>
/// Load of one model, over all its engines (cache use at its highest), and how long its requests took since the server began.
/// </summary>
/// <param name="Model">The model.</param>
/// <param name="Running">Requests in work.</param>
/// <param name="Waiting">Requests that wait.</param>
/// <param name="CacheUse">A share from 0 to 1.</param>
/// <param name="LatencySeconds">The time of all requests that ended, from arrival to end.</param>
/// <param name="LatencyRequests">How many those are.</param>
public sealed record ModelLoad(string Model, long? Running, long? Waiting, double? CacheUse, double? LatencySeconds, long? LatencyRequests);

public sealed record TrainingProgress(long Step, long? Total, DateTimeOffset? CheckpointAt);
