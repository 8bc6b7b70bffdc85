using System.Text;
using Bursar.Agent.Scrape;
using Bursar.Sandbox.Nodes;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Nodes;

public sealed class ServedLoadTests
{
    private static readonly DateTimeOffset Start = new(2026, 11, 22, 8, 0, 0, TimeSpan.Zero);

    /// <summary>A server of two slots: 100 prompt tokens are read in 0.1 s, a token takes 0.1 s.</summary>
    private static readonly ServiceModel Model = new()
    {
        Slots = 2,
        PrefillTokensPerSecond = 1000,
        BetweenTokens = TimeSpan.FromSeconds(0.1),
    };

    [Fact]
    public void Request_waits_is_read_and_answered_token_by_token()
    {
        var load = new ServedLoad(Model, [Request(1), Request(1), Request(1)]);
        load.Get("a", At(0)).Should().BeNull();
        load.Join("a", At(0));
        var shown = load.Get("a", At(1.25))!;
        (shown.Running, shown.Waiting, shown.PromptTokens, shown.GeneratedTokens, shown.Use).Should().Be((2, 1, 200, 2, 1));
        // First tokens at 1.2, of ten the last at 2.1; the third begins then, and ends at 3.2.
        load.Get("a", At(2.1))!.Requests.Should().Be(2);
        (load.Get("a", At(2.2))!.Running, load.Get("a", At(2.2))!.Waiting).Should().Be((1, 0));
        load.EndedBy(At(10))
            .Select(one => ((one.FirstToken - Start).TotalSeconds, (one.Ended - Start).TotalSeconds))
            .Should()
            .Equal((1.2, 2.1), (1.2, 2.1), (2.3, 3.2));
        shown = load.Get("a", At(10))!;
        (shown.PromptTokens, shown.GeneratedTokens, shown.FirstToken.Count, shown.BetweenTokens.Count, shown.EndToEnd.Count, shown.Busy)
            .Should()
            .Be((300, 30, 3, 27, 3, 0));
        shown.Sums.FirstToken.Should().BeApproximately(0.2 + 0.2 + 1.3, 1e-9);
        shown.Worked.TotalSeconds.Should().BeApproximately(1.1 * 0.95 + 1.1 * 0.625, 1e-6);
    }

    [Fact]
    public void Requests_wait_for_a_server_and_go_to_the_least_loaded()
    {
        var load = new ServedLoad(Model, Enumerable.Range(0, 8).Select(_ => Request(0)));
        load.WaitingBefore(At(5)).Should().Be(8);
        load.Join("a", At(5));
        load.WaitingBefore(At(5)).Should().Be(0, "they are the server's now");
        load.Join("b", At(6));
        load.Offer(Request(7));
        load.Get("b", At(7))!.Running.Should().Be(1);
        load.ArrivedBy(At(7)).Should().Be(9);
    }

    [Fact]
    public void Unfinished_requests_of_a_removed_server_restart_on_another()
    {
        var load = new ServedLoad(Model with { MaxWaiting = 0 }, [Request(0), Request(0), Request(0)]);
        load.Join("a", At(0));
        load.WaitingBefore(At(0.5)).Should().Be(1);
        load.Drain("a", At(0.5));
        load.Get("a", At(5))!.Requests.Should().Be(2, "it ends what it has");
        load.WaitingBefore(At(5)).Should().Be(1, "and gets nothing more");
        load.Join("b", At(5));
        load.Leave("b", At(5.5));
        load.Join("c", At(6));
        var last = load.EndedBy(At(20))[^1];
        (last.Arrived, last.Server, last.FirstToken).Should().Be((At(0), "c", At(6.2)));
        load.EndedBy(At(20)).Should().HaveCount(3);
    }

    [Fact]
    public void Frequency_of_queries_changes_no_result()
    {
        var random = new Random(4);
        ServedRequest[] requests =
        [
            .. Enumerable
                .Range(0, 400)
                .Select(_ => new ServedRequest(At(random.NextDouble() * 60), random.Next(1, 500), random.Next(1, 60))),
        ];
        ServedLoad Run(double step)
        {
            var load = new ServedLoad(Model with { Slots = 6 }, requests);
            load.Join("a", At(1));
            for (double at = 1; at < 30; at += step)
                load.Get("a", At(at));
            load.Join("b", At(30));
            for (double at = 30; at < 60; at += step)
                load.Get("b", At(at));
            load.Leave("a", At(60));
            return load;
        }
        var (seldom, often) = (Run(29), Run(0.13));
        often.EndedBy(At(600)).Should().Equal(seldom.EndedBy(At(600))).And.HaveCount(400);
        often.Get("b", At(600))!.Worked.Should().BeCloseTo(seldom.Get("b", At(600))!.Worked, TimeSpan.FromMilliseconds(1));
    }

    [Fact]
    public void Page_is_one_that_the_agent_reads()
    {
        var load = new ServedLoad(Model, [Request(0), Request(0), Request(0)]);
        load.Join("a", At(0));
        var read = new ServingReader(ServingMetrics.Known).Read(VllmPage.Write("chat", load.Get("a", At(1.15))));
        read.Outcome.Should().Be(ScrapeOutcome.Ok);
        read.Gauges.Should().Be(new ServingGauges(1, 0, 0.5));
        read.Tokens.Should().ContainSingle().Which.Should().Be(new ModelTokens("chat", 200, null, 20, 2));
        read.Histograms.Select(one => (one.Figure, one.Histogram.Count))
            .Should()
            .Equal((ServingLatency.FirstToken, 2), (ServingLatency.BetweenTokens, 18), (ServingLatency.EndToEnd, 2));
        Encoding
            .UTF8.GetString(VllmPage.Write("chat", null))
            .Should()
            .Contain("vllm:num_requests_running{model_name=\"chat\",engine=\"0\"} 0");
    }

    private static DateTimeOffset At(double seconds) => Start + TimeSpan.FromSeconds(seconds);

    private static ServedRequest Request(double at) => new(At(at), 100, 10);
}
