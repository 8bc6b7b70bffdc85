using System.Text.Json.Serialization;

namespace Bursar.Core.Forecast;

/// <summary>The source of an estimate of the remaining time, best first.</summary>
public enum EstimateSource
{
    /// <summary>The duration is unknown.</summary>
    Unknown,

    /// <summary>Steps done and total, from the annotation, a metric or a POST to the node's agent.</summary>
    Progress,

    /// <summary>Ended pieces, such as a Job's completions, and the age of those in flight.</summary>
    Completions,

    /// <summary>The annotation <c>bursar.dev/expected-duration</c>.</summary>
    Declared,

    /// <summary>Completed earlier runs of the same series.</summary>
    Series,

    /// <summary>
    /// The trainer's own estimate in its object's status (TrainJob). It ranks after settled progress and before everything else.
    /// </summary>
    Reported,
}

/// <summary>
/// The remaining time of a job: a likely time with a low and a high end. If <see cref="Settled"/> is false, decisions use the low end. An
/// estimate settles after 100 steps or 2 minutes, with an interval within 25 %.
/// </summary>
public sealed record Estimate(
    TimeSpan Low,
    [property: JsonPropertyName("mid")] TimeSpan Likely,
    TimeSpan High,
    EstimateSource Source,
    bool Settled,
    string Detail = ""
)
{
    /// <summary>The duration is unknown because progress has stalled. Forecasts leave the job alone until it moves.</summary>
    public bool Stale { get; init; }

    /// <summary>
    /// The estimate comes from a sample of pieces whose lengths vary at random. The likely end is shown, but a forecast suspends the job
    /// only if even the low end does not fit.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsSample { get; init; }

    /// <summary>
    /// How much later the job ends than its GPU time implies, because the last pieces leave some GPUs free. It costs nothing.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public TimeSpan LastWave { get; init; }

    public static Estimate Unknown(string detail) =>
        new(TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero, EstimateSource.Unknown, false, detail);

    public bool IsKnown => Source != EstimateSource.Unknown;
}
