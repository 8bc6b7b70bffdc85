namespace Bursar.Agent.Scrape;

public sealed record ScrapeOptions
{
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(5);

    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(2);

    public int MaxBytes { get; init; } = 4 * 1024 * 1024;

    public int Concurrency { get; init; } = 8;

    /// <summary>Model servers beside the known ones; tried before them.</summary>
    public IReadOnlyList<ServingMetrics> Servers { get; init; } = [];

    /// <summary>Gauge or counter: steps done. Of several samples (ranks) the slowest counts.</summary>
    public string StepMetric { get; init; } = "bursar_training_step";

    /// <summary>Gauge: steps in all.</summary>
    public string TotalMetric { get; init; } = "bursar_training_steps";

    /// <summary>Gauge: when the last checkpoint was written, seconds since 1970.</summary>
    public string CheckpointMetric { get; init; } = "bursar_training_checkpoint_timestamp_seconds";
}
