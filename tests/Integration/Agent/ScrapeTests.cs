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

public sealed class ScrapeTests : IAsyncLifetime
{
    private const string VllmPage = """
        # HELP vllm:prompt_tokens_total Number of prefill tokens processed.
        # TYPE vllm:prompt_tokens_total counter
        vllm:prompt_tokens_total{engine="0",model_name="llama"} 1000.0
        vllm:prompt_tokens_total{engine="1",model_name="llama"} 500.0
        vllm:prompt_tokens_cached_total{engine="0",model_name="llama"} 300.0
        vllm:generation_tokens_total{engine="0",model_name="llama"} 4e3
        vllm:generation_tokens_total{engine="0",model_name="qwen"} 7
        vllm:num_requests_running{engine="0",model_name="llama"} 3.0
        vllm:num_requests_waiting{engine="0",model_name="llama"} 2.0
        vllm:num_requests_waiting{engine="1",model_name="llama"} 4.0
        vllm:kv_cache_usage_perc{engine="0",model_name="llama"} 0.25
        vllm:kv_cache_usage_perc{engine="1",model_name="llama"} 0.75
        vllm:time_to_first_token_seconds_bucket{le="+Inf",model_name="llama"} 9

        """;

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

    [Fact]
    public void Vllm_tokens_are_summed_over_engines_a_model_at_a_time()
    {
        var result = new ServingReader(ServingMetrics.Known).Read(Encoding.UTF8.GetBytes(VllmPage));

        result.Outcome.Should().Be(ScrapeOutcome.Ok);
        result.Tokens.Should().BeEquivalentTo([new ModelTokens("llama", 1500, 300, 4000), new ModelTokens("qwen", 0, null, 7)]);
        result.Gauges.Should().Be(new ServingGauges(3, 6, 0.75));
    }

    [Theory]
    [InlineData("vllm:prompt_tokens_total{model_name=\"m\"} NaN\n")]
    [InlineData("vllm:prompt_tokens_total{model_name=\"m\"} -1\n")]
    [InlineData("vllm:prompt_tokens_total{model_name=\"m\"} 1e300\n")]
    [InlineData("vllm:prompt_tokens_total{model_name=\"m\"} 1\nvllm:prompt_tokens_total{model_name=\"n\"} MIG-1/3\n")]
    [InlineData("<html>\n<body>\n")]
    public void Page_whose_counters_cannot_be_read_is_refused_whole(string page)
    {
        var result = new ServingReader(ServingMetrics.Known).Read(Encoding.UTF8.GetBytes(page));

        result.Outcome.Should().Be(ScrapeOutcome.Malformed);
        result.Tokens.Should().BeEmpty();
    }

    [Fact]
    public void Odd_line_of_another_metric_is_skipped_and_counted()
    {
        var result = new ServingReader(ServingMetrics.Known).Read(
            Encoding.UTF8.GetBytes(VllmPage + "<html>\nvllm:cache_config_info{x=\"1\"} MIG-1/3\n")
        );

        result
            .Should()
            .BeEquivalentTo(
                new
                {
                    Outcome = ScrapeOutcome.Ok,
                    SkippedLines = 2,
                    Gauges = new ServingGauges(3, 6, 0.75),
                }
            );
        result.Tokens.Should().HaveCount(2);
    }

    [Fact]
    public void Odd_line_of_a_gauge_makes_that_gauge_unknown()
    {
        var result = new ServingReader(ServingMetrics.Known).Read(
            Encoding.UTF8.GetBytes(VllmPage + "vllm:num_requests_waiting{model_name=\"other\"} many\n")
        );

        (result.Outcome, result.Gauges!.Waiting, result.Gauges.Running).Should().Be((ScrapeOutcome.Ok, null, 3));
    }

    [Theory]
    [InlineData("bursar_training_step 100\npython_info{v=\"3\"} three\n", ScrapeOutcome.Ok, 100L)]
    [InlineData("bursar_training_step{rank=\"0\"} 100\nbursar_training_step{rank=\"1\"} many\n", ScrapeOutcome.Malformed, null)]
    public void Progress_beside_an_odd_line_is_read_unless_a_rank_may_be_missing(string page, ScrapeOutcome outcome, long? step)
    {
        var result = ExpositionReader.ReadProgress(Encoding.UTF8.GetBytes(page), new ScrapeOptions());

        (result.Outcome, result.Progress?.Step, result.SkippedLines).Should().Be((outcome, step, 1));
    }

    [Fact]
    public void Gangs_progress_is_its_slowest_rank()
    {
        var result = ExpositionReader.ReadProgress(
            "bursar_training_step{rank=\"0\"} 120\nbursar_training_step{rank=\"1\"} 100\nbursar_training_steps 30000\nbursar_training_checkpoint_timestamp_seconds 1.7e9\n"u8,
            new ScrapeOptions()
        );

        result.Progress.Should().Be(new TrainingProgress(100, 30000, DateTimeOffset.FromUnixTimeSeconds(1_700_000_000)));
    }

    [Fact]
    public async Task Page_is_read_from_the_pods_address()
    {
        _answer = context => context.Response.WriteAsync(context.Request.Path == "/metrics" ? VllmPage : "");

        (await ScrapeAsync()).Tokens.Should().HaveCount(2);
        (await ScrapeAsync(kind: "progress")).Outcome.Should().Be(ScrapeOutcome.Nothing);
        (await ScrapeAsync(kind: "sglang")).Outcome.Should().Be(ScrapeOutcome.UnknownKind);
        (await ScrapeAsync(path: "metrics")).Outcome.Should().Be(ScrapeOutcome.NoAddress);
    }

    [Fact]
    public async Task Redirect_is_not_followed()
    {
        int asked = 0;
        _answer = context =>
        {
            asked++;
            context.Response.Redirect($"http://127.0.0.1:{_port}/elsewhere");
            return Task.CompletedTask;
        };

        (await ScrapeAsync()).Outcome.Should().Be(ScrapeOutcome.Redirect);
        asked.Should().Be(1);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Page_beyond_the_limit_is_left(bool announced)
    {
        byte[] much = new byte[64 * 1024];
        _answer = async context =>
        {
            if (announced)
                context.Response.ContentLength = 80L * much.Length;
            for (int i = 0; i < 80 && !context.RequestAborted.IsCancellationRequested; i++)
                await context.Response.Body.WriteAsync(much);
        };

        (await ScrapeAsync()).Outcome.Should().Be(ScrapeOutcome.TooLarge);
    }

    [Fact]
    public async Task Slow_page_is_left_after_two_seconds()
    {
        var asked = new TaskCompletionSource();
        _answer = async context =>
        {
            await context.Response.WriteAsync("bursar_training_step 1\n");
            await context.Response.Body.FlushAsync();
            asked.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted).ContinueWith(_ => { }, TaskScheduler.Default);
        };
        var scrape = ScrapeAsync(kind: "progress");
        await asked.Task.WaitAsync(TimeSpan.FromSeconds(30));
        scrape.IsCompleted.Should().BeFalse();

        _time.Advance(TimeSpan.FromSeconds(2));

        (await scrape.WaitAsync(TimeSpan.FromSeconds(30))).Outcome.Should().Be(ScrapeOutcome.TimedOut);
    }

    [Fact]
    public async Task Target_that_fails_is_counted_and_harms_no_other()
    {
        _answer = context =>
            context.Response.WriteAsync(
                context.Request.Path == "/good" ? "bursar_training_step 100\nbursar_training_steps 30000\n" : "not metrics at all\n"
            );
        var targets = new TargetStore();
        targets.Replace(
            new TargetList
            {
                Pods =
                [
                    Pod("bad", "/bad"),
                    Pod("good", "/good"),
                    new TargetPod { Uid = "none", Scrape = [new ScrapeTarget { Port = 1, Kind = ScrapeTarget.Serving }] },
                ],
            }
        );
        var counters = new AgentCounters();
        using var journal = UsageJournal.Open(new JournalOptions(), new Random(1), _time, NullLogger.Instance);
        using var progress = new ProgressIntake(journal, _time);
        using var scraper = new PodScraper(new ScrapeOptions(), _time);
        var loop = new ScrapeLoop(
            scraper,
            new ScrapeOptions(),
            targets,
            progress,
            new TokenIntake(journal, _time),
            counters,
            _time,
            NullLogger<ScrapeLoop>.Instance
        );

        await loop.ScrapeAllAsync(default);

        journal
            .Read("n", null)
            .Progress.Should()
            .ContainSingle()
            .Which.Should()
            .BeEquivalentTo(
                new
                {
                    PodUid = "good",
                    Step = 100L,
                    Total = 30000L,
                }
            );
        counters
            .Scrapes.Should()
            .Equal(
                new Dictionary<string, long>
                {
                    ["Malformed"] = 1,
                    ["Ok"] = 1,
                    ["NoAddress"] = 1,
                }
            );
    }

    [Fact]
    public void Progress_is_journaled_once_a_second_and_the_newest_of_a_second_is_not_lost()
    {
        using var journal = UsageJournal.Open(new JournalOptions(), new Random(1), _time, NullLogger.Instance);
        using var intake = new ProgressIntake(journal, _time);
        foreach (long step in new long[] { 1, 1, 2, 3 })
            intake.Record(
                new ProgressSample
                {
                    PodUid = "u",
                    Step = step,
                    Total = step == 1 ? 10 : null,
                }
            );

        _time.Advance(TimeSpan.FromSeconds(1));

        journal.Read("n", null).Progress.Select(p => (p.Step, p.Total)).Should().Equal((1, 10), (3, 10));
    }

    [Fact]
    public void Thinned_out_token_counters_keep_their_last_value_before_a_restart()
    {
        using var journal = UsageJournal.Open(new JournalOptions(), new Random(1), _time, NullLogger.Instance);
        var intake = new TokenIntake(journal, _time);
        foreach (long generated in new long[] { 10, 20, 30, 5, 8 })
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            intake.Record(
                new TokenSample
                {
                    PodUid = "u",
                    Model = "m",
                    Prompt = 100,
                    Generated = generated,
                }
            );
        }
        intake.Retain(new HashSet<string>());

        journal.Read("n", null).Tokens.Select(t => t.Generated).Should().Equal(10, 30, 5, 8);
    }

    [Fact]
    public void Requests_are_journaled_with_the_tokens_and_any_counter_shows_a_restart()
    {
        using var journal = UsageJournal.Open(new JournalOptions(), new Random(1), _time, NullLogger.Instance);
        var intake = new TokenIntake(journal, _time);
        // The tokens have already overtaken what they were before the restart.
        foreach (var (prompt, requests) in new (long, long)[] { (300, 3), (400, 4), (900, 1) })
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            intake.Record(
                new TokenSample
                {
                    PodUid = "u",
                    Model = "m",
                    Prompt = prompt,
                    Generated = 10,
                    Requests = requests,
                }
            );
        }
        intake.Retain(null);

        journal.Read("n", null).Tokens.Select(t => t.Requests).Should().Equal(3, 4, 1);
    }

    /// <summary>An agent that is a version older writes lines without requests: absent, and not zero.</summary>
    [Fact]
    public void Journal_keeps_requests_over_a_restart()
    {
        using var folder = new TestFolder();
        var options = new JournalOptions { Directory = folder.Path };
        using (var before = UsageJournal.Open(options, new Random(1), _time, NullLogger.Instance))
            before.Append([
                JournalEntry.From(
                    new TokenSample
                    {
                        PodUid = "u",
                        Model = "m",
                        Prompt = 7,
                        Requests = 3,
                    }
                ),
                JournalEntry.From(
                    new TokenSample
                    {
                        PodUid = "u",
                        Model = "m",
                        Prompt = 8,
                    }
                ),
            ]);

        using var after = UsageJournal.Open(options, new Random(2), _time, NullLogger.Instance);

        after.Read("n", null).Tokens.Select(t => t.Requests).Should().Equal(3, null);
        File.ReadAllText(Directory.EnumerateFiles(folder.Path).Single())
            .Should()
            .Contain("\"requests\":3")
            .And.NotContain("\"requests\":null");
    }

    private static TargetPod Pod(string uid, string path, int port) =>
        new()
        {
            Uid = uid,
            Namespace = "ml",
            Name = uid,
            Ips = ["127.0.0.1"],
            Scrape =
            [
                new ScrapeTarget
                {
                    Port = port,
                    Path = path,
                    Kind = "progress",
                },
            ],
        };

    private TargetPod Pod(string uid, string path) => Pod(uid, path, _port);

    private async Task<ScrapeResult> ScrapeAsync(string kind = ScrapeTarget.Serving, string path = "/metrics")
    {
        using var scraper = new PodScraper(new ScrapeOptions(), _time);
        return await scraper.ScrapeAsync(
            Pod("u", "/"),
            new ScrapeTarget
            {
                Port = _port,
                Path = path,
                Kind = kind,
            },
            default
        );
    }
}
