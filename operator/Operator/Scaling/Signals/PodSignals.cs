using Bursar.Core.Scaling;

namespace Bursar.Operator.Scaling.Signals;

/// <summary>The latest metrics of a pod, as reported by its node's agent. Unknown values are null, never 0.</summary>
internal sealed record PodSignals
{
    /// <summary>When its metrics were read or, for a pod without metrics, its devices, by the operator's clock.</summary>
    public DateTimeOffset At { get; init; }

    /// <summary>Rate over the last 10 seconds, or between the last two readings if they are further apart.</summary>
    public double? PromptTokensPerSecond { get; init; }

    public double? GeneratedTokensPerSecond { get; init; }

    public long? RequestsRunning { get; init; }

    public long? RequestsWaiting { get; init; }

    /// <summary>Share from 0 to 1.</summary>
    public double? CacheUse { get; init; }

    /// <summary>Mean over its devices and the last 15 seconds.</summary>
    public double? GpuUtilizationPercent { get; init; }

    /// <summary>Time to first token of the requests of the last minute.</summary>
    public LatencyHistogram? FirstToken { get; init; }

    public LatencyHistogram? BetweenTokens { get; init; }

    public LatencyHistogram? EndToEnd { get; init; }
}
