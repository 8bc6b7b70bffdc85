using System.Text;
using Bursar.Agent;
using Bursar.Agent.Endpoints;
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

public sealed class LatencySignalTests
{
    private readonly VirtualTimeProvider _time = new(AgentClock.Start);

    [Theory]
    [InlineData("vllm:time_to_first_token_seconds", ServingLatency.FirstToken)]
    [InlineData("vllm:inter_token_latency_seconds", ServingLatency.BetweenTokens)]
    [InlineData("vllm:time_per_output_token_seconds", ServingLatency.BetweenTokens)]
    [InlineData("vllm:e2e_request_latency_seconds", ServingLatency.EndToEnd)]
    [InlineData("ray_vllm_time_to_first_token_seconds", ServingLatency.FirstToken)]
    [InlineData("sglang:time_to_first_token_seconds", ServingLatency.FirstToken)]
    [InlineData("sglang:inter_token_latency_seconds", ServingLatency.BetweenTokens)]
    [InlineData("tgi_request_duration", ServingLatency.EndToEnd)]
    [InlineData("tgi_request_mean_time_per_token_duration", ServingLatency.BetweenTokens)]
    [InlineData("fastdeploy:time_per_output_token_seconds", ServingLatency.BetweenTokens)]
    [InlineData("lmdeploy:time_to_first_token_seconds", ServingLatency.FirstToken)]
    [InlineData("dynamo_frontend_inter_token_latency_seconds", ServingLatency.BetweenTokens)]
    [InlineData("trtllm_time_to_first_token_seconds", ServingLatency.FirstToken)]
    [InlineData("trtllm:e2e_request_latency_seconds", ServingLatency.EndToEnd)]
    [InlineData("time_to_first_token_seconds", ServingLatency.FirstToken)]
    public void Servers_histograms_are_found(string name, ServingLatency figure)
    {
        var histogram = Read(Page(name, "", 3, 5, 6)).Histograms.Should().ContainSingle(one => one.Figure == figure).Which.Histogram;
        histogram.Bounds.Should().Equal(0.1, 1);
        histogram.Counts.Should().Equal(3, 5, 6);
    }

    [Fact]
    public void Better_of_two_metrics_is_used_and_milliseconds_become_seconds()
    {
        Read(Page("vllm:time_per_output_token_seconds", "", 1, 1, 1) + Page("vllm:inter_token_latency_seconds", "", 3, 5, 6))
            .Histograms.Should()
            .ContainSingle()
            .Which.Histogram.Count.Should()
            .Be(6);
        Read(
            "nv_inference_request_success{model=\"m\"} 4\nnv_inference_first_response_histogram_ms_bucket{model=\"m\",le=\"100\"} 3\nnv_inference_first_response_histogram_ms_bucket{model=\"m\",le=\"+Inf\"} 4\n"
        )
            .Histograms.Should()
            .ContainSingle()
            .Which.Histogram.Bounds.Should()
            .Equal(0.1);
    }

    [Fact]
    public void Engines_and_models_are_kept_apart_and_ranks_of_one_engine_merged()
    {
        var read = Read(
            Page("sglang:time_to_first_token_seconds", "model_name=\"a\",tp_rank=\"0\",", 1, 2, 3)
                + Page("sglang:time_to_first_token_seconds", "model_name=\"a\",tp_rank=\"1\",", 1, 2, 3)
                + Page("sglang:time_to_first_token_seconds", "model_name=\"a\",dp_rank=\"1\",", 10, 10, 10)
                + Page("sglang:time_to_first_token_seconds", "model_name=\"b\",", 0, 0, 7)
        );
        read.Histograms.Select(one => (one.Model, one.Histogram.Count)).Should().BeEquivalentTo([("a", 3L), ("a", 10L), ("b", 7L)]);
    }

    [Theory]
    [InlineData("vllm:time_to_first_token_seconds_bucket{le=\"1\"} 3\n")] // no +Inf
    [InlineData("vllm:time_to_first_token_seconds_bucket{le=\"+Inf\"} NaN\n")]
    [InlineData("vllm:time_to_first_token_seconds_bucket{le=\"x\"} 1\nvllm:time_to_first_token_seconds_bucket{le=\"+Inf\"} 1\n")]
    [InlineData("vllm:time_to_first_token_seconds_bucket 3\n")]
    [InlineData("vllm:time_to_first_token_seconds_bucket{le=\"+Inf\"} -3\n")]
    public void Malformed_histogram_is_left_out_and_keeps_the_other_metrics(string page)
    {
        var read = Read("vllm:prompt_tokens_total 5\n" + page);
        read.Outcome.Should().Be(ScrapeOutcome.Ok);
        read.Histograms.Should().BeEmpty();
        read.Tokens.Should().ContainSingle();
    }

    [Fact]
    public void Engine_that_begins_anew_does_not_make_the_sum_fall()
    {
        var sums = new HistogramSums();
        string Engines(long a, long? b) =>
            Page("vllm:time_to_first_token_seconds", "engine=\"a\",", a, a, a)
            + (b is { } count ? Page("vllm:time_to_first_token_seconds", "engine=\"b\",", 0, count, count) : "");
        long Sum(long a, long? b) => sums.Add(Read(Engines(a, b)))[ServingLatency.FirstToken].Count;
        Sum(1000, 500).Should().Be(1500);
        Sum(3, 520).Should().Be(1523);
        Sum(10, null).Should().Be(1530);
        Sum(12, 5).Should().Be(1537, "it is another one of that name");
        Sum(2, null).Should().Be(2, "all began anew");
    }

    [Fact]
    public async Task Pods_under_a_scaler_are_read_each_second_and_others_and_the_journal_are_not()
    {
        var asked = new Dictionary<string, int>();
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0));
        await using var pod = builder.Build();
        pod.Run(context =>
        {
            lock (asked)
            {
                string path = context.Request.Path.Value!;
                asked[path] = asked.GetValueOrDefault(path) + 1;
                // Falls with every other reading: as much as there can be to journal.
                return context.Response.WriteAsync($"vllm:generation_tokens_total {asked[path] % 2}\n");
            }
        });
        await pod.StartAsync();
        int port = new Uri(((IApplicationBuilder)pod).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;
        TargetPod Target(string uid, int? seconds) =>
            SimulatedNode.Pod(uid, "127.0.0.1") with
            {
                Scrape =
                [
                    new()
                    {
                        Port = port,
                        Path = "/" + uid,
                        Kind = ScrapeTarget.Serving,
                        IntervalSeconds = seconds,
                    },
                ],
            };

        var targets = new TargetStore();
        targets.Replace(new() { Pods = [Target("usual", null)] });
        using var journal = UsageJournal.Open(new JournalOptions(), new Random(1), _time, NullLogger.Instance);
        using var progress = new ProgressIntake(journal, _time);
        using var scraper = new PodScraper(new ScrapeOptions { Timeout = TimeSpan.FromDays(1) }, _time);
        var loop = new ScrapeLoop(
            scraper,
            new ScrapeOptions(),
            targets,
            progress,
            new TokenIntake(journal, _time),
            new AgentCounters(),
            _time,
            NullLogger<ScrapeLoop>.Instance
        );
        int rounds = 0;
        loop.Changed += () => Interlocked.Increment(ref rounds);
        using var stop = new CancellationTokenSource();
        var running = Task.Run(() => loop.RunAsync(stop.Token));
        int Count(string uid)
        {
            lock (asked)
                return asked.GetValueOrDefault("/" + uid);
        }
        await Eventually.TrueAsync(() => Volatile.Read(ref rounds) == 1, "the usual one is read");

        // A list that comes later is taken up at once.
        targets.Replace(new() { Pods = [Target("usual", null), Target("quick", 1)] });
        await Eventually.TrueAsync(() => Volatile.Read(ref rounds) == 2, "the quick one is read");
        for (int second = 1; second <= 20; second++)
        {
            int expected = 2 + second + second / 5;
            await Eventually.TrueAsync(() => _time.Pending >= 2, "both wait for the clock");
            _time.Advance(TimeSpan.FromSeconds(1));
            await Eventually.TrueAsync(() => Volatile.Read(ref rounds) == expected, $"round {expected} is over");
        }
        Count("quick").Should().Be(21);
        Count("usual").Should().Be(5);
        // Every five seconds: 1 at 0, and then at 5, 10, 15 and 20 the present value, with the previous one before each fall.
        journal
            .Read("n", null)
            .Tokens.Count(sample => sample.PodUid == "quick")
            .Should()
            .BeLessThanOrEqualTo(journal.Read("n", null).Tokens.Count(sample => sample.PodUid == "usual") + 1);
        loop.Gauges.Select(gauge => gauge.PodUid).Should().Equal("quick", "usual");

        targets.Replace(new() { Pods = [Target("usual", null)] });
        await Eventually.TrueAsync(() => _time.Pending == 1, "nothing is read quickly any more");
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task Signals_are_answered_when_there_is_news_and_the_old_form_at_once()
    {
        await using var node = await SimulatedNode.StartAsync();
        var client = node.Client();
        var first = await client.GetSignalsAsync(default);
        first.Revision.Should().BeGreaterThan(0);
        // Another revision, of an earlier life too, is answered at once.
        (await client.GetSignalsAsync(first.Revision + 1000, TimeSpan.FromSeconds(60), default).WaitAsync(TimeSpan.FromSeconds(30)))
            .Revision.Should()
            .NotBeNull();

        var current = (await client.GetSignalsAsync(default)).Revision!.Value;
        var quiet = await client.GetSignalsAsync(current, TimeSpan.FromSeconds(1), default);
        quiet.Revision.Should().Be(current, "no pod shows anything");

        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0));
        await using var pod = builder.Build();
        pod.Run(context =>
            context.Response.WriteAsync(
                "vllm:num_requests_waiting 3\nvllm:generation_tokens_total 9\n" + Page("vllm:time_to_first_token_seconds", "", 1, 2, 2)
            )
        );
        await pod.StartAsync();
        int port = new Uri(((IApplicationBuilder)pod).ServerFeatures.Get<IServerAddressesFeature>()!.Addresses.Single()).Port;
        var poll = client.GetSignalsAsync(current, TimeSpan.FromSeconds(60), default);
        await client.PutTargetsAsync(
            new()
            {
                Revision = "1",
                Pods =
                [
                    SimulatedNode.Pod("u1", "127.0.0.1") with
                    {
                        Scrape =
                        [
                            new()
                            {
                                Port = port,
                                Kind = ScrapeTarget.Serving,
                                IntervalSeconds = 1,
                            },
                        ],
                    },
                ],
            },
            default
        );

        var news = await poll.WaitAsync(TimeSpan.FromSeconds(30));
        news.Pods.Should()
            .ContainSingle()
            .Which.Should()
            .BeEquivalentTo(
                new
                {
                    PodUid = "u1",
                    RequestsWaiting = 3L,
                    GeneratedTokens = 9L,
                    FirstToken = new HistogramSignal { Bounds = [0.1, 1], Counts = [1, 2, 2] },
                }
            );

        await client
            .Awaiting(c => c.GetSignalsAsync(-1, TimeSpan.Zero, default))
            .Should()
            .ThrowAsync<Bursar.Agent.Client.AgentException>()
            .WithMessage("*is not a revision*");
    }

    [Fact]
    public void Custom_server_names_its_histograms()
    {
        var map = ServingMap.Read("""[{"server":"ours","firstToken":["ours_ttft","ours_old_ttft"],"endToEnd":["ours_e2e"]}]"""u8);
        var read = new ServingReader(map).Read(Encoding.UTF8.GetBytes(Page("ours_old_ttft", "", 1, 1, 4) + Page("ours_e2e", "", 1, 1, 5)));
        read.Histograms.Select(one => (one.Figure, one.Histogram.Count))
            .Should()
            .Equal((ServingLatency.FirstToken, 4), (ServingLatency.EndToEnd, 5));
        FluentActions
            .Invoking(() => ServingMap.Read("""[{"server":"ours","firstToken":["a{b=\"c\"}"]}]"""u8))
            .Should()
            .Throw<FormatException>()
            .WithMessage("*without labels*");
    }

    private static ScrapeResult Read(string page) => new ServingReader(ServingMetrics.Known).Read(Encoding.UTF8.GetBytes(page));

    private static string Page(string name, string labels, params long[] counts) =>
        $"{name}_bucket{{{labels}le=\"0.1\"}} {counts[0]}\n{name}_bucket{{{labels}le=\"1.0\"}} {counts[1]}\n{name}_bucket{{{labels}le=\"+Inf\"}} {counts[2]}.0\n";
}
