using System.Globalization;
using Bursar.Core.Scaling;

namespace Bursar.Sandbox.Nodes;

/// <summary>Writes the metrics page of a simulated vLLM server (V1 engine).</summary>
internal static class VllmPage
{
    /// <summary>The tokens that each request generates at a constant rate.</summary>
    private const int TokensPerRequest = 200;

    /// <summary>The most requests that vLLM runs at the same time.</summary>
    private const int FullBatch = 256;

    private static readonly TimeSpan BetweenTokens = TimeSpan.FromMilliseconds(20);

    /// <summary>Writes the page of a server that has served at a constant rate for <paramref name="served"/>.</summary>
    public static byte[] Write(InferenceWorkload workload, TimeSpan served)
    {
        var seconds = Math.Max(0, served.TotalSeconds);
        var serving = seconds > 0;
        var generated = (long)Math.Floor(workload.TokensPerSecond * seconds);
        var requests = generated / TokensPerRequest;
        var (first, end) = (workload.FirstToken.TotalSeconds, (workload.FirstToken + BetweenTokens * (TokensPerRequest - 1)).TotalSeconds);
        return Write(
            workload.Model,
            new ServerLoad
            {
                Running = serving ? (int)Math.Round(workload.Busy * FullBatch) : 0,
                Waiting = serving ? workload.Waiting : 0,
                Use = serving ? workload.Busy : 0,
                PromptTokens = (long)Math.Floor((workload.PromptTokensPerSecond ?? workload.TokensPerSecond * 4) * seconds),
                GeneratedTokens = generated,
                Requests = requests,
                FirstToken = All(requests, first),
                BetweenTokens = All(requests * (TokensPerRequest - 1), BetweenTokens.TotalSeconds),
                EndToEnd = All(requests, end),
                Sums = (requests * first, requests * (TokensPerRequest - 1) * BetweenTokens.TotalSeconds, requests * end),
            },
            workload.CacheBytes
        );
    }

    /// <summary>Writes the page of a server with a simulated load; null for a server without requests so far.</summary>
    public static byte[] Write(string model, ServerLoad? load, long? cacheBytes = null)
    {
        var page = new MetricsPage([("model_name", model), ("engine", "0")])
            .Gauge("vllm:num_requests_running", "Requests in the simulated batch.", load?.Running ?? 0)
            .Gauge("vllm:num_requests_waiting", "Requests that wait for the simulated batch.", load?.Waiting ?? 0)
            .Gauge("vllm:kv_cache_usage_perc", "Share of the simulated KV cache in use.", load?.Use ?? 0)
            .Gauge(
                "vllm:cache_config_info",
                "Configuration of the simulated KV cache.",
                1,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"engine=\"0\",gpu_memory_utilization=\"0.9\",kv_cache_memory_bytes=\"{cacheBytes?.ToString(CultureInfo.InvariantCulture) ?? "None"}\""
                )
            )
            .Counter("vllm:prompt_tokens_total", "Simulated prompt tokens.", load?.PromptTokens ?? 0)
            .Counter("vllm:generation_tokens_total", "Simulated generated tokens.", load?.GeneratedTokens ?? 0)
            .Counter("vllm:request_success_total", "Simulated requests that ended well.", load?.Requests ?? 0, "finished_reason=\"stop\"");
        if (load is null)
            return page.ToUtf8();
        Histogram(page, "vllm:time_to_first_token_seconds", "Simulated time to the first token.", load.FirstToken, load.Sums.FirstToken);
        Histogram(
            page,
            "vllm:inter_token_latency_seconds",
            "Simulated time from one token to the next.",
            load.BetweenTokens,
            load.Sums.BetweenTokens
        );
        Histogram(
            page,
            "vllm:e2e_request_latency_seconds",
            "Simulated time from arrival to the last token.",
            load.EndToEnd,
            load.Sums.EndToEnd
        );
        return page.ToUtf8();
    }

    /// <summary>Returns a histogram of <paramref name="count"/> equal observations.</summary>
    private static LatencyHistogram All(long count, double seconds)
    {
        double[] bounds = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80];
        return LatencyHistogram.TryCreate(bounds, [.. bounds.Select(bound => seconds <= bound ? count : 0), count], out var reason)
            ?? throw new InvalidOperationException(reason);
    }

    private static void Histogram(MetricsPage page, string name, string help, LatencyHistogram histogram, double sum) =>
        page.Histogram(name, help, histogram.Bounds.Select((bound, i) => (bound, histogram.Counts[i])), sum, histogram.Count);
}
