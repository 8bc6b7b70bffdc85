using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;

namespace Bursar.Agent.Scrape;

/// <summary>
/// Reads the file with additional model servers and the names of their metrics (the chart's value <c>agent.servers</c>).
/// <code>
/// [{"server": "ours", "modelLabel": "model", "prompt": ["ours_tokens_total{direction=\"in\"}"], "generated": ["ours_tokens_total{direction=\"out\"}"]}]
/// </code>
/// </summary>
public static partial class ServingMap
{
    /// <exception cref="FormatException">Names the entry that cannot be read.</exception>
    public static IReadOnlyList<ServingMetrics> Read(ReadOnlySpan<byte> json)
    {
        List<Entry>? entries;
        try
        {
            entries = JsonSerializer.Deserialize(json, ServingMapJson.Default.ListEntry);
        }
        catch (JsonException exception)
        {
            throw new FormatException($"the list of model servers cannot be read: {exception.Message}", exception);
        }
        return [.. (entries ?? []).Select(Server)];
    }

    private static ServingMetrics Server(Entry entry, int index)
    {
        if (string.IsNullOrEmpty(entry.Server))
            throw new FormatException($"model server {index} has no name (server)");
        var server = new ServingMetrics(entry.Server)
        {
            Prompt = Ways(entry.Server, entry.Prompt),
            Cached = Ways(entry.Server, entry.Cached),
            Generated = Ways(entry.Server, entry.Generated),
            Requests = Ways(entry.Server, entry.Requests),
            Running = Ways(entry.Server, entry.Running),
            Waiting = Ways(entry.Server, entry.Waiting),
            CacheUse = Ways(entry.Server, entry.CacheUse),
            FirstToken = Histograms(entry.Server, entry.FirstToken),
            BetweenTokens = Histograms(entry.Server, entry.BetweenTokens),
            EndToEnd = Histograms(entry.Server, entry.EndToEnd),
            ModelLabel = entry.ModelLabel ?? "model_name",
        };
        return server.All.Any() ? server : throw new FormatException($"model server {entry.Server} names no metric");
    }

    private static MetricName[][] Ways(string server, IReadOnlyList<string>? metrics) =>
        metrics is not { Count: > 0 }
            ? []
            :
            [
                [.. metrics.Select(text => Metric(server, text))],
            ];

    /// <summary>
    /// Names of histograms in seconds, without <c>_bucket</c>. They are alternatives in order of preference, not addends.
    /// </summary>
    private static HistogramMetric[] Histograms(string server, IReadOnlyList<string>? names) =>
        [
            .. (names ?? []).Select(text =>
                Metric(server, text) is { Label.Length: 0 } metric
                    ? new HistogramMetric(metric.Name)
                    : throw new FormatException($"model server {server}: '{text}' is a histogram's name, without labels")
            ),
        ];

    private static MetricName Metric(string server, string text)
    {
        var match = MetricPattern().Match(text);
        return match.Success
            ? new(match.Groups["name"].Value, match.Groups["label"].Value, match.Groups["value"].Value)
            : throw new FormatException($"model server {server}: '{text}' is neither a metric's name nor name{{label=\"value\"}}");
    }

    [GeneratedRegex(
        """^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?<label>[a-zA-Z_][a-zA-Z0-9_]*)="(?<value>[^"\\]*)"\})?$""",
        RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant
    )]
    private static partial Regex MetricPattern();

    internal sealed record Entry
    {
        public string? Server { get; init; }

        public string? ModelLabel { get; init; }

        public IReadOnlyList<string>? Prompt { get; init; }

        public IReadOnlyList<string>? Cached { get; init; }

        public IReadOnlyList<string>? Generated { get; init; }

        public IReadOnlyList<string>? Requests { get; init; }

        public IReadOnlyList<string>? Running { get; init; }

        public IReadOnlyList<string>? Waiting { get; init; }

        public IReadOnlyList<string>? CacheUse { get; init; }

        public IReadOnlyList<string>? FirstToken { get; init; }

        public IReadOnlyList<string>? BetweenTokens { get; init; }

        public IReadOnlyList<string>? EndToEnd { get; init; }
    }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow
)]
[JsonSerializable(typeof(List<ServingMap.Entry>))]
internal sealed partial class ServingMapJson : JsonSerializerContext;
