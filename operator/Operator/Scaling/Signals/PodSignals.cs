using Bursar.Core.Scaling;

namespace Bursar.Operator.Scaling.Signals;

/// <summary>What a pod showed last, as its node's agent told it. A figure that is not known is null, never 0.</summary>
internal sealed record PodSignals
{
    /// <summary>When, by the operator's clock, its page was read; of a pod that has none, its devices.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>Over the last 10 seconds, or between the last two readings where those lie further apart.</summary>
    public double? PromptTokensPerSecond { get; init; }

    public double? GeneratedTokensPerSecond { get; init; }

    public long? RequestsRunning { get; init; }

    public long? RequestsWaiting { get; init; }

    /// <summary>A share from 0 to 1.</summary>
    public double? CacheUse { get; init; }

    /// <summary>The mean over its devices, over the last 15 seconds.</summary>
    public double? GpuUtilizationPercent { get; init; }

    /// <summary>Requests' time to their first token, of the last minute.</summary>
    public LatencyHistogram? FirstToken { get; init; }

    public LatencyHistogram? BetweenTokens { get; init; }

    public LatencyHistogram? EndToEnd { get; init; }
}
