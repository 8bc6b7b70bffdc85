using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The trigger <c>prometheus</c> against a real one, with TLS and a login, that reads a gateway.
/// </summary>
public sealed class RealPrometheusTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [SkippableFact]
    public async Task Gateway_queue_scales_and_a_missing_answer_keeps_the_replicas()
    {
        PrometheusServer.Require();
        int? waiting = 6;
        await using var gateway = await GatewayAsync(() => waiting);
        await using var server = await PrometheusServer.StartAsync(new Uri(gateway.Urls.First()).Authority);
        await server.UntilAsync("sum(gateway_waiting)", "6");

        await using var world = await ClusterWorld.StartAsync(
            real: false,
            new AgentPlacement(),
            Ct,
            new FleetNode
            {
                Name = "gpu-1",
                Gpu = SimulatedGpuModel.V100,
                Gpus = 16,
            }
        );
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        await world.StartOperatorAsync(Ct, new() { PrometheusSources = server.Sources });
        await Scalers.ServeAsync(scene, "chat", replicas: 0);
        await Scalers.ScalerAsync(scene, "chat", Spec("sum(gateway_waiting)"));
        await scene.UntilAsync("it is awake", async () => await scene.ReplicasAsync("chat") == 3);

        waiting = 10;
        await server.UntilAsync("sum(gateway_waiting)", "10");
        await scene.UntilAsync("it has grown", async () => await scene.ReplicasAsync("chat") == 5);

        foreach (
            var (query, error) in ((string, string)[])
                [
                    ("sum(gateway_wating)", "empty"),
                    ("sum(gateway_waiting) by (", "bad_data"),
                    ("gateway_waiting[1m]", "matrix"),
                    ("sum(gateway_waiting) / 0", "Inf"),
                    ("0 * sum(gateway_waiting) / 0", "NaN"),
                ]
        )
        {
            await AskAsync(scene, query);
            await scene.UntilAsync($"{query} is an error", async () =>
                await Scalers.StatusAsync(scene, "chat") is { Reason: "MetricsUnavailable", Message: { } text }
                && text.Contains(error, StringComparison.Ordinal)
            );
            await scene.PassAsync(120);
            (await scene.ReplicasAsync("chat")).Should().Be(5, "{0}", query);
        }
        await AskAsync(scene, "scalar(sum(gateway_waiting)) - 4");
        await scene.UntilAsync("it has shrunk", async () => await scene.ReplicasAsync("chat") == 3, TimeSpan.FromMinutes(6));
        // The gateway is stopped, so Prometheus returns an empty result.
        waiting = null;
        await server.UntilAsync("sum(gateway_waiting)", null);
        await AskAsync(scene, "sum(gateway_waiting)");
        await scene.UntilAsync("it is missed", async () => await Scalers.StatusAsync(scene, "chat") is { Reason: "MetricsUnavailable" });
        await scene.PassAsync(400);
        (await scene.ReplicasAsync("chat")).Should().Be(3);

        await File.WriteAllTextAsync(server.PasswordFile, "another", Ct);
        await scene.UntilAsync("the login is refused", async () =>
            await Scalers.StatusAsync(scene, "chat") is { Message: { } text }
            && text.Contains("401", StringComparison.Ordinal)
            && !text.Contains("another", StringComparison.Ordinal)
        );
    }

    private static string Spec(string query) =>
        $$$"""
            "maxReplicaCount": 8, "pollingInterval": 1, "cooldownPeriod": 30, "triggers": [{"type": "prometheus", "metadata": {"query": "{{{query}}}", "threshold": "2"}}]
            """;

    private static Task AskAsync(Scene scene, string query) =>
        scene.World.Client.PatchAsync<V1Alpha1InferenceScaler>(
            "chat",
            scene.Team,
            KubePatch.Merge(new JsonObject { ["spec"] = JsonNode.Parse("{" + Spec(query) + "}") }),
            Ct
        );

    private static async Task<WebApplication> GatewayAsync(Func<int?> waiting)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var application = builder.Build();
        application.MapGet("/metrics", () =>
            waiting() is { } count
                ? Results.Text(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"# TYPE gateway_waiting gauge\ngateway_waiting{{model=\"chat\"}} {count}\n"
                    ),
                    "text/plain; version=0.0.4"
                )
                : Results.StatusCode(503)
        );
        await application.StartAsync(Ct);
        return application;
    }
}
