using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Telemetry;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Bursar.Tests.EndToEnd;

/// <summary>A node with a dcgm-exporter and without an agent: the operator reads the exporter, and the status reports it.</summary>
public sealed class ExporterTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Exporter_meters_nodes_without_an_agent_and_its_outage_is_reported()
    {
        await using var world = await ClusterWorld.StartAsync(
            real: false,
            Ct,
            new FleetNode { Name = "gpu-1", Gpu = SimulatedGpuModel.V100 }
        );
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        await world.CreateNamespaceAsync("gpu-operator", Ct);
        var address = await ExporterPodAsync(world);
        var pod = "";
        var since = world.Time.GetUtcNow();
        await using var exporter = await ServeAsync(address, () =>
            Page(pod, (long)(world.Time.GetUtcNow() - since).TotalMilliseconds * 70)
        );
        await world.StartOperatorAsync(Ct, new() { Exporters = ExporterSelection.Parse("gpu-operator/app=nvidia-dcgm-exporter") });

        await scene.BudgetAsync("100");
        await scene.JobAsync("train", declared: "2h", runFor: "2h");
        await scene.UntilRunsAsync("train");
        pod = (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Single().Metadata.Name;
        await scene.PassAsync(600);

        var served = (await scene.ConditionAsync("MeteringFresh"))!;
        (served.Status, served.Reason).Should().Be(("True", "Fresh"));
        served.Message.Should().Contain("dcgm-exporter on gpu-1");
        (await scene.StatusAsync())!.Workloads!.Single().MeteredBy.Should().Be("dcgm-exporter");
        var (busy, joules) = (
            await FigureAsync(scene, "bursar_gpu_seconds_total", "busy"),
            await FigureAsync(scene, "bursar_energy_joules_total", null)
        );
        busy.Should().BeInRange(0.8 * 480, 0.8 * 600, "four fifths of what is closed of ten minutes");
        joules.Should().BeApproximately(busy / 0.8 * 70, 70 * 16, "seventy watts");

        await exporter.StopAsync();
        await scene.PassAsync(120);
        var fresh = (await scene.ConditionAsync("MeteringFresh"))!;
        (fresh.Status, fresh.Reason).Should().Be(("True", "AgentMissing"));
        fresh.Message.Should().Contain("gpu-1");
        var after = await FigureAsync(scene, "bursar_gpu_seconds_total", "busy");
        await scene.PassAsync(300);
        (await FigureAsync(scene, "bursar_gpu_seconds_total", "busy")).Should().Be(after, "no source measures");
        (await scene.StatusAsync())!.Workloads!.Single().MeteredBy.Should().Be("api");
    }

    private static string Page(string pod, long millijoules) =>
        string.Create(
                CultureInfo.InvariantCulture,
                $$"""
                DCGM_FI_DEV_GPU_UTIL{gpu="0",UUID="GPU-1",device="nvidia0",modelName="Tesla V100",namespace="team",pod="{{pod}}",container="main"} 80
                DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu="0",UUID="GPU-1",device="nvidia0",modelName="Tesla V100",namespace="team",pod="{{pod}}",container="main"} {{millijoules}}

                """
            )
            .ReplaceLineEndings("\n");

    private static async Task<IPAddress> ExporterPodAsync(ClusterWorld world)
    {
        await world.PostJsonAsync(
            "/api/v1/namespaces/gpu-operator/pods",
            JsonNode
                .Parse(
                    """
                    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dcgm", "namespace": "gpu-operator", "labels": {"app": "nvidia-dcgm-exporter"}},
                     "spec": {"nodeName": "gpu-1", "containers": [{"name": "exporter", "image": "dcgm", "ports": [{"name": "metrics", "containerPort": 9400}]}]}}
                    """
                )!
                .AsObject(),
            Ct
        );
        V1Pod? pod = null;
        await world.UntilAsync(
            "the exporter is ready",
            async () =>
            {
                pod = await world.Client.GetAsync<V1Pod>("dcgm", "gpu-operator", Ct);
                return pod.Status.Condition("Ready") is { Status: "True" } && pod.Status.PodIP is { Length: > 0 };
            },
            Ct
        );
        return IPAddress.Parse(pod!.Status.PodIP!);
    }

    private static async Task<WebApplication> ServeAsync(IPAddress address, Func<string> page)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(k => k.Listen(address, 9400));
        var application = builder.Build();
        application.Run(context => context.Response.WriteAsync(page()));
        await application.StartAsync();
        return application;
    }

    private static async Task<double> FigureAsync(Scene scene, string name, string? basis) =>
        (await scene.World.MetricsAsync(Ct))
            .SingleOrDefault(s => s.Name == name && s.Label("namespace") == scene.Team && (basis is null || s.Label("basis") == basis))
            ?.Value
        ?? 0;
}
