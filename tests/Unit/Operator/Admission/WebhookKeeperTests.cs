using System.Text;
using System.Text.Json.Nodes;
using Bursar.Operator.Admission;
using Bursar.Sandbox.Merging;
using Bursar.Tests.TestKit;
using Bursar.Tests.Unit.Agent;
using Bursar.Tests.Unit.Kube;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Unit.Operator.Admission;

/// <summary>The keeper before a server that holds one webhook configuration.</summary>
public sealed class WebhookKeeperTests : IAsyncLifetime
{
    private readonly ManualTimeProvider time = new(new DateTimeOffset(2026, 11, 21, 8, 0, 0, TimeSpan.Zero));
    private readonly CancellationTokenSource stop = new();
    private readonly Lock gate = new();
    private JsonNode? configuration = JsonNode.Parse("""
        {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "bursar", "uid": "1", "resourceVersion": "1"},
         "webhooks": [{"name": "jobs.admission.bursar.dev", "clientConfig": {"service": {"name": "bursar-webhook", "namespace": "bursar", "path": "/admit"}}},
                      {"name": "jobsets.admission.bursar.dev", "clientConfig": {"caBundle": "b2xk", "service": {"name": "bursar-webhook", "namespace": "bursar", "path": "/admit"}}}]}
        """);
    private string? roots = "ROOT A\n";
    private int version = 1;
    private int patches;
    private bool conflicts;
    private ScriptedServer server = null!;

    public async Task InitializeAsync() => server = await ScriptedServer.StartAsync((asked, context) =>
    {
        lock (gate)
        {
            asked.Path.Should().Be("/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/bursar");
            if (configuration is null) return context.StatusAsync(404, "NotFound");
            if (asked.Method == "PATCH")
            {
                patches++;
                if (conflicts) return context.StatusAsync(422, "Invalid");
                configuration = JsonPatch.Apply(configuration, JsonNode.Parse(asked.Body))!;
                configuration["metadata"]!["resourceVersion"] = $"{++version}";
            }
            return context.JsonAsync(configuration.ToJsonString());
        }
    });

    public async Task DisposeAsync()
    {
        await stop.CancelAsync();
        await server.DisposeAsync();
        stop.Dispose();
    }

    [Fact]
    public async Task Every_webhook_is_told_the_roots_once_and_again_when_they_change_or_are_reset()
    {
        await StartAsync(null);
        Bundles().Should().Equal("ROOT A\n", "ROOT A\n");
        patches.Should().Be(1);
        await LookAsync(WebhookKeeper.LookEvery);
        patches.Should().Be(1, "nothing is due");

        // The overlap of two roots.
        roots = "ROOT A\nROOT B\n";
        await LookAsync(WebhookKeeper.LookEvery);
        Bundles().Should().Equal("ROOT A\nROOT B\n", "ROOT A\nROOT B\n");

        // An installer that writes the whole object anew.
        lock (gate)
        {
            configuration!["webhooks"]![0]!["clientConfig"]!.AsObject().Remove("caBundle");
            configuration["webhooks"]![1]!["clientConfig"]!["caBundle"] = "";
        }
        await LookAsync(WebhookKeeper.LookEvery);
        Bundles().Should().Equal("ROOT A\nROOT B\n", "ROOT A\nROOT B\n");
        lock (gate) ((string)configuration!["webhooks"]![0]!["clientConfig"]!["service"]!["name"]!).Should().Be("bursar-webhook");
    }

    [Fact]
    public async Task Outside_a_cluster_they_are_told_where_it_is()
    {
        await StartAsync(new Uri("https://127.0.0.1:9443/admit"));
        lock (gate)
        {
            configuration!["webhooks"]!.AsArray().Select(webhook => (string?)webhook!["clientConfig"]!["url"]).Should().Equal("https://127.0.0.1:9443/admit", "https://127.0.0.1:9443/admit");
            configuration["webhooks"]!.AsArray().Should().OnlyContain(webhook => webhook!["clientConfig"]!["service"] == null, "it is one or the other");
        }
        await LookAsync(WebhookKeeper.LookEvery);
        patches.Should().Be(1);
    }

    [Fact]
    public async Task It_waits_for_roots_and_for_a_configuration_and_another_writer_goes_first()
    {
        var there = configuration;
        (roots, configuration) = (null, null);
        await StartAsync(null);
        server.Requests.Should().BeEmpty();
        roots = "ROOT A\n";
        await LookAsync(WebhookKeeper.RetryEvery);
        patches.Should().Be(0, "the chart's admission is off");
        lock (gate) (configuration, conflicts) = (there, true);
        await LookAsync(WebhookKeeper.LookEvery);
        patches.Should().Be(1);
        lock (gate) conflicts = false;
        await LookAsync(WebhookKeeper.RetryEvery);
        Bundles().Should().Equal("ROOT A\n", "ROOT A\n");
    }

    private string[] Bundles()
    {
        lock (gate) return [.. configuration!["webhooks"]!.AsArray().Select(webhook => Encoding.UTF8.GetString(Convert.FromBase64String((string?)webhook!["clientConfig"]!["caBundle"] ?? "")))];
    }

    private async Task StartAsync(Uri? url)
    {
        _ = new WebhookKeeper(server.Client(), () => roots, url, time, NullLogger<WebhookKeeper>.Instance).RunAsync(stop.Token);
        await Eventually.TrueAsync(() => time.PendingTimers == 1, "the first look is over");
    }

    private async Task LookAsync(TimeSpan by)
    {
        var end = time.GetUtcNow() + by;
        time.Advance(by);
        await Eventually.TrueAsync(() => time.NextDue > end, "the look is over");
    }
}
