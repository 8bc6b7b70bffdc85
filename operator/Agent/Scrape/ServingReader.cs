using System.Globalization;
using System.Text;
using Bursar.Core.Scaling;
using Bursar.Core.Text;

namespace Bursar.Agent.Scrape;

/// <summary>
/// Reads tokens, load and latencies from the metrics page of a model server, for example
/// <c>vllm:generation_tokens_total{model_name="llama",engine="0"} 5120</c>. The page belongs to the first server of the list whose token
/// metrics are on it, else to the first with any metric on it. Safe for concurrent use.
/// </summary>
/// <param name="servers">The servers, in the order in which they are tried.</param>
public sealed class ServingReader(IReadOnlyList<ServingMetrics> servers)
{
    /// <summary>The ranks of one engine count the same requests, so they must not be added up.</summary>
    private static readonly string[] RankLabels = ["tp_rank", "pp_rank", "moe_ep_rank"];

    /// <summary>Labels that distinguish the engines of a server, each of which can restart on its own.</summary>
    private static readonly string[] EngineLabels = ["engine", "dp_rank", "ReplicaId", "WorkerId", "worker_id"];

    /// <summary>Limits untrusted model names, because each becomes journal entries.</summary>
    private const int MaxModels = 64;

    private const int MaxModelLength = 253;

    /// <summary>The most combinations of engine and model in one figure.</summary>
    private const int MaxEngines = 256;

    /// <summary>
    /// Indexed by length, first and last byte, because a page may have a megabyte and most of its lines are not needed.
    /// </summary>
    private readonly Dictionary<int, byte[][]> _names = servers
        .SelectMany(server => server.All)
        .Select(metric => metric.Name)
        .Distinct(StringComparer.Ordinal)
        .Select(Encoding.UTF8.GetBytes)
        .GroupBy(name => Hash(name))
        .ToDictionary(group => group.Key, group => group.ToArray());

    private readonly HashSet<string> _counters = new(
        servers
            .SelectMany(server => server.Prompt.Concat(server.Cached).Concat(server.Generated).Concat(server.Requests))
            .SelectMany(way => way)
            .Select(metric => metric.Name),
        MetricNameComparer.Instance
    );

    public ScrapeResult Read(ReadOnlySpan<byte> page)
    {
        var found = new Dictionary<string, List<PrometheusSample>>(MetricNameComparer.Instance);
        // A metric with an unreadable line is incomplete, and a sum or a maximum over it would be too low.
        var incomplete = new HashSet<string>(MetricNameComparer.Instance);
        PrometheusReadResult result;
        try
        {
            result = PrometheusText.ReadPage(
                page,
                (in PrometheusLine line) =>
                {
                    if (!IsKnown(line.Name))
                        return;
                    var sample = line.ToSample();
                    if (!found.TryGetValue(sample.Name, out var series))
                        found.Add(sample.Name, series = []);
                    series.Add(sample);
                },
                name =>
                {
                    if (!name.IsEmpty && IsKnown(name))
                        incomplete.Add(Encoding.UTF8.GetString(name));
                }
            );
        }
        catch (PrometheusFormatException exception)
        {
            return new(ScrapeOutcome.Malformed, exception.Message);
        }
        return Read(found, incomplete, result) with { SkippedLines = result.Refused };
    }

    private ScrapeResult Read(Dictionary<string, List<PrometheusSample>> found, HashSet<string> incomplete, PrometheusReadResult result)
    {
        // The operator would treat a token counter without some engines as a decrease.
        if (incomplete.FirstOrDefault(_counters.Contains) is { } counter)
            return new(
                ScrapeOutcome.Malformed,
                $"a line of {counter} cannot be read, the first such at line {result.Errors[0].Line}: {result.Errors[0].Reason}"
            );
        foreach (var name in incomplete)
            found.Remove(name);
        if (found.Count == 0)
            return new(ScrapeOutcome.Nothing, "no metric of a known model server on the page");

        var read = servers.Select(server => new Reading(server, found)).Where(reading => !reading.IsEmpty).ToArray();
        return (read.FirstOrDefault(reading => reading.HasTokens) ?? read.FirstOrDefault())?.Result()
            ?? new(ScrapeOutcome.Nothing, "no metric of a known model server on the page");
    }

    private bool IsKnown(ReadOnlySpan<byte> name)
    {
        if (!_names.TryGetValue(Hash(name), out var names))
            return false;
        foreach (var known in names)
            if (MetricNameComparer.Same(name, known))
                return true;
        return false;
    }

    private static int Hash(ReadOnlySpan<byte> name) => name.Length << 16 | name[0] << 8 | name[^1];

    /// <summary>One server's figures on the page.</summary>
    private sealed class Reading(ServingMetrics server, Dictionary<string, List<PrometheusSample>> found)
    {
        private readonly PrometheusSample[]? _prompt = First(server.Prompt, found);
        private readonly PrometheusSample[]? _cached = First(server.Cached, found);
        private readonly PrometheusSample[]? _generated = First(server.Generated, found);
        private readonly PrometheusSample[]? _requests = First(server.Requests, found);
        private readonly PrometheusSample[]? _running = First(server.Running, found);
        private readonly PrometheusSample[]? _waiting = First(server.Waiting, found);
        private readonly PrometheusSample[]? _cacheUse = First(server.CacheUse, found);

        public bool HasTokens => _prompt is not null || _generated is not null;

        public bool IsEmpty =>
            !HasTokens && _requests is null && _running is null && _waiting is null && _cacheUse is null && !HasHistograms;

        private bool HasHistograms =>
            server.FirstToken.Concat(server.BetweenTokens).Concat(server.EndToEnd).Any(way => found.ContainsKey(way.Buckets));

        public ScrapeResult Result()
        {
            string? wrong = null;
            EngineCount[] engines =
            [
                .. Counts(ServingFigure.Prompt, _prompt, ref wrong),
                .. Counts(ServingFigure.Cached, _cached, ref wrong),
                .. Counts(ServingFigure.Generated, _generated, ref wrong),
                .. Counts(ServingFigure.Requests, _requests, ref wrong),
            ];
            var sums = engines
                .GroupBy(engine => (engine.Figure, engine.Model))
                .ToDictionary(group => group.Key, group => group.Sum(engine => engine.Count));
            // If the page has tokens, a model with requests only is another step of a Triton ensemble.
            string[] models =
            [
                .. engines
                    .Where(engine =>
                        HasTokens
                            ? engine.Figure is ServingFigure.Prompt or ServingFigure.Generated
                            : engine.Figure == ServingFigure.Requests
                    )
                    .Select(engine => engine.Model)
                    .Distinct(StringComparer.Ordinal)
                    .Order(StringComparer.Ordinal),
            ];
            if (models.Length > MaxModels || models.Any(model => model.Length > MaxModelLength))
                wrong ??= $"more than {MaxModels} models, or a model's name of more than {MaxModelLength} characters";
            if (engines.GroupBy(engine => engine.Figure).Any(figure => figure.Count() > MaxEngines))
                wrong ??= $"more than {MaxEngines} engines";
            // Refuse the whole page on an invalid counter, because a partial sum would look like a decrease.
            if (wrong is not null)
                return new(ScrapeOutcome.Malformed, wrong);
            var loads = Loads();
            if (loads.Length > MaxModels)
                return new(ScrapeOutcome.Malformed, $"more than {MaxModels} models");
            long? running = Sum(loads, load => load.Running),
                waiting = Sum(loads, load => load.Waiting);
            var use = loads.Max(load => load.CacheUse);
            return new(ScrapeOutcome.Ok)
            {
                Server = server.Server,
                Engines = engines,
                Tokens =
                [
                    .. models.Select(model => new ModelTokens(
                        model,
                        SumOf(ServingFigure.Prompt, model) ?? 0,
                        // Preempted requests are looked up in the cache again, so hits may exceed the prompt tokens.
                        SumOf(ServingFigure.Cached, model) is { } hits
                            ? Math.Min(hits, SumOf(ServingFigure.Prompt, model) ?? 0)
                            : null,
                        SumOf(ServingFigure.Generated, model) ?? 0,
                        SumOf(ServingFigure.Requests, model)
                    )),
                ],
                Gauges =
                    running is null && waiting is null && use is null
                        ? null
                        : new(running, waiting, use) { UnusedCacheBytes = UnusedCache(use) },
                Loads = loads,
                Histograms =
                [
                    .. Histograms(ServingLatency.FirstToken, server.FirstToken),
                    .. Histograms(ServingLatency.BetweenTokens, server.BetweenTokens),
                    .. Histograms(ServingLatency.EndToEnd, server.EndToEnd),
                ],
            };

            long? SumOf(ServingFigure figure, string model) => sums.TryGetValue((figure, model), out var sum) ? sum : null;
        }

        /// <summary>Returns the lowest value of all engines. Null unless each engine exposes the size of its cache.</summary>
        private long? UnusedCache(double? use)
        {
            if (server.CacheBytes is not { } cache || !found.TryGetValue(cache.Metric, out var engines) || use is not (>= 0 and <= 1))
                return null;
            long[] sizes =
            [
                .. engines.Select(engine =>
                    long.TryParse(engine.Label(cache.Label), NumberStyles.None, CultureInfo.InvariantCulture, out var bytes) ? bytes : 0
                ),
            ];
            return sizes.Min() is > 0 and var least ? (long)(least * (1 - use.Value)) : null;
        }

        /// <summary>Returns the samples of the first alternative on the page; null if there is none.</summary>
        private static PrometheusSample[]? First(IReadOnlyList<MetricName[]> ways, Dictionary<string, List<PrometheusSample>> found)
        {
            foreach (var way in ways)
            {
                PrometheusSample[] samples =
                [
                    .. way.SelectMany(metric =>
                        found.TryGetValue(metric.Name, out var series)
                            ? series.Where(sample => metric.Label.Length == 0 || (sample.Label(metric.Label) ?? "") == metric.Value)
                            : []
                    ),
                ];
                if (samples.Length > 0)
                    return samples;
            }
            return null;
        }

        /// <summary>Returns the counts by model and engine.</summary>
        private IEnumerable<EngineCount> Counts(ServingFigure figure, PrometheusSample[]? samples, ref string? wrong)
        {
            foreach (var sample in samples ?? [])
                if (ExpositionReader.Count(sample.Value) is null)
                    wrong = $"{sample.Name} is not a count";
            if (wrong is not null)
                return [];
            return Series(samples ?? [])
                .GroupBy(series => (Model: Model(series.Sample), Engine: series.Sample.Name + Labels(series.Sample, EngineLabels.Contains)))
                .Select(group => new EngineCount(figure, group.Key.Model, group.Key.Engine, group.Sum(series => (long)series.Value)));
        }

        /// <summary>Invalid values (NaN before the first request) become null and do not invalidate the page.</summary>
        private ModelLoad[] Loads()
        {
            var running = ByModel(_running, value => ExpositionReader.Count(value) is not null, values => values.Sum());
            var waiting = ByModel(_waiting, value => ExpositionReader.Count(value) is not null, values => values.Sum());
            var use = ByModel(_cacheUse, double.IsFinite, values => values.Max());
            var latency = server.Latency.FirstOrDefault(way => found.ContainsKey(way.Sum) && found.ContainsKey(way.Count));
            var seconds = ByModel(found.GetValueOrDefault(latency.Sum ?? ""), double.IsFinite, values => values.Sum() / latency.PerSecond);
            var requests = ByModel(
                found.GetValueOrDefault(latency.Count ?? ""),
                value => ExpositionReader.Count(value) is not null,
                values => values.Sum()
            );
            return
            [
                .. running
                    .Keys.Union(waiting.Keys)
                    .Union(use.Keys)
                    .Union(seconds.Keys.Intersect(requests.Keys))
                    .Order(StringComparer.Ordinal)
                    .Select(model => new ModelLoad(
                        model,
                        (long?)ValueOf(running, model),
                        (long?)ValueOf(waiting, model),
                        ValueOf(use, model),
                        ValueOf(seconds, model),
                        (long?)ValueOf(requests, model)
                    )),
            ];

            static double? ValueOf(Dictionary<string, double> figures, string model) =>
                figures.TryGetValue(model, out var figure) ? figure : null;
        }

        /// <summary>
        /// Reads the first alternative on the page, by model and engine. An invalid histogram is left out and does not invalidate the page.
        /// </summary>
        private IEnumerable<EngineHistogram> Histograms(ServingLatency figure, IReadOnlyList<HistogramMetric> ways)
        {
            var way = ways.FirstOrDefault(way => found.ContainsKey(way.Buckets));
            if (way.Name is null)
                return [];
            EngineHistogram[] engines =
            [
                .. found[way.Buckets]
                    .GroupBy(sample => (Model: Model(sample), Engine: Labels(sample, EngineLabels.Contains)))
                    .Select(group =>
                        (
                            group.Key,
                            Histogram: group
                                .GroupBy(
                                    sample => Labels(sample, label => label != "le" && !RankLabels.Contains(label)),
                                    StringComparer.Ordinal
                                )
                                .Select(series => Histogram(series, way.PerSecond))
                                .Aggregate((one, other) => one is null || other is null ? null : one.Plus(other))
                        )
                    )
                    .Where(group => group.Histogram is not null)
                    .Select(group => new EngineHistogram(figure, group.Key.Model, group.Key.Engine, group.Histogram!)),
            ];
            return engines.Length <= MaxEngines ? engines : [];
        }

        /// <summary>Merges the ranks of one engine: the highest count of each bound. Null if a sample is invalid.</summary>
        private static LatencyHistogram? Histogram(IEnumerable<PrometheusSample> series, int perSecond)
        {
            var counts = new SortedDictionary<double, long>();
            foreach (var sample in series)
            {
                if (
                    !double.TryParse(
                        sample.Label("le")?.Replace("+Inf", "Infinity", StringComparison.Ordinal),
                        NumberStyles.Float,
                        CultureInfo.InvariantCulture,
                        out double bound
                    )
                    || double.IsNaN(bound)
                    || ExpositionReader.Count(sample.Value) is not { } count
                )
                    return null;
                counts[bound] = Math.Max(count, counts.GetValueOrDefault(bound));
            }
            if (!counts.ContainsKey(double.PositiveInfinity))
                return null;
            long highest = 0;
            // A request may end while the server writes the page, so make the counts monotonic.
            return LatencyHistogram.TryCreate(
                [.. counts.Keys.SkipLast(1).Select(bound => bound / perSecond)],
                [.. counts.Values.Select(count => highest = Math.Max(highest, count))],
                out _
            );
        }

        private Dictionary<string, double> ByModel(
            IEnumerable<PrometheusSample>? samples,
            Func<double, bool> isFigure,
            Func<IEnumerable<double>, double> together
        ) =>
            Series((samples ?? []).Where(sample => isFigure(sample.Value)))
                .GroupBy(series => Model(series.Sample), StringComparer.Ordinal)
                .ToDictionary(group => group.Key, group => together(group.Select(series => series.Value)), StringComparer.Ordinal);

        /// <summary>Merges the ranks of one engine, and duplicate series, into one with the highest value.</summary>
        private static IEnumerable<(PrometheusSample Sample, double Value)> Series(IEnumerable<PrometheusSample> samples) =>
            samples
                .GroupBy(sample => sample.Name + Labels(sample, label => !RankLabels.Contains(label)), StringComparer.Ordinal)
                .Select(group => (group.First(), group.Max(sample => sample.Value)));

        private string Model(PrometheusSample sample) => sample.Label(server.ModelLabel) ?? "";

        private static long? Sum(ModelLoad[] loads, Func<ModelLoad, long?> figure) =>
            loads.Any(load => figure(load) is not null) ? loads.Sum(figure) : null;

        private static string Labels(PrometheusSample sample, Func<string, bool> wanted) =>
            string.Concat(
                sample
                    .Labels.Where(label => wanted(label.Key))
                    .OrderBy(label => label.Key, StringComparer.Ordinal)
                    .Select(label => $"\u0001{label.Key}\u0002{label.Value}")
            );
    }
}
