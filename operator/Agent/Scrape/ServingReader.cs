using System.Text;
using Bursar.Core.Text;

namespace Bursar.Agent.Scrape;

/// <summary>
/// Reads what a model server has done and has to do from its page, whichever of the known servers it is:
/// <c>vllm:generation_tokens_total{model_name="llama",engine="0"} 5120</c>. A page is one server's; the first of the list
/// whose tokens are on it, else the first whose load is, is taken.
/// </summary>
/// <param name="servers">The servers, in the order in which they are tried.</param>
public sealed class ServingReader(IReadOnlyList<ServingMetrics> servers)
{
    /// <summary>Ranks of one engine all tell the same requests: adding them up would count each token once a rank.</summary>
    private static readonly string[] RankLabels = ["tp_rank", "pp_rank", "moe_ep_rank"];

    /// <summary>Looked up by length and first bytes: most lines of a page are none of ours, and a page may have a megabyte.</summary>
    private readonly Dictionary<int, byte[][]> _names = servers.SelectMany(server => server.All).Select(metric => metric.Name).Distinct(StringComparer.Ordinal)
        .Select(Encoding.UTF8.GetBytes).GroupBy(name => Hash(name)).ToDictionary(group => group.Key, group => group.ToArray());

    public ScrapeResult Read(ReadOnlySpan<byte> page)
    {
        var found = new Dictionary<string, List<PrometheusSample>>(StringComparer.Ordinal);
        try
        {
            PrometheusText.ReadStrict(page, (in PrometheusLine line) =>
            {
                if (!IsKnown(line.Name)) return;
                var sample = line.ToSample();
                if (!found.TryGetValue(sample.Name, out var series)) found.Add(sample.Name, series = []);
                series.Add(sample);
            });
        }
        catch (PrometheusFormatException exception)
        {
            return new(ScrapeOutcome.Malformed, exception.Message);
        }
        if (found.Count == 0) return new(ScrapeOutcome.Nothing, "no metric of a known model server on the page");

        var read = servers.Select(server => new Reading(server, found)).Where(reading => !reading.IsEmpty).ToArray();
        return (read.FirstOrDefault(reading => reading.HasTokens) ?? read.FirstOrDefault())?.Result()
            ?? new(ScrapeOutcome.Nothing, "no metric of a known model server on the page");
    }

    private bool IsKnown(ReadOnlySpan<byte> name)
    {
        if (!_names.TryGetValue(Hash(name), out var names)) return false;
        foreach (var known in names)
            if (name.SequenceEqual(known)) return true;
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

        public bool IsEmpty => !HasTokens && _requests is null && _running is null && _waiting is null && _cacheUse is null;

        public ScrapeResult Result()
        {
            string? wrong = null;
            var prompt = Counts(_prompt, ref wrong);
            var cached = Counts(_cached, ref wrong);
            var generated = Counts(_generated, ref wrong);
            var requests = Counts(_requests, ref wrong);
            long? running = Sum(_running, ref wrong), waiting = Sum(_waiting, ref wrong);
            // A counter that is no count refuses the page: half a page would read as a counter that fell.
            if (wrong is not null) return new(ScrapeOutcome.Malformed, wrong);
            var use = (_cacheUse ?? []).Where(sample => double.IsFinite(sample.Value)).Select(sample => (double?)sample.Value).Max();
            // Beside tokens, a model that only has requests is a step around the one that makes them (Triton's ensembles).
            var models = HasTokens ? prompt.Keys.Union(generated.Keys, StringComparer.Ordinal) : requests.Keys;
            return new(ScrapeOutcome.Ok)
            {
                Server = server.Server,
                Tokens = [.. models.Order(StringComparer.Ordinal).Select(model => new ModelTokens(model, prompt.GetValueOrDefault(model),
                    // Preempted requests look their prompt up in the cache again.
                    cached.TryGetValue(model, out var hits) ? Math.Min(hits, prompt.GetValueOrDefault(model)) : null,
                    generated.GetValueOrDefault(model), requests.TryGetValue(model, out var ended) ? ended : null))],
                Gauges = running is null && waiting is null && use is null ? null : new(running, waiting, use),
            };
        }

        /// <summary>The samples of the first way of which the page has any.</summary>
        private static PrometheusSample[]? First(IReadOnlyList<MetricName[]> ways, Dictionary<string, List<PrometheusSample>> found)
        {
            foreach (var way in ways)
            {
                PrometheusSample[] samples = [.. way.SelectMany(metric => found.TryGetValue(metric.Name, out var series)
                    ? series.Where(sample => metric.Label.Length == 0 || (sample.Label(metric.Label) ?? "") == metric.Value) : [])];
                if (samples.Length > 0) return samples;
            }
            return null;
        }

        /// <summary>By model: of the ranks of one engine the highest, and the engines' sum.</summary>
        private Dictionary<string, long> Counts(PrometheusSample[]? samples, ref string? wrong)
        {
            var engines = new Dictionary<string, (string Model, long Count)>(StringComparer.Ordinal);
            foreach (var sample in samples ?? [])
            {
                if (ExpositionReader.Count(sample.Value) is not { } count)
                {
                    wrong = $"{sample.Name} is no count";
                    continue;
                }
                var engine = sample.Name + string.Concat(sample.Labels.Where(label => !RankLabels.Contains(label.Key)).OrderBy(label => label.Key, StringComparer.Ordinal).Select(label => $"\u0001{label.Key}\u0002{label.Value}"));
                var model = sample.Label(server.ModelLabel) ?? "";
                engines[engine] = (model, Math.Max(count, engines.GetValueOrDefault(engine).Count));
            }
            return engines.Values.GroupBy(engine => engine.Model, StringComparer.Ordinal).ToDictionary(group => group.Key, group => group.Sum(engine => engine.Count), StringComparer.Ordinal);
        }

        private long? Sum(PrometheusSample[]? samples, ref string? wrong) => samples is null ? null : Counts(samples, ref wrong).Values.Sum();
    }
}
