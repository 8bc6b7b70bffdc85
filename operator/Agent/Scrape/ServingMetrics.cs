namespace Bursar.Agent.Scrape;

/// <summary>
/// A metric, or its series with one label: <c>sglang:realtime_tokens_total{mode="decode"}</c>. As in Prometheus, an empty value selects
/// series without the label.
/// </summary>
public readonly record struct MetricName(string Name, string Label = "", string Value = "")
{
    public static implicit operator MetricName(string name) => new(name);
}

/// <summary>A histogram's sum and count, or two counters.</summary>
/// <param name="Sum">The metric with the sum of the requests' times.</param>
/// <param name="Count">The metric with the number of requests.</param>
/// <param name="PerSecond">Units of the sum per second, such as 1000 for milliseconds.</param>
public readonly record struct LatencyMetric(string Sum, string Count, int PerSecond = 1)
{
    public static implicit operator LatencyMetric(string histogram) => new(histogram + "_sum", histogram + "_count");
}

/// <summary>A histogram.</summary>
/// <param name="Name">Its name without suffixes; its buckets are <c>Name_bucket</c>.</param>
/// <param name="PerSecond">Units of its bounds per second, such as 1000 for milliseconds.</param>
public readonly record struct HistogramMetric(string Name, int PerSecond = 1)
{
    public string Buckets => Name + "_bucket";

    public static implicit operator HistogramMetric(string name) => new(name);
}

/// <summary>
/// The metric names of one kind of model server. Each figure is a list of alternatives in order of preference; an alternative is a list
/// of metrics that are added up. The first alternative with a series on the page is used.
/// </summary>
/// <remarks>Token figures are cumulative. TensorRT-LLM's gauge of current tokens cannot be billed and is not listed.</remarks>
public sealed record ServingMetrics(string Server)
{
    /// <summary>Prompt tokens, including cached ones.</summary>
    public IReadOnlyList<MetricName[]> Prompt { get; init; } = [];

    /// <summary>Prompt tokens that came from a cache.</summary>
    public IReadOnlyList<MetricName[]> Cached { get; init; } = [];

    /// <summary>Generated tokens.</summary>
    public IReadOnlyList<MetricName[]> Generated { get; init; } = [];

    /// <summary>Ended requests.</summary>
    public IReadOnlyList<MetricName[]> Requests { get; init; } = [];

    public IReadOnlyList<MetricName[]> Running { get; init; } = [];

    public IReadOnlyList<MetricName[]> Waiting { get; init; } = [];

    /// <summary>Use of the KV cache, 0 to 1; the highest series counts.</summary>
    public IReadOnlyList<MetricName[]> CacheUse { get; init; } = [];

    /// <summary>
    /// An information metric and its label with the bytes that the cache reserves on each GPU. Null if the server has none.
    /// </summary>
    public (string Metric, string Label)? CacheBytes { get; init; }

    /// <summary>Time from a request's arrival to its end.</summary>
    public IReadOnlyList<LatencyMetric> Latency { get; init; } = [];

    /// <summary>Time from a request's arrival to its first token.</summary>
    public IReadOnlyList<HistogramMetric> FirstToken { get; init; } = [];

    /// <summary>Time from one token to the next, of each token if the server exposes it, else the mean of each request.</summary>
    public IReadOnlyList<HistogramMetric> BetweenTokens { get; init; } = [];

    /// <summary>Time from a request's arrival to its end, as a histogram.</summary>
    public IReadOnlyList<HistogramMetric> EndToEnd { get; init; } = [];

    /// <summary>The label that names the model. Series without it belong to a model with an empty name.</summary>
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
    /// The built-in servers, in the order in which they are tried. Dynamo's workers and Ray expose their engine's metrics too, so engines
    /// come first. NIM's unprefixed names are ambiguous, so they come last.
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
        // Ray Serve LLM: vLLM's names with a prefix; Ray's names have no colons.
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
            // With priorities, each has its own series in addition to the total.
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
        // docs/source/reference/metrics.md: no token counters; the sums of histograms are used.
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
        // tools/server/README.md; newer builds have no cache use. Its prompt counter excludes cached tokens.
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
            // The counter grows during a request, the histogram only at its end.
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
            // Count at the model that generates tokens; the ensemble and its other steps count the same requests.
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
            // Needs --metrics-config histogram_latencies=true and a model with decoupled responses.
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
        // NIM LLM on /v1/metrics, without a prefix.
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

    /// <summary>A counter with the suffix of the Python client, or without it (Ray, OpenTelemetry).</summary>
    private static MetricName[][] Counter(string name) =>
        [
            [name + "_total"],
            [name],
        ];
}
