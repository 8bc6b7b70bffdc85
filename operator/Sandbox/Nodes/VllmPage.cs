using Bursar.Core.Text;

namespace Bursar.Sandbox.Nodes;

/// <summary>The metrics page of a simulated vLLM server (V1 engine) that has served for a while at an even pace.</summary>
internal static class VllmPage
{
    /// <summary>How many tokens a simulated request generates.</summary>
    private const double TokensPerRequest = 200;

    /// <summary>What vLLM lets run at once before requests wait.</summary>
    private const double FullBatch = 256;

    public static byte[] Write(InferenceWorkload workload, TimeSpan served)
    {
        var seconds = Math.Max(0, served.TotalSeconds);
        var serving = seconds > 0;
        var generated = Math.Floor(workload.TokensPerSecond * seconds);
        var prompt = Math.Floor((workload.PromptTokensPerSecond ?? workload.TokensPerSecond * 4) * seconds);
        ReadOnlySpan<(string, string)> labels = [("model_name", workload.Model), ("engine", "0")];

        var writer = new PrometheusWriter();
        writer.Family("vllm:num_requests_running", PrometheusType.Gauge, "Requests in the simulated batch.")
            .Sample(serving ? Math.Round(workload.Busy * FullBatch) : 0, labels);
        writer.Family("vllm:num_requests_waiting", PrometheusType.Gauge, "Requests that wait for the simulated batch.")
            .Sample(serving ? workload.Waiting : 0, labels);
        writer.Family("vllm:kv_cache_usage_perc", PrometheusType.Gauge, "Share of the simulated KV cache in use.")
            .Sample(serving ? workload.Busy : 0, labels);
        writer.Family("vllm:prompt_tokens_total", PrometheusType.Counter, "Simulated prompt tokens.")
            .Sample(prompt, labels);
        writer.Family("vllm:generation_tokens_total", PrometheusType.Counter, "Simulated generated tokens.")
            .Sample(generated, labels);
        writer.Family("vllm:request_success_total", PrometheusType.Counter, "Simulated requests that ended well.")
            .Sample(Math.Floor(generated / TokensPerRequest), ("model_name", workload.Model), ("engine", "0"), ("finished_reason", "stop"));
        return writer.ToUtf8();
    }
}
