using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Operator.Scaling.External.Wire;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.Integration.Operator.Scaling.External;
using Bursar.Tests.TestKit;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace Bursar.Tests.EndToEnd;

/// <summary>Scalers beside others: an HPA and KEDA that own the target, KEDA that asks, a Prometheus that is asked.</summary>
public sealed class ScalerInteropTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task HPA_of_the_target_is_capped_and_its_maximum_is_restored()
    {
        await using var world = await OpenAsync();
        var scene = await Scene.OpenAsync(world, "team");
        await world.StartOperatorAsync(Ct);
        await Scalers.ServeAsync(scene, "chat", replicas: 4);
        await HpaAsync(scene);
        var hpa = new FakeAutoscaler(scene);
        // A scaler without triggers only caps.
        await Scalers.ScalerAsync(scene, "chat", """ "minReplicaCount": 1, "costCap": {"perHour": "7"} """);
        await hpa.UntilAsync("the maximum is what the budget affords", async () => await MaxAsync(scene) == 2);
        await hpa.UntilAsync("the HPA has taken the others away", async () => await scene.ReplicasAsync("chat") == 2);
        await scene.UntilAsync("the status names the manager", async () =>
            (await Scalers.StatusAsync(scene, "chat"))
                is { Reason: "CostCapped" or "CappedThroughAutoscaler", Affordable: 2, Message: { } text }
            && text.Contains("HorizontalPodAutoscaler scales it (chat-hpa)", StringComparison.Ordinal)
        );

        await world.Client.PatchAsync<V1Alpha1InferenceScaler>(
            "chat",
            scene.Team,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["costCap"] = new JsonObject { ["perHour"] = "10" } } }),
            Ct
        );
        await hpa.UntilAsync("the maximum follows the cap", async () => await MaxAsync(scene) == 3);
        await world.Client.DeleteAsync<V1Alpha1InferenceScaler>("chat", scene.Team, null, Ct);
        await hpa.UntilAsync("without the scaler it is its own again", async () => await MaxAsync(scene) == 8);
    }

    [Fact]
    public async Task HPA_maximum_reverted_repeatedly_is_contested()
    {
        await using var world = await OpenAsync();
        var scene = await Scene.OpenAsync(world, "team");
        await world.StartOperatorAsync(Ct);
        await Scalers.ServeAsync(scene, "chat", replicas: 2);
        await HpaAsync(scene);
        await Scalers.ScalerAsync(scene, "chat", """ "minReplicaCount": 1, "costCap": {"perHour": "7"} """);
        for (var i = 0; i < 2; i++)
        {
            await scene.UntilAsync("it is lowered", async () => await MaxAsync(scene) == 2, TimeSpan.FromSeconds(60));
            await scene.PassAsync(5);
            await SetMaxAsync(scene, 8);
        }
        // The second time it is still lowered once, and that is the last for a while.
        await scene.UntilAsync("it is lowered", async () => await MaxAsync(scene) == 2, TimeSpan.FromSeconds(60));
        await SetMaxAsync(scene, 8);
        await scene.UntilAsync(
            "it is a contest",
            async () => (await Scalers.StatusAsync(scene, "chat"))?.Reason == "Contested",
            TimeSpan.FromSeconds(30)
        );
        await scene.PassAsync(120);
        (await MaxAsync(scene)).Should().Be(8);
        (await scene.EventsAsync("ScaledByOther", "chat"))
            .Should()
            .Contain(e => e.Note!.Contains("/spec/maxReplicas of HorizontalPodAutoscaler chat-hpa was 8", StringComparison.Ordinal));
        await scene.UntilAsync("it is tried again", async () => await MaxAsync(scene) == 2, TimeSpan.FromMinutes(6));
        await world.Client.DeleteAsync<V1Alpha1InferenceScaler>("chat", scene.Team, null, Ct);
        await scene.UntilAsync("it is as they set it", async () => await MaxAsync(scene) == 8);
    }

    [Fact]
    public async Task ScaledObject_of_the_target_is_capped_by_a_budget_and_released_by_command()
    {
        await using var world = await OpenAsync();
        await FakeManager.ServeAsync(await Scene.OpenAsync(world, "other"), V1ScaledObject.EntityKind);
        var scene = await Scene.OpenAsync(world, "team");
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("7", """{"window": {"period": "Rolling", "length": "1h"}}""");
        await Scalers.ServeAsync(scene, "chat");
        await scene.CreateAsync(
            $"/apis/keda.sh/v1alpha1/namespaces/{scene.Team}/scaledobjects",
            """{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "chat"}, "spec": {"minReplicaCount": 1, "scaleTargetRef": {"name": "chat"}, "triggers": []}}"""
        );
        await Scalers.ScalerAsync(scene, "chat", """ "minReplicaCount": 1, "budgetRef": {"name": "b"} """);
        // KEDA's default maximum is 100.
        await scene.UntilAsync("it may have two", async () => await MaxOfScaledAsync(scene) == 2, TimeSpan.FromSeconds(90));
        (await scene.ReplicasAsync("chat")).Should().Be(1, "KEDA scales it");

        await world.StopOperatorAsync();
        (
            await ReleaseCommand.RunAsync(
                world.Client,
                ClusterWorld.OwnNamespace,
                new ReleaseRequest(null, null, DryRun: false),
                TextWriter.Null,
                Ct
            )
        )
            .Should()
            .Be(0);
        (await MaxOfScaledAsync(scene)).Should().BeNull("it had none");
    }

    [Fact]
    public async Task KEDA_query_is_answered_with_no_more_than_the_budget_affords()
    {
        await using var world = await OpenAsync();
        var scene = await Scene.OpenAsync(world, "team");
        await FakeManager.ServeAsync(scene, V1ScaledObject.EntityKind);
        var address = $"127.0.0.1:{FreePort.Next()}";
        await world.StartOperatorAsync(Ct, new() { ExternalScalerAddress = address });
        var load = await Scalers.ServeAsync(scene, "chat");
        await scene.CreateAsync(
            $"/apis/keda.sh/v1alpha1/namespaces/{scene.Team}/scaledobjects",
            """{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "chat"}, "spec": {"minReplicaCount": 1, "maxReplicaCount": 10, "scaleTargetRef": {"name": "chat"}, "triggers": []}}"""
        );
        using var keda = new GrpcCaller(address);
        ScaledObjectRef Ref(string name, params (string Key, string Value)[] metadata)
        {
            var reference = new ScaledObjectRef { Name = name, Namespace = scene.Team };
            foreach (var (key, value) in metadata)
                reference.ScalerMetadata[key] = value;
            return reference;
        }
        var asked = Ref("chat", ("scalerAddress", address), ("trigger", "queue"), ("waiting", "4"), ("costCapPerHour", "7"));
        async Task<double?> ValueAsync()
        {
            var spec = (await keda.CallAsync("GetMetricSpec", asked)).Only(GetMetricSpecResponse.Parser).MetricSpecs.Single();
            spec.TargetSizeFloat.Should().Be(4);
            var reply = await keda.CallAsync("GetMetrics", new GetMetricsRequest { ScaledObjectRef = asked, MetricName = spec.MetricName });
            return reply.Code == StatusCode.Unavailable
                ? null
                : reply.Only(GetMetricsResponse.Parser).MetricValues.Single().MetricValueFloat;
        }
        await scene.UntilAsync(
            "the ScaledObject is known",
            async () => (await keda.CallAsync("IsActive", asked)).Code is StatusCode.OK or StatusCode.Unavailable,
            TimeSpan.FromSeconds(90)
        );
        await scene.UntilAsync("there is a figure", async () => await ValueAsync() == 0, TimeSpan.FromSeconds(60));
        for (var i = 0; i < 200; i++)
            load.Offer(new(scene.World.Time.GetUtcNow(), 100, 20000));
        // 196 requests wait: 49 replicas by demand, two by the budget.
        await scene.UntilAsync("the budget bounds it", async () => await ValueAsync() == 8, TimeSpan.FromSeconds(30));
        (await keda.CallAsync("IsActive", asked)).Only(IsActiveResponse.Parser).Result.Should().BeTrue();

        (await keda.CallAsync("IsActive", Ref("absent", ("trigger", "queue"), ("waiting", "4")))).Code.Should().Be(StatusCode.NotFound);
        (await keda.CallAsync("IsActive", Ref("chat", ("inferenceScaler", "absent")))).Code.Should().Be(StatusCode.NotFound);
        (await keda.CallAsync("IsActive", Ref("chat", ("trigger", "queue"), ("wating", "4")))).Code.Should().Be(StatusCode.InvalidArgument);

        // The decision of a scaler, for one that KEDA carries out.
        await Scalers.ScalerAsync(
            scene,
            "chat",
            """ "minReplicaCount": 1, "maxReplicaCount": 10, "costCap": {"perHour": "10"}, "triggers": [{"type": "queue", "metadata": {"waiting": "4"}}] """
        );
        var decision = Ref("chat", ("inferenceScaler", "chat"));
        await scene.UntilAsync(
            "its decision is reported",
            async () =>
                (await keda.CallAsync("GetMetrics", new GetMetricsRequest { ScaledObjectRef = decision, MetricName = "bursar-chat" }))
                    is { Code: StatusCode.OK } reply
                && reply.Only(GetMetricsResponse.Parser).MetricValues.Single().MetricValueFloat == 3,
            TimeSpan.FromSeconds(30)
        );
    }

    [Fact]
    public async Task Gateway_queue_scales_from_zero_and_a_Prometheus_outage_keeps_the_replicas()
    {
        var answer = """{"status": "success", "data": {"resultType": "vector", "result": []}}""";
        await using var prometheus = await FakePrometheusAsync(() => answer);
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, $$"""[{"name": "main", "address": "{{prometheus.Urls.First()}}"}]""", Ct);
        try
        {
            await using var world = await OpenAsync();
            var scene = await Scene.OpenAsync(world, "team");
            await world.StartOperatorAsync(Ct, new() { PrometheusSources = file });
            await Scalers.ServeAsync(scene, "chat", replicas: 0);
            await Scalers.ScalerAsync(
                scene,
                "chat",
                """ "maxReplicaCount": 4, "pollingInterval": 1, "cooldownPeriod": 30, "triggers": [{"type": "prometheus", "metadata": {"query": "sum(gateway_waiting)", "threshold": "2"}}] """
            );
            await scene.UntilAsync("an empty answer is an error", async () =>
                (await Scalers.StatusAsync(scene, "chat")) is { Reason: "MetricsUnavailable", Message: { } text }
                && text.Contains("empty", StringComparison.Ordinal)
            );
            (await scene.ReplicasAsync("chat")).Should().Be(0);

            answer = Vector("6");
            await scene.UntilAsync("it is awake", async () => await scene.ReplicasAsync("chat") == 3, TimeSpan.FromSeconds(30));
            foreach (
                var bad in (string[])
                    [
                        Vector("NaN"),
                        """{"status": "error", "errorType": "execution", "error": "out of memory"}""",
                        "<html>",
                        """{"status": "success", "data": {"resultType": "vector", "result": []}}""",
                    ]
            )
            {
                answer = bad;
                await scene.UntilAsync(
                    "it is an error",
                    async () => (await Scalers.StatusAsync(scene, "chat"))?.Reason == "MetricsUnavailable",
                    TimeSpan.FromSeconds(30)
                );
                await scene.PassAsync(120);
                (await scene.ReplicasAsync("chat")).Should().Be(3, "{0}", bad);
            }
            await prometheus.StopAsync(Ct);
            await scene.PassAsync(400);
            (await scene.ReplicasAsync("chat")).Should().Be(3);
        }
        finally
        {
            File.Delete(file);
        }
    }

    internal static string Vector(string value) =>
        $$$"""{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "{{{value}}}"]}]}}""";

    internal static async Task<WebApplication> FakePrometheusAsync(Func<string> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var application = builder.Build();
        application.Run(context =>
        {
            context.Response.ContentType = "application/json";
            return context.Response.WriteAsync(answer(), Encoding.UTF8);
        });
        await application.StartAsync(Ct);
        return application;
    }

    private static async Task SetMaxAsync(Scene scene, int max)
    {
        using var content = new StringContent(
            new JsonObject { ["spec"] = new JsonObject { ["maxReplicas"] = max } }.ToJsonString(),
            Encoding.UTF8,
            "application/merge-patch+json"
        );
        await scene.World.Client.RequestAsync(
            HttpMethod.Patch,
            $"/apis/autoscaling/v2/namespaces/{scene.Team}/horizontalpodautoscalers/chat-hpa",
            content,
            Ct
        );
    }

    /// <summary>One to eight replicas, by a metric with a target for each replica.</summary>
    internal static Task HpaAsync(Scene scene) =>
        scene.CreateAsync(
            $"/apis/autoscaling/v2/namespaces/{scene.Team}/horizontalpodautoscalers",
            """
            {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "chat-hpa"},
             "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}, "minReplicas": 1, "maxReplicas": 8,
                      "metrics": [{"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "1"}}}]}}
            """
        );

    internal static async Task<int> MaxAsync(Scene scene) =>
        (int)
            (
                await scene.World.Client.RequestAsync(
                    HttpMethod.Get,
                    $"/apis/autoscaling/v2/namespaces/{scene.Team}/horizontalpodautoscalers/chat-hpa",
                    null,
                    Ct
                )
            )!["spec"]!["maxReplicas"]!;

    private static async Task<int?> MaxOfScaledAsync(Scene scene) =>
        (int?)
            (await scene.World.Client.RequestAsync(HttpMethod.Get, V1ScaledObject.EntityKind.Path(scene.Team, "chat"), null, Ct))!["spec"]![
                "maxReplicaCount"
            ];

    private static async Task<ClusterWorld> OpenAsync()
    {
        var world = await ClusterWorld.StartAsync(
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
        return world;
    }
}
