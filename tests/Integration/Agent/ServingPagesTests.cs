using System.IO.Compression;
using System.Net;
using System.Text;
using Bursar.Agent;
using Bursar.Agent.Journal;
using Bursar.Agent.Pods;
using Bursar.Agent.Sampling;
using Bursar.Agent.Scrape;
using Bursar.Core.Usage;
using Bursar.Sandbox.Time;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Integration.Agent;

/// <summary>
/// Pages as the servers' metric definitions produce them (names, labels and order as their clients write them, with other lines around
/// ours), and their totals, computed by hand in the comments.
/// </summary>
public sealed class ServingPagesTests : IAsyncLifetime
{
    private readonly VirtualTimeProvider _time = new(AgentClock.Start);
    private WebApplication _pod = null!;
    private int _port;
    private Func<HttpContext, Task> _answer = _ => Task.CompletedTask;

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        _pod = builder.Build();
        _pod.Run(context => _answer(context));
        await _pod.StartAsync();
        _port = new Uri(((IApplicationBuilder)_pod).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;
    }

    public async Task DisposeAsync() => await _pod.DisposeAsync();

    /// <summary>
    /// Two data-parallel engines, five reasons to end, the client's _created series, a histogram whose name ends in _total.
    /// </summary>
    [Fact]
    public void Page_of_vLLM_2026_with_two_engines_is_read()
    {
        var result = Read(
            """
            # TYPE python_gc_objects_collected_total counter
            python_gc_objects_collected_total{generation="0"} 12345.0
            # TYPE vllm:num_requests_running gauge
            vllm:num_requests_running{engine="0",model_name="meta-llama/Llama-3.1-8B"} 7.0
            vllm:num_requests_running{engine="1",model_name="meta-llama/Llama-3.1-8B"} 5.0
            vllm:num_requests_waiting{engine="0",model_name="meta-llama/Llama-3.1-8B"} 1.0
            vllm:num_requests_waiting{engine="1",model_name="meta-llama/Llama-3.1-8B"} 0.0
            vllm:num_requests_waiting_by_reason{engine="0",model_name="meta-llama/Llama-3.1-8B",reason="capacity"} 1.0
            vllm:kv_cache_usage_perc{engine="0",model_name="meta-llama/Llama-3.1-8B"} 0.125
            vllm:kv_cache_usage_perc{engine="1",model_name="meta-llama/Llama-3.1-8B"} 0.25
            vllm:prefix_cache_queries_total{engine="0",model_name="meta-llama/Llama-3.1-8B"} 60000.0
            vllm:prefix_cache_hits_total{engine="0",model_name="meta-llama/Llama-3.1-8B"} 20480.0
            vllm:prefix_cache_hits_total{engine="1",model_name="meta-llama/Llama-3.1-8B"} 10240.0
            # TYPE vllm:prompt_tokens_total counter
            vllm:prompt_tokens_total{engine="0",model_name="meta-llama/Llama-3.1-8B"} 60000.0
            vllm:prompt_tokens_total{engine="1",model_name="meta-llama/Llama-3.1-8B"} 1.2e+06
            # TYPE vllm:prompt_tokens_created gauge
            vllm:prompt_tokens_created{engine="0",model_name="meta-llama/Llama-3.1-8B"} 1.7636112e+09
            vllm:prompt_tokens_created{engine="1",model_name="meta-llama/Llama-3.1-8B"} 1.7636112e+09
            vllm:prompt_tokens_by_source_total{engine="0",model_name="meta-llama/Llama-3.1-8B",source="local_compute"} 39520.0
            vllm:prompt_tokens_by_source_total{engine="0",model_name="meta-llama/Llama-3.1-8B",source="local_cache_hit"} 20480.0
            vllm:prompt_tokens_cached_total{engine="0",model_name="meta-llama/Llama-3.1-8B"} 20480.0
            vllm:prompt_tokens_cached_total{engine="1",model_name="meta-llama/Llama-3.1-8B"} 10240.0
            vllm:generation_tokens_total{engine="0",model_name="meta-llama/Llama-3.1-8B"} 9000.0
            vllm:generation_tokens_total{engine="1",model_name="meta-llama/Llama-3.1-8B"} 11000.0
            vllm:request_success_total{engine="0",finished_reason="stop",model_name="meta-llama/Llama-3.1-8B"} 40.0
            vllm:request_success_total{engine="0",finished_reason="length",model_name="meta-llama/Llama-3.1-8B"} 9.0
            vllm:request_success_total{engine="0",finished_reason="abort",model_name="meta-llama/Llama-3.1-8B"} 1.0
            vllm:request_success_total{engine="0",finished_reason="error",model_name="meta-llama/Llama-3.1-8B"} 0.0
            vllm:request_success_total{engine="1",finished_reason="stop",model_name="meta-llama/Llama-3.1-8B"} 55.0
            # TYPE vllm:iteration_tokens_total histogram
            vllm:iteration_tokens_total_bucket{engine="0",le="+Inf",model_name="meta-llama/Llama-3.1-8B"} 4000.0
            vllm:iteration_tokens_total_sum{engine="0",model_name="meta-llama/Llama-3.1-8B"} 69000.0
            vllm:request_prompt_tokens_sum{engine="0",model_name="meta-llama/Llama-3.1-8B"} 59000.0
            vllm:e2e_request_latency_seconds_count{engine="0",model_name="meta-llama/Llama-3.1-8B"} 50.0
            """
        );

        result.Server.Should().Be("vllm");
        // 60,000 + 1,200,000; 20,480 + 10,240; 9,000 + 11,000; 40 + 9 + 1 + 0 + 55
        result.Tokens.Should().Equal(new ModelTokens("meta-llama/Llama-3.1-8B", 1_260_000, 30_720, 20_000, 105));
        result.Gauges.Should().Be(new ServingGauges(12, 1, 0.25));
    }

    /// <summary>
    /// V0 and the first V1: no engine label, the cache's hits in tokens under their old name; preempted prompts are looked up twice.
    /// </summary>
    [Fact]
    public void Page_of_vLLM_2025_with_its_old_names_is_read()
    {
        var result = Read(
            """
            vllm:num_requests_running{model_name="qwen"} 2.0
            vllm:num_requests_swapped{model_name="qwen"} 0.0
            vllm:num_requests_waiting{model_name="qwen"} 0.0
            vllm:gpu_cache_usage_perc{model_name="qwen"} 0.0625
            vllm:gpu_prefix_cache_hits_total{model_name="qwen"} 900.0
            vllm:prompt_tokens_total{model_name="qwen"} 800.0
            vllm:generation_tokens_total{model_name="qwen"} 64.0
            vllm:time_per_output_token_seconds_count{model_name="qwen"} 62.0
            vllm:e2e_request_latency_seconds_count{model_name="qwen"} 4.0
            """
        );

        // The hits are never more than the prompts.
        result.Tokens.Should().Equal(new ModelTokens("qwen", 800, 800, 64, 4));
        result.Gauges.Should().Be(new ServingGauges(2, 0, 0.0625));
    }

    /// <summary>dp_rank is a separate server. tp_rank, pp_rank and moe_ep_rank repeat the same figures. Priorities and NaN are added.</summary>
    [Fact]
    public void Page_of_SGLang_with_data_tensor_and_expert_ranks_is_read()
    {
        var result = Read(
            """
            sglang:realtime_tokens_total{dp_rank="0",engine_type="unified",mode="prefill_compute",model_name="ds",moe_ep_rank="0",pp_rank="0",tp_rank="0"} 1000.0
            sglang:realtime_tokens_total{dp_rank="0",engine_type="unified",mode="prefill_compute",model_name="ds",moe_ep_rank="1",pp_rank="0",tp_rank="1"} 1000.0
            sglang:realtime_tokens_total{dp_rank="1",engine_type="unified",mode="prefill_compute",model_name="ds",moe_ep_rank="2",pp_rank="0",tp_rank="2"} 3000.0
            sglang:realtime_tokens_total{dp_rank="0",engine_type="unified",mode="prefill_cache",model_name="ds",moe_ep_rank="0",pp_rank="0",tp_rank="0"} 250.0
            sglang:realtime_tokens_total{dp_rank="1",engine_type="unified",mode="prefill_cache",model_name="ds",moe_ep_rank="2",pp_rank="0",tp_rank="2"} 50.0
            sglang:realtime_tokens_total{dp_rank="0",engine_type="unified",mode="decode",model_name="ds",moe_ep_rank="0",pp_rank="0",tp_rank="0"} 77.0
            sglang:realtime_tokens_total{dp_rank="0",engine_type="unified",mode="decode",model_name="ds",moe_ep_rank="1",pp_rank="0",tp_rank="1"} 76.0
            sglang:realtime_tokens_total{dp_rank="1",engine_type="unified",mode="decode",model_name="ds",moe_ep_rank="2",pp_rank="0",tp_rank="2"} 23.0
            sglang:prompt_tokens_total{engine_type="unified",is_streaming="true",model_name="ds"} 4000.0
            sglang:cached_tokens_total{cache_source="device",engine_type="unified",model_name="ds"} 200.0
            sglang:cached_tokens_total{cache_source="storage_mooncake",engine_type="unified",model_name="ds"} 40.0
            sglang:generation_tokens_total{engine_type="unified",is_streaming="true",model_name="ds"} 90.0
            sglang:num_requests_total{engine_type="unified",is_streaming="false",model_name="ds"} 9.0
            sglang:num_requests_total{engine_type="unified",is_streaming="true",model_name="ds"} 4.0
            sglang:num_aborted_requests_total{engine_type="unified",model_name="ds"} 1.0
            sglang:encoder_requests_total{modality="image",status="ok"} 6.0
            sglang:num_running_reqs{dp_rank="0",engine_type="unified",model_name="ds",moe_ep_rank="0",pp_rank="0",priority="",tp_rank="0"} 5.0
            sglang:num_running_reqs{dp_rank="0",engine_type="unified",model_name="ds",moe_ep_rank="0",pp_rank="0",priority="1",tp_rank="0"} 3.0
            sglang:num_running_reqs{dp_rank="0",engine_type="unified",model_name="ds",moe_ep_rank="0",pp_rank="0",priority="2",tp_rank="0"} 2.0
            sglang:num_running_reqs{dp_rank="1",engine_type="unified",model_name="ds",moe_ep_rank="2",pp_rank="0",priority="",tp_rank="2"} 4.0
            sglang:num_queue_reqs{dp_rank="0",engine_type="unified",model_name="ds",moe_ep_rank="0",pp_rank="0",tp_rank="0"} NaN
            sglang:fwd_occupancy{dp_rank="0",engine_type="unified",model_name="ds",moe_ep_rank="0",pp_rank="0",tp_rank="0"} NaN
            sglang:token_usage{dp_rank="0",engine_type="unified",model_name="ds",moe_ep_rank="0",pp_rank="0",tp_rank="0"} 0.14
            sglang:token_usage{dp_rank="1",engine_type="unified",model_name="ds",moe_ep_rank="2",pp_rank="0",tp_rank="2"} 0.31
            """
        );

        result.Server.Should().Be("sglang");
        // 1,000 + 3,000 computed and 250 + 50 cached; 77 + 23; 9 + 4
        result.Tokens.Should().Equal(new ModelTokens("ds", 4300, 300, 100, 13));
        result.Gauges.Should().Be(new ServingGauges(9, null, 0.31));
    }

    /// <summary>An older SGLang: everything at a request's end, cached tokens by their source.</summary>
    [Fact]
    public void Page_of_SGLang_that_counts_at_a_requests_end_is_read()
    {
        var result = Read(
            """
            sglang:prompt_tokens_total{is_streaming="false",model_name="q"} 112551.0
            sglang:prompt_tokens_total{is_streaming="true",model_name="q"} 4.555486e+06
            sglang:generation_tokens_total{is_streaming="false",model_name="q"} 792.0
            sglang:generation_tokens_total{is_streaming="true",model_name="q"} 146347.0
            sglang:cached_tokens_total{cache_source="device",model_name="q"} 3.797696e+06
            sglang:cached_tokens_total{cache_source="host",model_name="q"} 4.0
            sglang:e2e_request_latency_seconds_count{is_streaming="true",model_name="q"} 173.0
            sglang:e2e_request_latency_seconds_count{is_streaming="false",model_name="q"} 9.0
            """
        );

        // 112,551 + 4,555,486; 3,797,696 + 4; 792 + 146,347; 173 + 9
        result.Tokens.Should().Equal(new ModelTokens("q", 4_668_037, 3_797_700, 147_139, 182));
    }

    [Fact]
    public void Page_of_TGI_with_histograms_and_failures_is_read()
    {
        var result = Read(
            """
            # TYPE tgi_request_count counter
            tgi_request_count 150
            # TYPE tgi_request_success counter
            tgi_request_success 148
            # TYPE tgi_request_failure counter
            tgi_request_failure{err="overloaded"} 1
            tgi_request_failure{err="validation"} 1
            # TYPE tgi_batch_next_size histogram
            tgi_batch_next_size_bucket{method="decode",le="+Inf"} 40
            tgi_request_input_length_bucket{le="+Inf"} 148
            tgi_request_input_length_sum 29600
            tgi_request_input_length_count 148
            tgi_request_max_new_tokens_sum 148000
            tgi_request_generated_tokens_sum 14800
            tgi_request_generated_tokens_count 148
            tgi_request_duration_sum 310.25
            tgi_request_duration_count 148
            tgi_batch_current_max_tokens 4096
            tgi_batch_current_size 3
            tgi_queue_size 2
            """
        );

        result.Tokens.Should().Equal(new ModelTokens("", 29_600, null, 14_800, 148));
        result.Gauges.Should().Be(new ServingGauges(3, 2, null));
    }

    /// <summary>
    /// Two TensorRT-LLM models in one Triton, each within an ensemble; the gauges of the iteration's tokens are no counters.
    /// </summary>
    [Fact]
    public void Page_of_Triton_with_two_TensorRT_LLM_models_is_read()
    {
        var result = Read(
            """
            nv_inference_request_success{model="chat",version="1"} 30
            nv_inference_request_success{model="preprocessing",version="1"} 40
            nv_inference_request_success{model="trt_chat",version="1"} 30
            nv_inference_request_success{model="trt_code",version="1"} 10
            nv_inference_request_failure{model="trt_code",reason="BACKEND",version="1"} 2
            nv_inference_exec_count{model="trt_chat",version="1"} 900
            nv_inference_pending_request_count{model="chat",version="1"} 5
            nv_trt_llm_request_metrics{model="trt_chat",request_type="active",version="1"} 3
            nv_trt_llm_request_metrics{model="trt_code",request_type="active",version="1"} 1
            nv_trt_llm_request_metrics{model="trt_chat",request_type="waiting",version="1"} 2
            nv_trt_llm_request_metrics{model="trt_chat",request_type="max",version="1"} 512
            nv_trt_llm_inflight_batcher_metrics{inflight_batcher_specific_metric="total_context_tokens",model="trt_chat",version="1"} 77
            nv_trt_llm_general_metrics{general_type="iteration_counter",model="trt_chat",version="1"} 5000
            nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction",model="trt_chat",version="1"} 0.5
            nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction",model="trt_code",version="1"} 0.75
            nv_llm_input_token_len_bucket{model="trt_chat",response_metric_type="total_input_tokens",version="1",le="10"} 0
            nv_llm_input_token_len_bucket{model="trt_chat",response_metric_type="total_input_tokens",version="1",le="+Inf"} 30
            nv_llm_input_token_len_sum{model="trt_chat",response_metric_type="total_input_tokens",version="1"} 6000
            nv_llm_input_token_len_sum{model="trt_code",response_metric_type="total_input_tokens",version="1"} 500
            nv_llm_output_token_len_sum{model="trt_chat",response_metric_type="total_output_tokens",version="1"} 900
            nv_llm_output_token_len_sum{model="trt_code",response_metric_type="total_output_tokens",version="1"} 70
            nv_llm_output_token_len_count{model="trt_chat",response_metric_type="total_output_tokens",version="1"} 30
            nv_llm_output_token_len_count{model="trt_code",response_metric_type="total_output_tokens",version="1"} 10
            nv_energy_consumption{gpu_uuid="GPU-1"} 12345.5
            """
        );

        result.Tokens.Should().Equal(new ModelTokens("trt_chat", 6000, null, 900, 30), new ModelTokens("trt_code", 500, null, 70, 10));
        result.Gauges.Should().Be(new ServingGauges(4, 2, 0.75));
    }

    [Fact]
    public void Page_of_NIM_without_a_prefix_is_read()
    {
        var result = Read(
            """
            num_requests_running{model_name="meta/llama-3.2-1b-instruct"} 1.0
            num_requests_waiting{model_name="meta/llama-3.2-1b-instruct"} 0.0
            num_request_max{model_name="meta/llama-3.2-1b-instruct"} 2048.0
            gpu_cache_usage_perc{model_name="meta/llama-3.2-1b-instruct"} 0.01
            prompt_tokens_total{model_name="meta/llama-3.2-1b-instruct"} 603.0
            generation_tokens_total{model_name="meta/llama-3.2-1b-instruct"} 997.0
            e2e_request_latency_seconds_count{model_name="meta/llama-3.2-1b-instruct"} 34.0
            request_prompt_tokens_sum{model_name="meta/llama-3.2-1b-instruct"} 603.0
            request_success_total{finished_reason="stop",model_name="meta/llama-3.2-1b-instruct"} 30.0
            request_success_total{finished_reason="length",model_name="meta/llama-3.2-1b-instruct"} 3.0
            """
        );

        result.Server.Should().Be("nim");
        result.Tokens.Should().Equal(new ModelTokens("meta/llama-3.2-1b-instruct", 603, null, 997, 33));
    }

    /// <summary>Its prompt tokens exclude the cached ones; other servers include them.</summary>
    [Fact]
    public void Page_of_llama_cpp_2026_is_read()
    {
        var result = Read(
            """
            llamacpp:prompt_tokens_total 278
            llamacpp:prompt_tokens_cached_total 254
            llamacpp:prompt_seconds_total 0.13508
            llamacpp:tokens_predicted_total 224
            llamacpp:n_decode_total 160
            llamacpp:n_tokens_max 303
            llamacpp:spec_decode_num_draft_tokens_total 0
            llamacpp:prompt_tokens_seconds 2058.04
            llamacpp:predicted_tokens_seconds 506.791
            llamacpp:requests_processing 0
            llamacpp:requests_deferred 0
            llamacpp:n_busy_slots_per_decode 1.4
            """
        );

        // 278 + 254
        result.Tokens.Should().Equal(new ModelTokens("", 532, 254, 224));
        result.Gauges.Should().Be(new ServingGauges(0, 0, null));
    }

    [Fact]
    public void FastDeploy_names_no_model()
    {
        var result = Read(
            """
            fastdeploy:num_requests_running 2.0
            fastdeploy:num_requests_waiting 1.0
            fastdeploy:requests_number_total 12.0
            fastdeploy:prompt_tokens_total 5000.0
            fastdeploy:generation_tokens_total 700.0
            fastdeploy:prefix_cache_token_num_total 1024.0
            fastdeploy:prefix_gpu_cache_token_num_total 1000.0
            fastdeploy:gpu_cache_usage_perc 0.375
            fastdeploy:request_success_total 11.0
            fastdeploy:request_success_created 1.7e9
            fastdeploy:cache_config_info{block_size="64",cache_dtype="bfloat16"} 1.0
            """
        );

        result.Tokens.Should().Equal(new ModelTokens("", 5000, 1024, 700, 11));
        result.Gauges.Should().Be(new ServingGauges(2, 1, 0.375));
    }

    [Fact]
    public void Page_of_trtllm_serve_with_its_prefix_is_read()
    {
        var result = Read(
            """
            trtllm_prompt_tokens_total{engine_type="trtllm",model_name="nemotron"} 900.0
            trtllm_generation_tokens_total{engine_type="trtllm",model_name="nemotron"} 80.0
            trtllm_prompt_cached_tokens_total{engine_type="trtllm",model_name="nemotron"} 128.0
            trtllm_request_success_total{engine_type="trtllm",finished_reason="stop",model_name="nemotron"} 5.0
            trtllm_request_success_total{engine_type="trtllm",finished_reason="length",model_name="nemotron"} 2.0
            trtllm_total_context_tokens{engine_type="trtllm",model_name="nemotron"} 33.0
            trtllm_num_requests_running{engine_type="trtllm",model_name="nemotron"} 1.0
            trtllm_num_requests_waiting{engine_type="trtllm",model_name="nemotron"} 0.0
            trtllm_kv_cache_utilization{engine_type="trtllm",model_name="nemotron"} 0.2
            """
        );

        result.Server.Should().Be("trtllm");
        result.Tokens.Should().Equal(new ModelTokens("nemotron", 900, 128, 80, 7));
        result.Gauges.Should().Be(new ServingGauges(1, 0, 0.2));
    }

    [Fact]
    public void Load_and_latency_are_kept_for_each_model()
    {
        var result = Read(
            """
            vllm:num_requests_running{engine="0",model_name="a"} 3
            vllm:num_requests_running{engine="1",model_name="a"} 4
            vllm:num_requests_running{engine="0",model_name="b"} NaN
            vllm:num_requests_waiting{engine="0",model_name="b"} 2
            vllm:kv_cache_usage_perc{engine="0",model_name="a"} 0.25
            vllm:kv_cache_usage_perc{engine="1",model_name="a"} 0.5
            vllm:e2e_request_latency_seconds_bucket{engine="0",le="+Inf",model_name="a"} 4
            vllm:e2e_request_latency_seconds_sum{engine="0",model_name="a"} 6.5
            vllm:e2e_request_latency_seconds_count{engine="0",model_name="a"} 4
            vllm:e2e_request_latency_seconds_sum{engine="1",model_name="a"} 1.25
            vllm:e2e_request_latency_seconds_count{engine="1",model_name="a"} 1
            """
        );

        result.Loads.Should().Equal(new ModelLoad("a", 7, null, 0.5, 7.75, 5), new ModelLoad("b", null, 2, null, null, null));
        result.Gauges.Should().Be(new ServingGauges(7, 2, 0.5));
    }

    [Theory]
    [InlineData(3_000_000_000L, "kv_cache_memory_bytes=\"4000000000\"")]
    [InlineData(null, "kv_cache_memory_bytes=\"None\"")]
    [InlineData(null, "num_gpu_blocks=\"573\"")]
    // Two engines: what the fuller one leaves of the smaller cache.
    [InlineData(1_500_000_000L, "kv_cache_memory_bytes=\"4000000000\"", "kv_cache_memory_bytes=\"2000000000\"")]
    [InlineData(null, "kv_cache_memory_bytes=\"4000000000\"", "kv_cache_memory_bytes=\"None\"")]
    public void Unused_cache_is_known_if_vLLM_reports_the_size_of_its_cache(long? unused, params string[] engines)
    {
        var infos = engines.Select(
            (labels, i) => $$"""vllm:cache_config_info{block_size="16",engine="{{i}}",gpu_memory_utilization="0.9",{{labels}}} 1.0"""
        );

        var result = Read(
            string.Join('\n', infos)
                + """

                vllm:kv_cache_usage_perc{engine="0",model_name="a"} 0.25
                vllm:kv_cache_usage_perc{engine="1",model_name="a"} 0.125
                """
        );

        result.Gauges!.UnusedCacheBytes.Should().Be(unused);
    }

    /// <summary>Triton counts microseconds; SGLang's ranks repeat the same requests.</summary>
    [Theory]
    [InlineData(
        "nv_inference_request_success{model=\"m\",version=\"1\"} 4\nnv_inference_request_duration_us{model=\"m\",version=\"1\"} 2500000",
        2.5,
        4
    )]
    [InlineData(
        "sglang:e2e_request_latency_seconds_sum{model_name=\"m\",tp_rank=\"0\"} 3\nsglang:e2e_request_latency_seconds_sum{model_name=\"m\",tp_rank=\"1\"} 3\nsglang:e2e_request_latency_seconds_count{model_name=\"m\",tp_rank=\"0\"} 2\nsglang:e2e_request_latency_seconds_count{model_name=\"m\",tp_rank=\"1\"} 2\nsglang:num_running_reqs{model_name=\"m\"} 1",
        3,
        2
    )]
    [InlineData(
        "dynamo_frontend_request_duration_seconds_sum{model=\"m\"} 9\ndynamo_frontend_request_duration_seconds_count{model=\"m\"} 3",
        9,
        3
    )]
    public void Latency_is_in_seconds(string page, double seconds, long requests) =>
        Read(page)
            .Loads.Should()
            .ContainSingle()
            .Which.Should()
            .Match<ModelLoad>(load => load.Model == "m" && load.LatencySeconds == seconds && load.LatencyRequests == requests);

    /// <summary>Ray shows each counter a second time as a gauge, under its name without the _total; older ones only that.</summary>
    [Theory]
    [InlineData("_total", "")]
    [InlineData("", null)]
    public void Counter_is_read_with_the_suffix_total_and_without(string one, string? another)
    {
        var page = new StringBuilder();
        foreach (var suffix in another is null ? [one] : new[] { one, another })
        {
            page.Append(
                $"ray_vllm_prompt_tokens{suffix}{{ReplicaId=\"a\",WorkerId=\"1\",model_name=\"m\"}} 40\nray_vllm_prompt_tokens{suffix}{{ReplicaId=\"b\",WorkerId=\"2\",model_name=\"m\"}} 30\n"
            );
            page.Append(
                $"ray_vllm_generation_tokens{suffix}{{ReplicaId=\"a\",WorkerId=\"1\",model_name=\"m\"}} 9\nray_vllm_request_success{suffix}{{ReplicaId=\"a\",WorkerId=\"1\",finished_reason=\"stop\",model_name=\"m\"}} 3\n"
            );
        }

        Read(page.ToString()).Tokens.Should().Equal(new ModelTokens("m", 70, null, 9, 3));
    }

    /// <summary>OpenMetrics: units, exemplars with labels and times, times in seconds, _created among the samples, an end.</summary>
    [Fact]
    public void OpenMetrics_is_read_as_far_as_its_samples()
    {
        var result = Read(
            """
            # TYPE vllm:prompt_tokens counter
            # UNIT vllm:prompt_tokens tokens
            vllm:prompt_tokens_total{engine="0",model_name="m"} 17.0 1763730000.125 # {trace_id="4bf92f35 # 77",span_id="00f0"} 3.0 1763729999.5
            vllm:prompt_tokens_created{engine="0",model_name="m"} 1763611200.25
            vllm:generation_tokens_total{engine="0",model_name="m"} 5e1 # {} 2
            # TYPE vllm:e2e_request_latency_seconds histogram
            vllm:e2e_request_latency_seconds_bucket{engine="0",model_name="m",le="0.3"} 4 # {trace_id="a"} 0.21 1763729998.5
            vllm:e2e_request_latency_seconds_bucket{engine="0",model_name="m",le="+Inf"} 6
            vllm:e2e_request_latency_seconds_count{engine="0",model_name="m"} 6
            vllm:kv_cache_usage_perc{engine="0",model_name="m"} +Inf
            # EOF
            """
        );

        result.Tokens.Should().Equal(new ModelTokens("m", 17, null, 50, 6));
        result.Gauges.Should().BeNull();
    }

    /// <summary>The Python client of 2026 writes a colon as an underscore in OpenMetrics.</summary>
    [Fact]
    public void Colon_that_was_made_an_underscore_is_the_same_name()
    {
        var result = Read(
            """
            # TYPE vllm:prompt_tokens counter
            vllm_prompt_tokens_total{engine="0",model_name="m"} 1000.0 # {trace_id="abc#1"} 1000.0 1795291395.8588166
            vllm_prompt_tokens_created{engine="0",model_name="m"} 1.7952913958588061e+09
            vllm_generation_tokens_total{engine="0",model_name="m"} 1.2345678901e+10
            vllm_request_success_total{engine="0",finished_reason="stop",model_name="m"} 2.0
            vllm_request_success_total{engine="0",finished_reason="length",model_name="m"} 2.0
            vllm_num_requests_running{engine="0",model_name="m"} NaN
            vllm_e2e_request_latency_seconds_count{engine="0",model_name="m"} 2.0
            vllm_e2e_request_latency_seconds_sum{engine="0",model_name="m"} 99.5
            vllm_e2e_request_latency_seconds_created{engine="0",model_name="m"} 1.7952913958588855e+09
            # EOF
            """
        );

        result.Server.Should().Be("vllm");
        result.Tokens.Should().Equal(new ModelTokens("m", 1000, null, 12_345_678_901, 4));
        result.Loads.Should().Equal(new ModelLoad("m", null, null, null, 99.5, 2));
        Read("sglang_realtime_tokens_total{mode=\"decode\",model_name=\"m\"} 5\nsglang_cache_hit_rate 0.5")
            .Tokens.Should()
            .Equal(new ModelTokens("m", 0, null, 5));
    }

    [Fact]
    public void Labels_with_escapes_spaces_and_commas_are_read()
    {
        var result = Read(
            "llamacpp:prompt_tokens_total{ } 1\nvllm:prompt_tokens_total{ engine = \"0\" , model_name=\"C:\\\\models\\\\a \\\"b\\\",{c}\\n\", } 3 1763730000125\nvllm:generation_tokens_total{model_name=\"C:\\\\models\\\\a \\\"b\\\",{c}\\n\",engine=\"0\"}\t4\t-1\n"
        );

        result.Tokens.Should().Equal(new ModelTokens("C:\\models\\a \"b\",{c}\n", 3, null, 4));
    }

    /// <summary>Names come from a stranger, and each model becomes entries of the journal.</summary>
    [Fact]
    public void Page_with_endless_models_or_engines_is_refused()
    {
        Read(string.Concat(Enumerable.Range(0, 65).Select(i => $"vllm:prompt_tokens_total{{model_name=\"m{i}\"}} 1\n")))
            .Outcome.Should()
            .Be(ScrapeOutcome.Malformed);
        Read($"vllm:prompt_tokens_total{{model_name=\"{new string('m', 254)}\"}} 1\n").Outcome.Should().Be(ScrapeOutcome.Malformed);
        Read(string.Concat(Enumerable.Range(0, 64).Select(i => $"vllm:prompt_tokens_total{{model_name=\"m{i}\"}} 1\n")))
            .Tokens.Should()
            .HaveCount(64);
        Read(string.Concat(Enumerable.Range(0, 257).Select(i => $"vllm:prompt_tokens_total{{engine=\"{i}\"}} 1\n")))
            .Outcome.Should()
            .Be(ScrapeOutcome.Malformed);
    }

    /// <summary>One replica stays and a thousand others come and go behind Ray. Their counts stay in the sum.</summary>
    [Fact]
    public void Replicas_that_are_gone_for_long_are_kept_as_one()
    {
        var sums = new EngineSums();
        for (int replica = 1; replica <= 1000; replica++)
        {
            sums.Add(
                    Read(
                        $"ray_vllm_prompt_tokens_total{{ReplicaId=\"stays\",model_name=\"m\"}} {10 * replica}\nray_vllm_prompt_tokens_total{{ReplicaId=\"{replica}\",model_name=\"m\"}} 3"
                    )
                )
                .Should()
                .Equal(new ModelTokens("m", 13 * replica, null, 0));
        }
    }

    /// <summary>
    /// The operator's totals from the journal over restarts: of one of two engines (the other's tokens are not counted again), of an engine
    /// that disappears and returns with its old values, and of the whole server (nothing is lost or counted twice).
    /// </summary>
    [Fact]
    public async Task Restarts_of_engines_and_of_the_server_add_up()
    {
        string[] pages =
        [
            Page(("0", 1000, 10), ("1", 500, 5)),
            // Engine 0 restarts: 1,000 + 3 and 520.
            Page(("0", 3, 1), ("1", 520, 6)),
            Page(("0", 10, 2), ("1", 530, 7)),
            // Engine 0 is missing for a while and returns with its old values: 1,000 + 15 and 540.
            Page(("1", 540, 7)),
            Page(("0", 15, 2), ("1", 540, 8)),
            // The server restarts, then a third engine appears.
            Page(("0", 2, 1), ("1", 0, 0)),
            Page(("0", 2, 1), ("1", 7, 1), ("2", 9, 1)),
        ];
        int shown = 0;
        _answer = context => context.Response.WriteAsync(pages[shown]);
        var targets = new TargetStore();
        targets.Replace(
            new TargetList
            {
                Pods =
                [
                    new TargetPod
                    {
                        Uid = "u",
                        Namespace = "ml",
                        Name = "u",
                        Ips = ["127.0.0.1"],
                        Scrape = [new ScrapeTarget { Port = _port, Kind = ScrapeTarget.Serving }],
                    },
                ],
            }
        );
        using var journal = UsageJournal.Open(new JournalOptions(), new Random(1), _time, NullLogger.Instance);
        using var progress = new ProgressIntake(journal, _time);
        using var scraper = new PodScraper(new ScrapeOptions(), _time);
        var tokens = new TokenIntake(journal, _time);
        var loop = new ScrapeLoop(
            scraper,
            new ScrapeOptions(),
            targets,
            progress,
            tokens,
            new AgentCounters(),
            _time,
            NullLogger<ScrapeLoop>.Instance
        );
        for (; shown < pages.Length; shown++)
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            await loop.ScrapeAllAsync(default);
        }
        tokens.Retain(null);

        long prompt = 0,
            requests = 0;
        TokenSample last = new() { Requests = 0 };
        foreach (var sample in journal.Read("n", null).Tokens)
        {
            prompt += sample.Prompt >= last.Prompt ? sample.Prompt - last.Prompt : sample.Prompt;
            requests +=
                sample.Requests!.Value >= last.Requests!.Value ? sample.Requests.Value - last.Requests.Value : sample.Requests.Value;
            last = sample;
        }
        // Engine 0: 1,000 + 15 + 2; engine 1: 540 + 7; engine 2: 9. Requests 10 + 2 + 1, 8 + 1, 1.
        prompt.Should().Be(1000 + 15 + 2 + 540 + 7 + 9);
        requests.Should().Be(10 + 2 + 1 + 8 + 1 + 1);

        static string Page(params (string Engine, long Prompt, long Requests)[] engines) =>
            string.Concat(
                engines.Select(e =>
                    $"vllm:prompt_tokens_total{{engine=\"{e.Engine}\",model_name=\"m\"}} {e.Prompt}.0\nvllm:request_success_total{{engine=\"{e.Engine}\",finished_reason=\"stop\",model_name=\"m\"}} {e.Requests}.0\nvllm:request_success_total{{engine=\"{e.Engine}\",finished_reason=\"length\",model_name=\"m\"}} 0.0\n"
                )
            );
    }

    /// <summary>
    /// A server that exports a better metric later (its live counters appear with the first request) is not a second engine.
    /// </summary>
    [Fact]
    public void Better_metric_for_a_figure_replaces_the_first()
    {
        var sums = new EngineSums();

        sums.Add(Read("sglang:prompt_tokens_total{model_name=\"m\"} 100")).Should().Equal(new ModelTokens("m", 100, null, 0));
        sums.Add(
                Read(
                    "sglang:prompt_tokens_total{model_name=\"m\"} 100\nsglang:realtime_tokens_total{mode=\"prefill_compute\",model_name=\"m\"} 130"
                )
            )
            .Should()
            .Equal(new ModelTokens("m", 130, null, 0));
    }

    [Fact]
    public async Task Agent_requests_plain_text_and_accepts_no_other_format()
    {
        string? encoding = null,
            accept = null;
        _answer = context =>
        {
            (encoding, accept) = (context.Request.Headers.AcceptEncoding, context.Request.Headers.Accept);
            return context.Response.WriteAsync("llamacpp:prompt_tokens_total 7\n");
        };
        (await ScrapeAsync()).Tokens.Should().Equal(new ModelTokens("", 7, null, 0));
        encoding.Should().BeNullOrEmpty("a page that is packed could be any size");
        accept.Should().StartWith("text/plain");

        _answer = async context =>
        {
            context.Response.Headers.ContentEncoding = "gzip";
            await using var zip = new GZipStream(context.Response.Body, CompressionLevel.Fastest);
            await zip.WriteAsync("llamacpp:prompt_tokens_total 7\n"u8.ToArray());
        };
        var packed = await ScrapeAsync();
        packed.Outcome.Should().Be(ScrapeOutcome.Malformed);
        packed.Detail.Should().Contain("gzip");
        packed.Tokens.Should().BeEmpty();
    }

    [Theory]
    [InlineData(0, ScrapeOutcome.Ok)]
    [InlineData(1, ScrapeOutcome.TooLarge)]
    public async Task Four_mebibytes_are_read_and_not_one_byte_more(int more, ScrapeOutcome outcome)
    {
        var page = new byte[4 * 1024 * 1024 + more];
        Array.Fill(page, (byte)'\n');
        "llamacpp:prompt_tokens_total 7\n"u8.CopyTo(page);
        _answer = async context => await context.Response.Body.WriteAsync(page);

        (await ScrapeAsync()).Outcome.Should().Be(outcome);
    }

    private static ScrapeResult Read(string page) => new ServingReader(ServingMetrics.Known).Read(Encoding.UTF8.GetBytes(page + "\n"));

    private async Task<ScrapeResult> ScrapeAsync()
    {
        using var scraper = new PodScraper(new ScrapeOptions(), TimeProvider.System);
        return await scraper.ScrapeAsync(
            new TargetPod { Uid = "u", Ips = ["127.0.0.1"] },
            new ScrapeTarget { Port = _port, Kind = ScrapeTarget.Serving },
            default
        );
    }
}
