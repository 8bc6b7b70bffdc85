using System.Text.Json.Serialization;

namespace Bursar.Core.Forecast;

/// <summary>Where an estimate of the remaining time comes from, best first.</summary>
public enum EstimateSource
{
    /// <summary>Nothing tells how long the work runs.</summary>
    Unknown,

    /// <summary>Steps done and total, from the annotation, a metric or a POST to the node's agent.</summary>
    Progress,

    /// <summary>Pieces that ended, such as a Job's completions, and the age of those in flight.</summary>
    Completions,

    /// <summary>The annotation <c>bursar.dev/expected-duration</c>.</summary>
    Declared,

    /// <summary>Earlier runs of the same series that were completed.</summary>
    Series,

    /// <summary>The trainer's word in its own object's status (TrainJob): after settled progress, before all else.</summary>
    Reported,
}

/// <summary>
/// How long a job still runs: the likely time with a low and a high end. <see cref="Settled"/> says whether the likely
/// end may be acted upon (100 steps or 2 minutes seen, interval within 25 %); before that only the low end may.
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
    /// <summary>Unknown because its progress stands still: forecasts leave the job alone until it moves or says more.</summary>
    public bool Stale { get; init; }

    /// <summary>
    /// The estimate is drawn from a sample of pieces whose lengths differ by chance. Its likely end is what is expected and shown,
    /// but a forecast suspends the work only if even the low end does not fit.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IsSample { get; init; }

    /// <summary>
    /// How much later than its GPU time alone says the work ends, because the last pieces leave some GPUs free. It costs nothing.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public TimeSpan LastWave { get; init; }

    public static Estimate Unknown(string detail) =>
        new(TimeSpan.Zero, TimeSpan.Zero, TimeSpan.Zero, EstimateSource.Unknown, false, detail);

    public bool IsKnown => Source != EstimateSource.Unknown;
}
