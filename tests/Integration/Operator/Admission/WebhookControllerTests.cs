using System.Text;
using System.Text.Json.Nodes;
using Bursar.Operator.Admission;
using Bursar.Sandbox.Merging;
using Bursar.Sandbox.Time;
using Bursar.Tests.Integration.Kubernetes;
using Bursar.Tests.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Integration.Operator.Admission;

/// <summary>The webhook controller against a server that has one webhook configuration.</summary>
public sealed class WebhookControllerTests : IAsyncLifetime
{
    private readonly VirtualTimeProvider _time = new(new DateTimeOffset(2026, 11, 21, 8, 0, 0, TimeSpan.Zero));
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private JsonNode? _configuration = JsonNode.Parse(
        """
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "gpu-costs", "uid": "1", "resourceVersion": "1"},
         "webhooks": [{"name": "jobs.admission.bursar.dev", "clientConfig": {"service": {"name": "bursar-webhook", "namespace": "bursar", "path": "/admit"}}},
                      {"name": "jobsets.admission.bursar.dev", "clientConfig": {"caBundle": "b2xk", "service": {"name": "bursar-webhook", "namespace": "bursar", "path": "/admit"}}}]}
        """
    );
    private string? _roots = "ROOT A\n";
    private int _version = 1;
    private int _patches;
    private bool _conflicts;
    private ScriptedServer _server = null!;

    public async Task InitializeAsync() =>
        _server = await ScriptedServer.StartAsync(
            (asked, context) =>
            {
                lock (_gate)
                {
                    asked.Path.Should().Be("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/gpu-costs");
                    if (_configuration is null)
                        return context.StatusAsync(404, "NotFound");
                    if (asked.Method == "PATCH")
                    {
                        _patches++;
                        if (_conflicts)
                            return context.StatusAsync(422, "Invalid");
                        _configuration = JsonPatch.Apply(_configuration, JsonNode.Parse(asked.Body))!;
                        _configuration["metadata"]!["resourceVersion"] = $"{++_version}";
                    }
                    return context.JsonAsync(_configuration.ToJsonString());
                }
            }
        );

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _server.DisposeAsync();
        _stop.Dispose();
    }

    [Fact]
    public async Task Webhooks_get_the_roots_once_and_again_after_a_change_or_reset()
    {
        await StartAsync(null);
        Bundles().Should().Equal("ROOT A\n", "ROOT A\n");
        _patches.Should().Be(1);
        await RunPassAsync(WebhookController.PollInterval);
        _patches.Should().Be(1, "nothing is due");

        // The overlap of two roots.
        _roots = "ROOT A\nROOT B\n";
        await RunPassAsync(WebhookController.PollInterval);
        Bundles().Should().Equal("ROOT A\nROOT B\n", "ROOT A\nROOT B\n");

        // An installer that replaces the whole object.
        lock (_gate)
        {
            _configuration!["webhooks"]![0]!["clientConfig"]!.AsObject().Remove("caBundle");
            _configuration["webhooks"]![1]!["clientConfig"]!["caBundle"] = "";
        }
        await RunPassAsync(WebhookController.PollInterval);
        Bundles().Should().Equal("ROOT A\nROOT B\n", "ROOT A\nROOT B\n");
        lock (_gate)
            ((string)_configuration!["webhooks"]![0]!["clientConfig"]!["service"]!["name"]!).Should().Be("bursar-webhook");
    }

    [Fact]
    public async Task Webhooks_outside_a_cluster_get_the_URL()
    {
        await StartAsync(new Uri("https://127.0.0.1:9443/admit"));
        lock (_gate)
        {
            _configuration!["webhooks"]!
                .AsArray()
                .Select(webhook => (string?)webhook!["clientConfig"]!["url"])
                .Should()
                .Equal("https://127.0.0.1:9443/admit", "https://127.0.0.1:9443/admit");
            _configuration["webhooks"]!
                .AsArray()
                .Should()
                .OnlyContain(webhook => webhook!["clientConfig"]!["service"] == null, "it is one or the other");
        }
        await RunPassAsync(WebhookController.PollInterval);
        _patches.Should().Be(1);
    }

    [Fact]
    public async Task Webhook_of_the_creator_gets_the_URL_of_its_own_path()
    {
        _configuration!["webhooks"]![1]!["name"] = "creator.jobs.admission.bursar.dev";
        await StartAsync(new Uri("https://bursar.example/x/admit"));
        lock (_gate)
            _configuration["webhooks"]!
                .AsArray()
                .Select(webhook => (string?)webhook!["clientConfig"]!["url"])
                .Should()
                .Equal("https://bursar.example/x/admit", "https://bursar.example/x/creator");
        await RunPassAsync(WebhookController.PollInterval);
        _patches.Should().Be(1);
    }

    [Fact]
    public async Task Controller_waits_for_roots_and_configuration_and_retries_after_a_conflict()
    {
        var there = _configuration;
        (_roots, _configuration) = (null, null);
        await StartAsync(null);
        _server.Requests.Should().BeEmpty();
        _roots = "ROOT A\n";
        await RunPassAsync(WebhookController.RetryEvery);
        _patches.Should().Be(0, "the chart's admission is off");
        lock (_gate)
            (_configuration, _conflicts) = (there, true);
        await RunPassAsync(WebhookController.PollInterval);
        _patches.Should().Be(1);
        lock (_gate)
            _conflicts = false;
        await RunPassAsync(WebhookController.RetryEvery);
        Bundles().Should().Equal("ROOT A\n", "ROOT A\n");
    }

    private string[] Bundles()
    {
        lock (_gate)
            return
            [
                .. _configuration!["webhooks"]!
                    .AsArray()
                    .Select(webhook =>
                        Encoding.UTF8.GetString(Convert.FromBase64String((string?)webhook!["clientConfig"]!["caBundle"] ?? ""))
                    ),
            ];
    }

    private async Task StartAsync(Uri? url)
    {
        _ = new WebhookController(_server.Client(), "gpu-costs", () => _roots, url, _time, NullLogger<WebhookController>.Instance).RunAsync(
            _stop.Token
        );
        await Eventually.TrueAsync(() => _time.Pending == 1, "the first look is over");
    }

    private async Task RunPassAsync(TimeSpan by)
    {
        var end = _time.GetUtcNow() + by;
        _time.Advance(by);
        await Eventually.TrueAsync(() => _time.NextDue > end, "the look is over");
    }
}
