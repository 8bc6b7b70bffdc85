using System.Net;
using Bursar.Core.Text;
using Bursar.Operator.Http;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Integration.Operator.Http;

public sealed class OperatorListenerTests
{
    [Fact]
    public async Task Metrics_health_and_readiness_are_served_at_the_reported_address()
    {
        using var metrics = new OperatorMetrics(TimeProvider.System);
        var ready = false;
        await using var listener = await OperatorListener.StartAsync(
            "127.0.0.1:0",
            metrics,
            () => ready,
            NullLoggerFactory.Instance,
            default
        );
        using var http = new HttpClient { BaseAddress = new Uri($"http://{listener.Address}") };

        using var page = await http.GetAsync("/metrics");
        page.Content.Headers.ContentType!.ToString().Should().Be("text/plain; version=0.0.4; charset=utf-8");
        PrometheusText
            .Parse(await page.Content.ReadAsStringAsync())
            .Should()
            .Contain(s => s.Name == "bursar_build_info" && s.Label("component") == "operator");

        (await http.GetAsync("/healthz")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await http.GetAsync("/readyz")).StatusCode.Should().Be(HttpStatusCode.ServiceUnavailable);
        ready = true;
        (await http.GetAsync("/readyz")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await http.GetAsync("/")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await http.PostAsync("/metrics", null)).StatusCode.Should().Be(HttpStatusCode.MethodNotAllowed);
    }

    [Theory]
    [InlineData("8080")]
    [InlineData("nowhere.example:80")]
    [InlineData("127.0.0.1:99999")]
    public async Task Invalid_address_is_rejected(string address)
    {
        using var metrics = new OperatorMetrics(TimeProvider.System);

        await FluentActions
            .Awaiting(() => OperatorListener.StartAsync(address, metrics, () => true, NullLoggerFactory.Instance, default))
            .Should()
            .ThrowAsync<FormatException>();
    }

    [Fact]
    public async Task Answers_of_the_API_server_are_timed_and_those_of_others_are_not()
    {
        using var one = new OperatorMetrics(TimeProvider.System);
        await using var server = await OperatorListener.StartAsync("127.0.0.1:0", one, () => true, NullLoggerFactory.Instance, default);
        await using var stranger = await OperatorListener.StartAsync("127.0.0.1:0", one, () => true, NullLoggerFactory.Instance, default);
        using var metrics = new OperatorMetrics(TimeProvider.System, new Uri($"http://{server.Address}"));
        using var http = new HttpClient();

        await http.GetAsync($"http://{server.Address}/healthz");
        await http.PatchAsync($"http://{server.Address}/healthz", null);
        await http.DeleteAsync($"http://{stranger.Address}/healthz");

        var samples = PrometheusText.Parse(metrics.Scrape());
        samples
            .Where(s => s.Name == "bursar_api_request_duration_seconds_count")
            .Select(s => (s.Label("method"), s.Label("code"), s.Value))
            .Should()
            .BeEquivalentTo(new[] { ("GET", "200", 1.0), ("PATCH", "405", 1.0) });
        samples.Where(s => s.Name == "bursar_api_writes_total").Should().ContainSingle().Which.Label("method").Should().Be("PATCH");
    }
}
