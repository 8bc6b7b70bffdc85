using System.Text;
using Bursar.Core.Text;

namespace Bursar.Agent.Scrape;

/// <summary>
/// Pure: the metrics of a page, for example
/// <c>vllm:generation_tokens_total{model_name="llama",engine="0"} 5120</c>. A page that is malformed anywhere, or carries a
/// counter that is no count, is refused whole: half a page would read as a counter that fell.
/// </summary>
public static class ExpositionReader
{
    /// <summary>Beyond this a double no longer tells one from the next.</summary>
    private const double MaxCount = 9007199254740992;

    private static readonly long LatestSecond = new DateTimeOffset(9999, 1, 1, 0, 0, 0, TimeSpan.Zero).ToUnixTimeSeconds();

    public static ScrapeResult ReadVllm(ReadOnlySpan<byte> page)
    {
        var models = new Dictionary<string, (long Prompt, long? Cached, long Generated)>(StringComparer.Ordinal);
        long? running = null, waiting = null;
        double? cacheUse = null;
        string? wrong = null;
        try
        {
            PrometheusText.ReadStrict(page, (in PrometheusLine line) =>
            {
                bool prompt = line.NameIs("vllm:prompt_tokens_total"u8);
                bool cached = line.NameIs("vllm:prompt_tokens_cached_total"u8);
                bool generated = line.NameIs("vllm:generation_tokens_total"u8);
                if (prompt || cached || generated)
                {
                    if (Count(line, ref wrong) is not { } value)
                        return;
                    line.TryGetLabel("model_name"u8, out string model);
                    var sums = models.GetValueOrDefault(model);
                    models[model] = (sums.Prompt + (prompt ? value : 0), cached ? (sums.Cached ?? 0) + value : sums.Cached, sums.Generated + (generated ? value : 0));
                }
                else if (line.NameIs("vllm:num_requests_running"u8))
                {
                    if (Count(line, ref wrong) is { } value)
                        running = (running ?? 0) + value;
                }
                else if (line.NameIs("vllm:num_requests_waiting"u8))
                {
                    if (Count(line, ref wrong) is { } value)
                        waiting = (waiting ?? 0) + value;
                }
                // Named gpu_cache_usage_perc until vLLM 0.9; both are shares from 0 to 1.
                else if ((line.NameIs("vllm:kv_cache_usage_perc"u8) || line.NameIs("vllm:gpu_cache_usage_perc"u8)) && double.IsFinite(line.Value))
                {
                    cacheUse = Math.Max(cacheUse ?? 0, line.Value);
                }
            });
        }
        catch (PrometheusFormatException exception)
        {
            return new ScrapeResult(ScrapeOutcome.Malformed, exception.Message);
        }
        if (wrong is not null)
            return new ScrapeResult(ScrapeOutcome.Malformed, wrong);
        if (models.Count == 0 && running is null && waiting is null && cacheUse is null)
            return new ScrapeResult(ScrapeOutcome.Nothing, "no vllm: metric on the page");
        return new ScrapeResult(ScrapeOutcome.Ok)
        {
            Tokens = [.. models.Select(m => new ModelTokens(m.Key, m.Value.Prompt, m.Value.Cached, m.Value.Generated))],
            Gauges = new ServingGauges(running, waiting, cacheUse),
        };
    }

    public static ScrapeResult ReadProgress(ReadOnlySpan<byte> page, ScrapeOptions options)
    {
        byte[] stepName = Encoding.UTF8.GetBytes(options.StepMetric);
        byte[] totalName = Encoding.UTF8.GetBytes(options.TotalMetric);
        byte[] checkpointName = Encoding.UTF8.GetBytes(options.CheckpointMetric);
        long? step = null, total = null;
        DateTimeOffset? checkpoint = null;
        string? wrong = null;
        try
        {
            PrometheusText.ReadStrict(page, (in PrometheusLine line) =>
            {
                if (line.NameIs(stepName))
                {
                    if (Count(line, ref wrong) is { } value)
                        step = Math.Min(step ?? long.MaxValue, value);
                }
                else if (line.NameIs(totalName))
                {
                    if (Count(line, ref wrong) is { } value)
                        total = Math.Max(total ?? 0, value);
                }
                else if (line.NameIs(checkpointName) && Count(line, ref wrong) is { } second && second > 0 && second < LatestSecond)
                {
                    // Of several ranks the oldest: a checkpoint is whole when the last one has written.
                    var at = DateTimeOffset.FromUnixTimeSeconds(second);
                    checkpoint = checkpoint is null || at < checkpoint ? at : checkpoint;
                }
            });
        }
        catch (PrometheusFormatException exception)
        {
            return new ScrapeResult(ScrapeOutcome.Malformed, exception.Message);
        }
        if (wrong is not null)
            return new ScrapeResult(ScrapeOutcome.Malformed, wrong);
        return step is { } done
            ? new ScrapeResult(ScrapeOutcome.Ok) { Progress = new TrainingProgress(done, total > 0 ? total : null, checkpoint) }
            : new ScrapeResult(ScrapeOutcome.Nothing, $"no {options.StepMetric} on the page");
    }

    private static long? Count(in PrometheusLine line, ref string? wrong)
    {
        if (line.Value is >= 0 and <= MaxCount)
            return (long)line.Value;
        wrong = $"line {line.LineNumber}: {Encoding.UTF8.GetString(line.Name)} is no count";
        return null;
    }
}
