using System.Text.Json.Serialization;
using Bursar.Core.Scaling;

namespace Bursar.Agent.Endpoints;

/// <summary>The response of <c>GET /v1/signals</c>: the latest gauges, for scaling. Nothing in it is billed.</summary>
public sealed record SignalReport
{
    public string Node { get; init; } = "";

    public DateTimeOffset Now { get; init; }

    /// <summary>The value for <c>after</c> in the next request. Null from agents of an older version, which answer at once.</summary>
    public long? Revision { get; init; }

    /// <summary>The source of the devices' figures (NVML with its driver version, or a dcgm-exporter), or why there is none.</summary>
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

    /// <summary>The UIDs of the pods that hold the device; without those whose UID is unknown.</summary>
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
    /// Time from a request's arrival to its first token, cumulative over all models of the pod. Null if the server does not expose it.
    /// </summary>
    public HistogramSignal? FirstToken { get; init; }

    /// <summary>Time from one token to the next.</summary>
    public HistogramSignal? BetweenTokens { get; init; }

    /// <summary>Time from a request's arrival to its end.</summary>
    public HistogramSignal? EndToEnd { get; init; }
}

/// <summary>Cumulative counts below upper bounds in seconds. There is one count more than bounds: the total.</summary>
public sealed record HistogramSignal
{
    public IReadOnlyList<double> Bounds { get; init; } = [];

    public IReadOnlyList<long> Counts { get; init; } = [];

    public static HistogramSignal? From(LatencyHistogram? histogram) =>
        histogram is null ? null : new() { Bounds = histogram.Bounds, Counts = histogram.Counts };
}

/// <summary>The body of a refused request.</summary>
public sealed record Refusal(string Error);

/// <summary>The response of <c>/healthz</c>: <c>ok</c> or a sentence for each part.</summary>
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
