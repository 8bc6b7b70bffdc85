namespace Bursar.Agent.Scrape;

/// <summary>A metric of a page, or those of its series that carry a label: <c>sglang:realtime_tokens_total{mode="decode"}</c>.</summary>
public readonly record struct MetricName(string Name, string Label = "", string Value = "")
{
    public static implicit operator MetricName(string name) => new(name);
}

/// <summary>
/// What one kind of model server calls its figures. Each figure is a list of ways to read it, the best first; a way is a list
/// of metrics that are added up. The first way of which the page has anything is taken.
/// </summary>
/// <remarks>Cumulative counts only. A gauge of the tokens of the moment (TensorRT-LLM has those) cannot be billed and is not listed.</remarks>
public sealed record ServingMetrics(string Server)
{
    /// <summary>Tokens of prompts, cached ones included.</summary>
    public IReadOnlyList<MetricName[]> Prompt { get; init; } = [];

    /// <summary>Those of them that came from a cache.</summary>
    public IReadOnlyList<MetricName[]> Cached { get; init; } = [];

    /// <summary>Tokens generated.</summary>
    public IReadOnlyList<MetricName[]> Generated { get; init; } = [];

    public IReadOnlyList<MetricName[]> Running { get; init; } = [];

    public IReadOnlyList<MetricName[]> Waiting { get; init; } = [];

    /// <summary>A share from 0 to 1; the highest counts.</summary>
    public IReadOnlyList<MetricName[]> CacheUse { get; init; } = [];

    /// <summary>The label that names the model; a server without one serves a model without a name.</summary>
    public string ModelLabel { get; init; } = "model_name";

    internal IEnumerable<MetricName> All => ((IReadOnlyList<MetricName[]>[])[Prompt, Cached, Generated, Running, Waiting, CacheUse]).SelectMany(ways => ways).SelectMany(way => way);

    /// <summary>
    /// The servers that are known, the more telling page first: Dynamo's workers and Ray show their engine's metrics beside
    /// their own, and an unprefixed name (NIM) could be anybody's.
    /// </summary>
    public static IReadOnlyList<ServingMetrics> Known { get; } =
    [
        // vllm/v1/metrics/loggers.py; gpu_cache_usage_perc until 0.9.
        new("vllm")
        {
            Prompt = [["vllm:prompt_tokens_total"]],
            Cached =
            [
                ["vllm:prompt_tokens_cached_total"],
                [new("vllm:prompt_tokens_by_source_total", "source", "local_cache_hit"), new("vllm:prompt_tokens_by_source_total", "source", "external_kv_transfer")],
            ],
            Generated = [["vllm:generation_tokens_total"]],
            Running = [["vllm:num_requests_running"]],
            Waiting = [["vllm:num_requests_waiting"]],
            CacheUse = [["vllm:kv_cache_usage_perc"], ["vllm:gpu_cache_usage_perc"]],
        },
        // Ray Serve LLM: vLLM's names, a colon being none of Ray's characters.
        new("ray-serve")
        {
            Prompt = [["ray_vllm_prompt_tokens_total"]],
            Cached = [["ray_vllm_prompt_tokens_cached_total"]],
            Generated = [["ray_vllm_generation_tokens_total"]],
            Running = [["ray_vllm_num_requests_running"]],
            Waiting = [["ray_vllm_num_requests_waiting"]],
            CacheUse = [["ray_vllm_kv_cache_usage_perc"], ["ray_vllm_gpu_cache_usage_perc"]],
        },
        // python/sglang/srt/observability/metrics_collector.py. The plain counters move only when a request ends.
        new("sglang")
        {
            Prompt =
            [
                [new("sglang:realtime_tokens_total", "mode", "prefill_compute"), new("sglang:realtime_tokens_total", "mode", "prefill_cache")],
                ["sglang:prompt_tokens_total"],
            ],
            Cached = [[new("sglang:realtime_tokens_total", "mode", "prefill_cache")], ["sglang:cached_tokens_total"]],
            Generated = [[new("sglang:realtime_tokens_total", "mode", "decode")], ["sglang:generation_tokens_total"]],
            Running = [["sglang:num_running_reqs"]],
            Waiting = [["sglang:num_queue_reqs"]],
            CacheUse = [["sglang:token_usage"]],
        },
        // docs/source/reference/metrics.md: no counters of tokens, but histograms whose sums are.
        new("tgi")
        {
            Prompt = [["tgi_request_input_length_sum"]],
            Generated = [["tgi_request_generated_tokens_sum"]],
            Running = [["tgi_batch_current_size"]],
            Waiting = [["tgi_queue_size"]],
        },
        // tools/server/README.md; the cache's share is gone in newer builds.
        new("llama.cpp")
        {
            Prompt = [["llamacpp:prompt_tokens_total"]],
            Generated = [["llamacpp:tokens_predicted_total"]],
            Running = [["llamacpp:requests_processing"]],
            Waiting = [["llamacpp:requests_deferred"]],
            CacheUse = [["llamacpp:kv_cache_usage_ratio"]],
        },
        new("fastdeploy")
        {
            Prompt = [["fastdeploy:prompt_tokens_total"]],
            Generated = [["fastdeploy:generation_tokens_total"]],
            Running = [["fastdeploy:num_requests_running"]],
            Waiting = [["fastdeploy:num_requests_waiting"]],
            CacheUse = [["fastdeploy:gpu_cache_usage_perc"]],
        },
        // lmdeploy/metrics/loggers.py
        new("lmdeploy")
        {
            Prompt = [["lmdeploy:prompt_tokens_total"]],
            Generated = [["lmdeploy:generation_tokens_total"]],
            Running = [["lmdeploy:num_requests_running"]],
            Waiting = [["lmdeploy:num_requests_waiting"]],
            CacheUse = [["lmdeploy:gpu_cache_usage_perc"]],
        },
        new("dynamo")
        {
            Prompt = [["dynamo_frontend_input_sequence_tokens_sum"]],
            // The counter is live; the histogram learns of a request at its end.
            Generated = [["dynamo_frontend_output_tokens_total"], ["dynamo_frontend_output_sequence_tokens_sum"]],
            Running = [["dynamo_frontend_inflight_requests"]],
            Waiting = [["dynamo_frontend_queued_requests"]],
            ModelLabel = "model",
        },
        // docs/user_guide/metrics.md and the TensorRT-LLM backend's README: load, but no cumulative tokens.
        new("triton")
        {
            Running = [[new("nv_trt_llm_request_metrics", "request_type", "active")]],
            Waiting = [[new("nv_trt_llm_request_metrics", "request_type", "waiting")], ["nv_inference_pending_request_count"]],
            CacheUse = [[new("nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "fraction")]],
            ModelLabel = "model",
        },
        // NIM LLM, on /v1/metrics: without a prefix.
        new("nim")
        {
            Prompt = [["prompt_tokens_total"]],
            Generated = [["generation_tokens_total"]],
            Running = [["num_requests_running"]],
            Waiting = [["num_requests_waiting"]],
            CacheUse = [["gpu_cache_usage_perc"]],
        },
    ];
}
