using System.Text;
using Bursar.Agent.Scrape;

namespace Bursar.Tests.Unit.Agent;

/// <summary>One metrics page per server with its own names and labels (facts 3.1); expected sums are computed by hand.</summary>
public sealed class ServingReaderTests
{
    [Fact]
    public void VLLM_tokens_are_read_from_old_and_new_versions()
    {
        var result = Read(
            """
            vllm:prompt_tokens_total{engine="0",model_name="llama"} 900
            vllm:prompt_tokens_by_source_total{engine="0",model_name="llama",source="local_compute"} 500
            vllm:prompt_tokens_by_source_total{engine="0",model_name="llama",source="local_cache_hit"} 300
            vllm:prompt_tokens_by_source_total{engine="0",model_name="llama",source="external_kv_transfer"} 100
            vllm:generation_tokens_total{engine="0",model_name="llama"} 40
            vllm:gpu_cache_usage_perc{engine="0",model_name="llama"} 0.5
            """
        );

        result.Server.Should().Be("vllm");
        result.Tokens.Should().Equal(new ModelTokens("llama", 900, 400, 40));
        result.Gauges.Should().Be(new ServingGauges(null, null, 0.5));
    }

    [Fact]
    public void SGLang_ranks_report_the_same_requests_and_are_not_summed()
    {
        var result = Read(
            """
            sglang:prompt_tokens_total{engine_type="unified",model_name="qwen",pp_rank="0",tp_rank="0"} 1200.0
            sglang:prompt_tokens_total{engine_type="unified",model_name="qwen",pp_rank="0",tp_rank="1"} 1200.0
            sglang:prompt_tokens_total{engine_type="prefill",model_name="qwen",pp_rank="0",tp_rank="0"} 30
            sglang:generation_tokens_total{engine_type="unified",model_name="qwen",pp_rank="0",tp_rank="0"} 77.0
            sglang:generation_tokens_total{engine_type="unified",model_name="qwen",pp_rank="0",tp_rank="1"} 70.0
            sglang:cached_tokens_total{engine_type="unified",model_name="qwen",pp_rank="0",tp_rank="0"} 11.0
            sglang:num_running_reqs{engine_type="unified",model_name="qwen",pp_rank="0",tp_rank="0"} 4.0
            sglang:num_running_reqs{engine_type="unified",model_name="qwen",pp_rank="0",tp_rank="1"} 4.0
            sglang:num_queue_reqs{engine_type="unified",model_name="qwen",pp_rank="0",tp_rank="0"} 2.0
            sglang:token_usage{engine_type="unified",model_name="qwen",pp_rank="0",tp_rank="0"} 0.28
            """
        );

        result.Server.Should().Be("sglang");
        result.Tokens.Should().Equal(new ModelTokens("qwen", 1230, 11, 77));
        result.Gauges.Should().Be(new ServingGauges(4, 2, 0.28));
    }

    /// <summary>The plain counters include a request only after its end, so a long generation would look like an idle GPU.</summary>
    [Fact]
    public void SGLang_live_counters_precede_counters_of_ended_requests()
    {
        var result = Read(
            """
            sglang:prompt_tokens_total{model_name="qwen"} 100
            sglang:generation_tokens_total{model_name="qwen"} 5
            sglang:realtime_tokens_total{model_name="qwen",mode="prefill_compute"} 150
            sglang:realtime_tokens_total{model_name="qwen",mode="prefill_cache"} 50
            sglang:realtime_tokens_total{model_name="qwen",mode="decode"} 60
            """
        );

        result.Tokens.Should().Equal(new ModelTokens("qwen", 200, 50, 60));
    }

    [Fact]
    public void Tgi_has_histograms_whose_sums_are_the_tokens()
    {
        var result = Read(
            """
            # TYPE tgi_request_input_length histogram
            tgi_request_input_length_bucket{le="1000"} 2
            tgi_request_input_length_sum 310
            tgi_request_input_length_count 2
            tgi_request_generated_tokens_sum 64
            tgi_request_generated_tokens_count 2
            tgi_queue_size 3
            tgi_batch_current_size 1
            """
        );

        result.Server.Should().Be("tgi");
        result.Tokens.Should().Equal(new ModelTokens("", 310, null, 64));
        result.Gauges.Should().Be(new ServingGauges(1, 3, null));
    }

    [Theory]
    [InlineData(
        "llama.cpp",
        "llamacpp:prompt_tokens_total 70\nllamacpp:tokens_predicted_total 30\nllamacpp:requests_processing 1\nllamacpp:requests_deferred 2\nllamacpp:kv_cache_usage_ratio 0.1",
        "",
        70,
        30,
        1,
        2
    )]
    [InlineData(
        "fastdeploy",
        "fastdeploy:prompt_tokens_total{model_name=\"ernie\"} 70\nfastdeploy:generation_tokens_total{model_name=\"ernie\"} 30\nfastdeploy:num_requests_running 1\nfastdeploy:num_requests_waiting 2",
        "ernie",
        70,
        30,
        1,
        2
    )]
    [InlineData(
        "lmdeploy",
        "lmdeploy:prompt_tokens_total{model_name=\"m\",engine=\"0\"} 70\nlmdeploy:generation_tokens_total{model_name=\"m\",engine=\"0\"} 30\nlmdeploy:num_requests_running{model_name=\"m\"} 1\nlmdeploy:num_requests_waiting{model_name=\"m\"} 2",
        "m",
        70,
        30,
        1,
        2
    )]
    [InlineData(
        "nim",
        "prompt_tokens_total{model_name=\"m\"} 70\ngeneration_tokens_total{model_name=\"m\"} 30\nnum_requests_running{model_name=\"m\"} 1\nnum_requests_waiting{model_name=\"m\"} 2\nnum_request_max{model_name=\"m\"} 256",
        "m",
        70,
        30,
        1,
        2
    )]
    [InlineData(
        "dynamo",
        "dynamo_frontend_input_sequence_tokens_sum{model=\"m\"} 70\ndynamo_frontend_output_tokens_total{model=\"m\"} 30\ndynamo_frontend_output_sequence_tokens_sum{model=\"m\"} 20\ndynamo_frontend_inflight_requests{model=\"m\"} 1\ndynamo_frontend_queued_requests{model=\"m\"} 2",
        "m",
        70,
        30,
        1,
        2
    )]
    [InlineData(
        "ray-serve",
        "ray_vllm_prompt_tokens_total{model_name=\"m\",ReplicaId=\"a\",WorkerId=\"1\"} 40\nray_vllm_prompt_tokens_total{model_name=\"m\",ReplicaId=\"b\",WorkerId=\"2\"} 30\nray_vllm_generation_tokens_total{model_name=\"m\"} 30\nray_vllm_num_requests_running{model_name=\"m\"} 1\nray_vllm_num_requests_waiting{model_name=\"m\"} 2",
        "m",
        70,
        30,
        1,
        2
    )]
    public void Server_metrics_are_read_by_their_own_names(
        string server,
        string page,
        string model,
        long prompt,
        long generated,
        long running,
        long waiting
    )
    {
        var result = Read(page);

        result.Server.Should().Be(server);
        result.Tokens.Should().Equal(new ModelTokens(model, prompt, null, generated));
        result.Gauges!.Running.Should().Be(running);
        result.Gauges.Waiting.Should().Be(waiting);
    }

    /// <summary>TensorRT-LLM's gauges for the tokens of the current iteration look like counters but are not.</summary>
    [Fact]
    public void TensorRT_LLM_in_Triton_reports_load_but_no_tokens()
    {
        var result = Read(
            """
            nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="waiting",version="1"} 7
            nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="active",version="1"} 3
            nv_trt_llm_request_metrics{model="tensorrt_llm",request_type="max",version="1"} 512
            nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="fraction",model="tensorrt_llm",version="1"} 0.4
            nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type="max",model="tensorrt_llm",version="1"} 6239
            nv_trt_llm_inflight_batcher_metrics{inflight_batcher_specific_metric="total_context_tokens",model="tensorrt_llm",version="1"} 9
            nv_inference_pending_request_count{model="ensemble",version="1"} 50
            """
        );

        result.Server.Should().Be("triton");
        result.Tokens.Should().BeEmpty();
        result.Gauges.Should().Be(new ServingGauges(3, 7, 0.4));
    }

    /// <summary>
    /// The count of ended requests over all finish reasons comes first; otherwise the count of the latency histogram.
    /// </summary>
    [Theory]
    [InlineData(
        "vllm",
        "vllm:request_success_total{finished_reason=\"stop\",model_name=\"m\",engine=\"0\"} 7\nvllm:request_success_total{finished_reason=\"length\",model_name=\"m\",engine=\"0\"} 2\nvllm:request_success_total{finished_reason=\"abort\",model_name=\"m\",engine=\"1\"} 1\nvllm:e2e_request_latency_seconds_count{model_name=\"m\",engine=\"0\"} 99",
        10L
    )]
    [InlineData(
        "vllm",
        "vllm:request_success_created{finished_reason=\"stop\",model_name=\"m\"} 1.7e9\nvllm:e2e_request_latency_seconds_bucket{model_name=\"m\",le=\"+Inf\"} 9\nvllm:e2e_request_latency_seconds_count{model_name=\"m\"} 9",
        9L
    )]
    [InlineData("vllm", "vllm:request_success_created{finished_reason=\"stop\",model_name=\"m\"} 1.7e9", null)]
    [InlineData(
        "ray-serve",
        "ray_vllm_request_success_total{finished_reason=\"stop\",model_name=\"m\",WorkerId=\"1\"} 3\nray_vllm_request_success_total{finished_reason=\"stop\",model_name=\"m\",WorkerId=\"2\"} 4",
        7L
    )]
    [InlineData(
        "sglang",
        "sglang:num_requests_total{model_name=\"m\",is_streaming=\"true\",tp_rank=\"0\"} 5\nsglang:num_requests_total{model_name=\"m\",is_streaming=\"true\",tp_rank=\"1\"} 5\nsglang:num_requests_total{model_name=\"m\",is_streaming=\"false\",tp_rank=\"0\"} 2\nsglang:num_aborted_requests_total{model_name=\"m\"} 50",
        7L
    )]
    [InlineData(
        "tgi",
        "tgi_request_count 12\ntgi_request_success 10\ntgi_request_failure{err=\"validation\"} 2\ntgi_request_duration_count 10",
        10L
    )]
    [InlineData("fastdeploy", "fastdeploy:requests_number_total 12\nfastdeploy:request_success_total 10", 10L)]
    [InlineData(
        "lmdeploy",
        "lmdeploy:request_success_total{model_name=\"m\",engine=\"0\",finished_reason=\"ResponseType.FINISH\"} 4\nlmdeploy:request_success_total{model_name=\"m\",engine=\"0\",finished_reason=\"ResponseType.CANCEL\"} 1",
        5L
    )]
    [InlineData(
        "nim",
        "request_success_total{model_name=\"m\",finished_reason=\"stop\"} 4\nrequest_finish_total{model_name=\"m\"} 6\ne2e_request_latency_seconds_count{model_name=\"m\"} 8",
        4L
    )]
    [InlineData("nim", "e2e_request_latency_seconds_count{model_name=\"m\"} 8", 8L)]
    [InlineData(
        "dynamo",
        "dynamo_frontend_requests_total{model=\"m\",endpoint=\"chat_completions\",request_type=\"stream\",status=\"success\"} 4\ndynamo_frontend_requests_total{model=\"m\",endpoint=\"completions\",request_type=\"unary\",status=\"success\"} 2\ndynamo_frontend_requests_total{model=\"m\",endpoint=\"completions\",request_type=\"unary\",status=\"error\"} 3",
        6L
    )]
    [InlineData(
        "trtllm",
        "trtllm_request_success_total{model_name=\"m\",engine_type=\"trtllm\",finished_reason=\"stop\"} 4\ntrtllm_request_success_total{model_name=\"m\",engine_type=\"trtllm\",finished_reason=\"length\"} 2",
        6L
    )]
    [InlineData("llama.cpp", "llamacpp:n_decode_total 80", null)]
    public void Requests_are_those_that_ended(string server, string page, long? requests)
    {
        var (prompt, generated, model) = server switch
        {
            "ray-serve" => ("ray_vllm_prompt_tokens_total{model_name=\"m\"}", "ray_vllm_generation_tokens_total{model_name=\"m\"}", "m"),
            "tgi" => ("tgi_request_input_length_sum", "tgi_request_generated_tokens_sum", ""),
            "nim" => ("prompt_tokens_total{model_name=\"m\"}", "generation_tokens_total{model_name=\"m\"}", "m"),
            "dynamo" => ("dynamo_frontend_input_sequence_tokens_sum{model=\"m\"}", "dynamo_frontend_output_tokens_total{model=\"m\"}", "m"),
            "trtllm" => ("trtllm_prompt_tokens_total{model_name=\"m\"}", "trtllm_generation_tokens_total{model_name=\"m\"}", "m"),
            "llama.cpp" => ("llamacpp:prompt_tokens_total", "llamacpp:tokens_predicted_total", ""),
            "fastdeploy" => ("fastdeploy:prompt_tokens_total", "fastdeploy:generation_tokens_total", ""),
            _ => ($"{server}:prompt_tokens_total{{model_name=\"m\"}}", $"{server}:generation_tokens_total{{model_name=\"m\"}}", "m"),
        };
        var result = Read($"{prompt} 70\n{generated} 30\n{page}");

        result.Server.Should().Be(server);
        // FastDeploy names no model.
        result.Tokens.Should().Equal(new ModelTokens(model, 70, null, 30, requests));
    }

    [Fact]
    public void Triton_ensemble_counts_the_model_with_tokens_only()
    {
        var result = Read(
            """
            nv_inference_request_success{model="ensemble",version="1"} 12
            nv_inference_request_success{model="preprocessing",version="1"} 12
            nv_inference_request_success{model="tensorrt_llm",version="1"} 12
            nv_llm_input_token_len_bucket{model="tensorrt_llm",response_metric_type="total_input_tokens",version="1",le="+Inf"} 12
            nv_llm_input_token_len_count{model="tensorrt_llm",response_metric_type="total_input_tokens",version="1"} 12
            nv_llm_input_token_len_sum{model="tensorrt_llm",response_metric_type="total_input_tokens",version="1"} 1200
            nv_llm_output_token_len_count{model="tensorrt_llm",response_metric_type="total_output_tokens",version="1"} 12
            nv_llm_output_token_len_sum{model="tensorrt_llm",response_metric_type="total_output_tokens",version="1"} 480
            """
        );

        result.Server.Should().Be("triton");
        result.Tokens.Should().Equal(new ModelTokens("tensorrt_llm", 1200, null, 480, 12));
    }

    /// <summary>A classifier has no tokens, but its cost per request can be reported.</summary>
    [Fact]
    public void Server_without_tokens_reports_its_requests()
    {
        Read(
            "nv_inference_request_success{model=\"resnet\",version=\"1\"} 5\nnv_inference_request_success{model=\"resnet\",version=\"2\"} 6\nnv_inference_request_failure{model=\"resnet\",version=\"1\"} 3"
        )
            .Tokens.Should()
            .Equal(new ModelTokens("resnet", 0, null, 0, 11));
    }

    /// <summary>A Dynamo worker also exposes the metrics of its engine. Only one of the two counts.</summary>
    [Fact]
    public void Metrics_page_belongs_to_one_server()
    {
        var result = Read(
            """
            prompt_tokens_total{model_name="m"} 5
            vllm:prompt_tokens_total{model_name="m"} 70
            vllm:generation_tokens_total{model_name="m"} 30
            dynamo_frontend_output_tokens_total{model="m"} 30
            """
        );

        result.Tokens.Should().Equal(new ModelTokens("m", 70, null, 30));
    }

    [Fact]
    public void Server_with_tokens_precedes_a_server_with_load_only()
    {
        Read("vllm:num_requests_running 1\nllamacpp:prompt_tokens_total 70\nllamacpp:tokens_predicted_total 30\n")
            .Server.Should()
            .Be("llama.cpp");
        Read("go_goroutines 7\n").Outcome.Should().Be(ScrapeOutcome.Nothing);
        Read("").Outcome.Should().Be(ScrapeOutcome.Nothing);
    }

    [Fact]
    public void Unknown_server_is_read_by_the_configured_map()
    {
        var ours = ServingMap.Read(
            """
            [{"server": "ours", "modelLabel": "model",
              "prompt": ["ours_tokens_total{direction=\"in\"}", "ours_system_tokens_total"], "generated": ["ours_tokens_total{direction=\"out\"}"], "requests": ["ours_seconds_count"], "waiting": ["ours_queue"]}]
            """u8
        );
        var result = new ServingReader([.. ours, .. ServingMetrics.Known]).Read(
            """
            ours_tokens_total{model="m",direction="in"} 60
            ours_tokens_total{model="m",direction="out"} 9
            ours_system_tokens_total{model="m"} 6
            ours_seconds_count{model="m"} 3
            ours_queue 4
            prompt_tokens_total 1000

            """u8
        );

        result.Server.Should().Be("ours");
        result.Tokens.Should().Equal(new ModelTokens("m", 66, null, 9, 3));
        result.Gauges.Should().Be(new ServingGauges(null, 4, null));
    }

    [Theory]
    [InlineData("""[{"prompt": ["a"]}]""", "*server 0 has no name*")]
    [InlineData("""[{"server": "x"}]""", "*x names no metric*")]
    [InlineData("""[{"server": "x", "prompt": ["a{b=1}"]}]""", "*x: 'a{b=1}' is neither*")]
    [InlineData("""[{"server": "x", "promt": ["a"]}]""", "*promt*")]
    [InlineData("""{"server": "x"}""", "*cannot be read*")]
    public void Unreadable_map_names_the_faulty_entry(string json, string message)
    {
        var read = () => ServingMap.Read(Encoding.UTF8.GetBytes(json));
        read.Should().Throw<FormatException>().WithMessage(message);
    }

    private static ScrapeResult Read(string page) => new ServingReader(ServingMetrics.Known).Read(Encoding.UTF8.GetBytes(page + "\n"));
}
