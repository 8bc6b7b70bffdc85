using System.Text.Json.Serialization;
using Bursar.Core.Scaling;

namespace Bursar.Agent.Endpoints;

/// <summary>What <c>GET /v1/signals</c> answers: the newest gauges, for scaling. Nothing in it is billed.</summary>
public sealed record SignalReport
{
    public string Node { get; init; } = "";

    public DateTimeOffset Now { get; init; }

    /// <summary>To be asked for what comes <c>after</c> it; absent from agents of an older version, which answer at once.</summary>
    public long? Revision { get; init; }

    /// <summary>What served the devices' figures (NVML and its driver, a dcgm-exporter), or why nothing did.</summary>
    public string Source { get; init; } = "";

    public IReadOnlyList<DeviceSignal> Devices { get; init; } = [];

    public IReadOnlyList<PodSignal> Pods { get; init; } = [];
}

public sealed record DeviceSignal
{
    public string Device { get; init; } = "";

    public string Name { get; init; } = "";

    /// <summary>When the device was read.</summary>
    public DateTimeOffset At { get; init; }

    public bool Lost { get; init; }

    public int? UtilizationPercent { get; init; }

    public long? MemoryUsedBytes { get; init; }

    public long? MemoryTotalBytes { get; init; }

    public int? TemperatureCelsius { get; init; }

    public long? PowerMilliwatts { get; init; }

    /// <summary>The pods that hold it, as far as their UIDs are known.</summary>
    public IReadOnlyList<string> PodUids { get; init; } = [];
}

public sealed record PodSignal
{
    public string PodUid { get; init; } = "";

    /// <summary>When the pod was scraped.</summary>
    public DateTimeOffset At { get; init; }

    public long? RequestsRunning { get; init; }

    public long? RequestsWaiting { get; init; }

    /// <summary>Use of the KV cache, 0 to 1.</summary>
    public double? CacheUse { get; init; }

    /// <summary>Cumulative tokens, over all models of the pod.</summary>
    public long? PromptTokens { get; init; }

    public long? GeneratedTokens { get; init; }

    /// <summary>
    /// From a request's arrival to its first token, cumulative, over all models of the pod; absent where the server does not tell.
    /// </summary>
    public HistogramSignal? FirstToken { get; init; }

    /// <summary>From one token to the next.</summary>
    public HistogramSignal? BetweenTokens { get; init; }

    /// <summary>From a request's arrival to its end.</summary>
    public HistogramSignal? EndToEnd { get; init; }
}

/// <summary>Cumulative counts under upper bounds in seconds; one count more than bounds, that of all.</summary>
public sealed record HistogramSignal
{
    public IReadOnlyList<double> Bounds { get; init; } = [];

    public IReadOnlyList<long> Counts { get; init; } = [];

    public static HistogramSignal? Of(LatencyHistogram? histogram) =>
        histogram is null ? null : new() { Bounds = histogram.Bounds, Counts = histogram.Counts };
}

/// <summary>What a door answers when it refuses.</summary>
public sealed record Refusal(string Error);

/// <summary>What <c>/healthz</c> answers: one clear word or sentence a part.</summary>
public sealed record AgentHealth
{
    public string Status { get; init; } = "ok";

    public string Node { get; init; } = "";

    public string Gpu { get; init; } = "";

    public string PodResources { get; init; } = "";

    public string Journal { get; init; } = "";

    public string Certificates { get; init; } = "";
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull
)]
[JsonSerializable(typeof(SignalReport))]
[JsonSerializable(typeof(Refusal))]
[JsonSerializable(typeof(AgentHealth))]
[JsonSerializable(typeof(AgentAddresses))]
public sealed partial class EndpointJson : JsonSerializerContext;
