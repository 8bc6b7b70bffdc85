namespace Bursar.Agent.Scrape;

/// <summary>
/// A metric of a page, or those of its series that carry a label: <c>sglang:realtime_tokens_total{mode="decode"}</c>. An empty
/// value is that of series without the label, as in Prometheus.
/// </summary>
public readonly record struct MetricName(string Name, string Label = "", string Value = "")
{
    public static implicit operator MetricName(string name) => new(name);
}

/// <summary>A histogram's sum and count, or two counters.</summary>
/// <param name="Sum">The requests' time together.</param>
/// <param name="Count">The requests.</param>
/// <param name="PerSecond">How many of the sum's unit a second has.</param>
public readonly record struct LatencyMetric(string Sum, string Count, int PerSecond = 1)
{
    public static implicit operator LatencyMetric(string histogram) => new(histogram + "_sum", histogram + "_count");
}

/// <summary>A histogram's name, without its suffixes.</summary>
/// <param name="Name">Its buckets are <c>Name_bucket</c>.</param>
/// <param name="PerSecond">How many of its bounds' unit a second has.</param>
public readonly record struct HistogramMetric(string Name, int PerSecond = 1)
{
    public string Buckets => Name + "_bucket";

    public static implicit operator HistogramMetric(string name) => new(name);
}

/// <summary>
/// What one kind of model server calls its figures. Each figure is a list of ways to read it, the best first; a way is a list
/// of metrics that are added up. The first way of which the page has anything is taken.
/// </summary>
/// <remarks>Cumulative counts only. A gauge of the tokens of the moment (TensorRT-LLM has those) cannot be billed and is not
/// listed.</remarks>
public sealed record ServingMetrics(string Server)
{
    /// <summary>Tokens of prompts, cached ones included.</summary>
    public IReadOnlyList<MetricName[]> Prompt { get; init; } = [];

    /// <summary>Those of them that came from a cache.</summary>
    public IReadOnlyList<MetricName[]> Cached { get; init; } = [];

    /// <summary>Tokens generated.</summary>
    public IReadOnlyList<MetricName[]> Generated { get; init; } = [];

    /// <summary>Requests that ended.</summary>
    public IReadOnlyList<MetricName[]> Requests { get; init; } = [];

    public IReadOnlyList<MetricName[]> Running { get; init; } = [];

    public IReadOnlyList<MetricName[]> Waiting { get; init; } = [];

    /// <summary>A share from 0 to 1; the highest counts.</summary>
    public IReadOnlyList<MetricName[]> CacheUse { get; init; } = [];

    /// <summary>
    /// An information metric and its label that tells how many bytes of each GPU the cache takes; null where the server has none.
    /// </summary>
    public (string Metric, string Label)? CacheBytes { get; init; }

    /// <summary>From a request's arrival to its end.</summary>
    public IReadOnlyList<LatencyMetric> Latency { get; init; } = [];

    /// <summary>From a request's arrival to its first token, as a histogram.</summary>
    public IReadOnlyList<HistogramMetric> FirstToken { get; init; } = [];

    /// <summary>From one token to the next: of each token, where the server tells it, else the mean of each request.</summary>
    public IReadOnlyList<HistogramMetric> BetweenTokens { get; init; } = [];

    /// <summary>From a request's arrival to its end, as a histogram.</summary>
    public IReadOnlyList<HistogramMetric> EndToEnd { get; init; } = [];

    /// <summary>The label that names the model; a server without one serves a model without a name.</summary>
    public string ModelLabel { get; init; } = "model_name";

    internal IEnumerable<MetricName> All =>
        ((IReadOnlyList<MetricName[]>[])[Prompt, Cached, Generated, Requests, Running, Waiting, CacheUse])
            .SelectMany(ways => ways)
            .SelectMany(way => way)
            .Concat(CacheBytes is { } cache ? [new MetricName(cache.Metric)] : Array.Empty<MetricName>())
            .Concat(Latency.SelectMany(latency => (MetricName[])[latency.Sum, latency.Count]))
            .Concat(
                ((IReadOnlyList<HistogramMetric>[])[FirstToken, BetweenTokens, EndToEnd])
                    .SelectMany(ways => ways)
                    .Select(way => new MetricName(way.Buckets))
            );

    /// <summary>
    /// The servers that are known, the more telling page first: Dynamo's workers and Ray show their engine's metrics beside
    /// their own, and an unprefixed name (NIM) could be anybody's.
    /// </summary>
    public static IReadOnlyList<ServingMetrics> Known { get; } =
    [
        // vllm/v1/metrics/loggers.py; gpu_cache_usage_perc until 0.9.
        new("vllm")
        {
            Prompt = Counter("vllm:prompt_tokens"),
            Cached =
            [
                ["vllm:prompt_tokens_cached_total"],
                [
                    new("vllm:prompt_tokens_by_source_total", "source", "local_cache_hit"),
                    new("vllm:prompt_tokens_by_source_total", "source", "external_kv_transfer"),
                ],
                ["vllm:prefix_cache_hits_total"],
                ["vllm:gpu_prefix_cache_hits_total"],
            ],
            Generated = Counter("vllm:generation_tokens"),
            Requests = [.. Counter("vllm:request_success"), ["vllm:e2e_request_latency_seconds_count"]],
            Running =
            [
                ["vllm:num_requests_running"],
            ],
            Waiting =
            [
                ["vllm:num_requests_waiting"],
            ],
            CacheUse =
            [
                ["vllm:kv_cache_usage_perc"],
                ["vllm:gpu_cache_usage_perc"],
            ],
            // vllm/config/cache.py: None unless the server was started with --kv-cache-memory-bytes. Blocks and tokens have no size in
            // bytes there.
            CacheBytes = ("vllm:cache_config_info", "kv_cache_memory_bytes"),
            Latency = ["vllm:e2e_request_latency_seconds"],
            FirstToken = ["vllm:time_to_first_token_seconds"],
            BetweenTokens = ["vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds"],
            EndToEnd = ["vllm:e2e_request_latency_seconds"],
        },
        // Ray Serve LLM: vLLM's names, a colon being none of Ray's characters.
        new("ray-serve")
        {
            Prompt = Counter("ray_vllm_prompt_tokens"),
            Cached = [.. Counter("ray_vllm_prompt_tokens_cached"), .. Counter("ray_vllm_prefix_cache_hits")],
            Generated = Counter("ray_vllm_generation_tokens"),
            Requests = [.. Counter("ray_vllm_request_success"), ["ray_vllm_e2e_request_latency_seconds_count"]],
            Running =
            [
                ["ray_vllm_num_requests_running"],
            ],
            Waiting =
            [
                ["ray_vllm_num_requests_waiting"],
            ],
            CacheUse =
            [
                ["ray_vllm_kv_cache_usage_perc"],
                ["ray_vllm_gpu_cache_usage_perc"],
            ],
            Latency = ["ray_vllm_e2e_request_latency_seconds"],
            FirstToken = ["ray_vllm_time_to_first_token_seconds"],
            BetweenTokens = ["ray_vllm_inter_token_latency_seconds", "ray_vllm_time_per_output_token_seconds"],
            EndToEnd = ["ray_vllm_e2e_request_latency_seconds"],
        },
        // python/sglang/srt/observability/metrics_collector.py. The plain counters move only when a request ends.
        new("sglang")
        {
            Prompt =
            [
                [
                    new("sglang:realtime_tokens_total", "mode", "prefill_compute"),
                    new("sglang:realtime_tokens_total", "mode", "prefill_cache"),
                ],
                ["sglang:prompt_tokens_total"],
            ],
            Cached =
            [
                [new("sglang:realtime_tokens_total", "mode", "prefill_cache")],
                ["sglang:cached_tokens_total"],
            ],
            Generated =
            [
                [new("sglang:realtime_tokens_total", "mode", "decode")],
                ["sglang:generation_tokens_total"],
            ],
            Requests = [.. Counter("sglang:num_requests"), ["sglang:e2e_request_latency_seconds_count"]],
            // With priorities each has a series of its own beside the one of them all.
            Running =
            [
                [new("sglang:num_running_reqs", "priority")],
            ],
            Waiting =
            [
                [new("sglang:num_queue_reqs", "priority")],
            ],
            CacheUse =
            [
                ["sglang:token_usage"],
            ],
            Latency = ["sglang:e2e_request_latency_seconds"],
            FirstToken = ["sglang:time_to_first_token_seconds"],
            BetweenTokens = ["sglang:inter_token_latency_seconds", "sglang:time_per_output_token_seconds"],
            EndToEnd = ["sglang:e2e_request_latency_seconds"],
        },
        // docs/source/reference/metrics.md: no counters of tokens, but histograms whose sums are.
        new("tgi")
        {
            Prompt =
            [
                ["tgi_request_input_length_sum"],
            ],
            Generated =
            [
                ["tgi_request_generated_tokens_sum"],
            ],
            Requests = [.. Counter("tgi_request_success"), ["tgi_request_duration_count"]],
            Running =
            [
                ["tgi_batch_current_size"],
            ],
            Waiting =
            [
                ["tgi_queue_size"],
            ],
            Latency = ["tgi_request_duration"],
            BetweenTokens = ["tgi_request_mean_time_per_token_duration"],
            EndToEnd = ["tgi_request_duration"],
        },
        // tools/server/README.md; the cache's share is gone in newer builds. Its prompts are without what the cache had.
        new("llama.cpp")
        {
            Prompt =
            [
                ["llamacpp:prompt_tokens_total", "llamacpp:prompt_tokens_cached_total"],
            ],
            Cached =
            [
                ["llamacpp:prompt_tokens_cached_total"],
            ],
            Generated =
            [
                ["llamacpp:tokens_predicted_total"],
            ],
            Running =
            [
                ["llamacpp:requests_processing"],
            ],
            Waiting =
            [
                ["llamacpp:requests_deferred"],
            ],
            CacheUse =
            [
                ["llamacpp:kv_cache_usage_ratio"],
            ],
        },
        new("fastdeploy")
        {
            Prompt = Counter("fastdeploy:prompt_tokens"),
            Cached = Counter("fastdeploy:prefix_cache_token_num"),
            Generated = Counter("fastdeploy:generation_tokens"),
            Requests = [.. Counter("fastdeploy:request_success"), ["fastdeploy:e2e_request_latency_seconds_count"]],
            Running =
            [
                ["fastdeploy:num_requests_running"],
            ],
            Waiting =
            [
                ["fastdeploy:num_requests_waiting"],
            ],
            CacheUse =
            [
                ["fastdeploy:gpu_cache_usage_perc"],
            ],
            Latency = ["fastdeploy:e2e_request_latency_seconds"],
            FirstToken = ["fastdeploy:time_to_first_token_seconds"],
            BetweenTokens = ["fastdeploy:time_per_output_token_seconds"],
            EndToEnd = ["fastdeploy:e2e_request_latency_seconds"],
        },
        // lmdeploy/metrics/loggers.py
        new("lmdeploy")
        {
            Prompt = Counter("lmdeploy:prompt_tokens"),
            Cached = Counter("lmdeploy:cached_tokens"),
            Generated = Counter("lmdeploy:generation_tokens"),
            Requests = [.. Counter("lmdeploy:request_success"), ["lmdeploy:e2e_request_latency_seconds_count"]],
            Running =
            [
                ["lmdeploy:num_requests_running"],
            ],
            Waiting =
            [
                ["lmdeploy:num_requests_waiting"],
            ],
            CacheUse =
            [
                ["lmdeploy:gpu_cache_usage_perc"],
            ],
            Latency = ["lmdeploy:e2e_request_latency_seconds"],
            FirstToken = ["lmdeploy:time_to_first_token_seconds"],
            BetweenTokens = ["lmdeploy:iter_token_latency", "lmdeploy:time_per_output_token_seconds"],
            EndToEnd = ["lmdeploy:e2e_request_latency_seconds"],
        },
        new("dynamo")
        {
            Prompt =
            [
                ["dynamo_frontend_input_sequence_tokens_sum"],
            ],
            Cached =
            [
                ["dynamo_frontend_cached_tokens_sum"],
            ],
            // The counter is live; the histogram learns of a request at its end.
            Generated =
            [
                ["dynamo_frontend_output_tokens_total"],
                ["dynamo_frontend_output_sequence_tokens_sum"],
            ],
            Requests =
            [
                [new("dynamo_frontend_requests_total", "status", "success")],
                ["dynamo_frontend_request_duration_seconds_count"],
            ],
            Running =
            [
                ["dynamo_frontend_inflight_requests"],
            ],
            Waiting =
            [
                ["dynamo_frontend_queued_requests"],
            ],
            ModelLabel = "model",
            Latency = ["dynamo_frontend_request_duration_seconds"],
            FirstToken = ["dynamo_frontend_time_to_first_token_seconds"],
            BetweenTokens = ["dynamo_frontend_inter_token_latency_seconds"],
            EndToEnd = ["dynamo_frontend_request_duration_seconds"],
        },
        // The TensorRT-LLM backend's custom_metrics_reporter.cc: histograms of the requests' tokens since 2024, load before that.
        // Without them only Triton's own count of requests is cumulative, docs/user_guide/metrics.md.
        new("triton")
        {
            Prompt =
            [
                [new("nv_llm_input_token_len_sum", "response_metric_type", "total_input_tokens")],
            ],
            Generated =
            [
                [new("nv_llm_output_token_len_sum", "response_metric_type", "total_output_tokens")],
            ],
            // The model that makes the tokens; the ensemble around it and its other steps count the same requests.
            Requests =
            [
                [new("nv_llm_output_token_len_count", "response_metric_type", "total_output_tokens")],
                ["nv_inference_request_success"],
            ],
            Running =
            [
                [new("nv_trt_llm_request_metrics", "request_type", "active")],
            ],
            Waiting =
            [
                [new("nv_trt_llm_request_metrics", "request_type", "waiting")],
                ["nv_inference_pending_request_count"],
            ],
            CacheUse =
            [
                [new("nv_trt_llm_kv_cache_block_metrics", "kv_cache_block_type", "fraction")],
            ],
            ModelLabel = "model",
            Latency = [new("nv_inference_request_duration_us", "nv_inference_request_success", 1_000_000)],
            // With --metrics-config histogram_latencies=true, and of models that answer in parts.
            FirstToken = [new("nv_inference_first_response_histogram_ms", 1000)],
        },
        // tensorrt_llm/metrics/collector.py, at trtllm-serve's /prometheus/metrics; older builds (trtllm:) have requests only.
        new("trtllm")
        {
            Prompt = Counter("trtllm_prompt_tokens"),
            Cached = Counter("trtllm_prompt_cached_tokens"),
            Generated = Counter("trtllm_generation_tokens"),
            Requests = [.. Counter("trtllm_request_success"), ["trtllm_e2e_request_latency_seconds_count"]],
            Running =
            [
                ["trtllm_num_requests_running"],
            ],
            Waiting =
            [
                ["trtllm_num_requests_waiting"],
            ],
            CacheUse =
            [
                ["trtllm_kv_cache_utilization"],
            ],
            Latency = ["trtllm_e2e_request_latency_seconds"],
            FirstToken = ["trtllm_time_to_first_token_seconds"],
            BetweenTokens = ["trtllm_time_per_output_token_seconds"],
            EndToEnd = ["trtllm_e2e_request_latency_seconds"],
        },
        // NIM LLM, on /v1/metrics: without a prefix.
        new("nim")
        {
            Prompt =
            [
                ["prompt_tokens_total"],
            ],
            Generated =
            [
                ["generation_tokens_total"],
            ],
            Requests =
            [
                ["request_success_total"],
                ["request_finish_total"],
                ["e2e_request_latency_seconds_count"],
            ],
            Running =
            [
                ["num_requests_running"],
            ],
            Waiting =
            [
                ["num_requests_waiting"],
            ],
            CacheUse =
            [
                ["gpu_cache_usage_perc"],
            ],
            Latency = ["e2e_request_latency_seconds"],
            FirstToken = ["time_to_first_token_seconds"],
            BetweenTokens = ["time_per_output_token_seconds"],
            EndToEnd = ["e2e_request_latency_seconds"],
        },
    ];

    /// <summary>A counter as the Python client shows it, and as others do that leave its name as it is (Ray, OpenTelemetry).</summary>
    private static MetricName[][] Counter(string name) =>
        [
            [name + "_total"],
            [name],
        ];
}
