namespace Bursar.Agent.Scrape;

public sealed record ScrapeOptions
{
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(2);

    public int MaxBytes { get; init; } = 4 * 1024 * 1024;

    public int Concurrency { get; init; } = 8;

    /// <summary>Model servers in addition to the built-in ones; tried before them.</summary>
    public IReadOnlyList<ServingMetrics> Servers { get; init; } = [];

    /// <summary>Gauge or counter of completed steps. The lowest of several samples (ranks) counts.</summary>
    public string StepMetric { get; init; } = "bursar_training_step";

    /// <summary>Gauge of the total number of steps.</summary>
    public string TotalMetric { get; init; } = "bursar_training_steps";

    /// <summary>Gauge of the time of the last checkpoint, in seconds since 1970.</summary>
    public string CheckpointMetric { get; init; } = "bursar_training_checkpoint_timestamp_seconds";
}
