using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// Beside a real KEDA and the real HPA controller. <c>BURSAR_TEST_KEDA</c> names a program that, given <c>KUBECONFIG</c>, installs KEDA's
/// kinds and runs its operator and its metrics API server until it is killed; without it this test is skipped.
/// </summary>
public sealed class RealKedaTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [SkippableFact]
    public async Task KEDA_scales_and_stays_within_the_budget()
    {
        var program = Environment.GetEnvironmentVariable("BURSAR_TEST_KEDA");
        Skip.If(string.IsNullOrEmpty(program), "BURSAR_TEST_KEDA names no program that runs KEDA");
        Skip.IfNot(
            ControlPlane.IsPresent && File.Exists(Path.Combine(ControlPlane.Assets, "kube-controller-manager")),
            "no kube-apiserver with its kube-controller-manager"
        );
        var gateway = 0;
        await using var prometheus = await ScalerInteropTests.FakePrometheusAsync(() =>
            ScalerInteropTests.Vector(Volatile.Read(ref gateway).ToString(CultureInfo.InvariantCulture))
        );
        var sources = Path.GetTempFileName();
        await File.WriteAllTextAsync(sources, $$"""[{"name": "main", "address": "{{prometheus.Urls.First()}}"}]""", Ct);
        await using var world = (RealWorld)
            await ClusterWorld.StartAsync(
                real: true,
                new AgentPlacement(),
                Ct,
                autoscalerSync: TimeSpan.FromSeconds(1),
                new FleetNode
                {
                    Name = "gpu-1",
                    Gpu = SimulatedGpuModel.V100,
                    Gpus = 32,
                }
            );
        using var keda = Process.Start(new ProcessStartInfo(program!) { Environment = { ["KUBECONFIG"] = world.Plane.KubeconfigPath } })!;
        try
        {
            await world.CreateBookAsync("*V100*", "3.06", Ct);
            await world.UntilAsync(
                "KEDA's kinds are served and its metrics come",
                async () =>
                {
                    try
                    {
                        await world.Client.RequestAsync(HttpMethod.Get, V1ScaledObject.EntityKind.Path("default"), null, Ct);
                        await world.Client.RequestAsync(HttpMethod.Get, "/apis/external.metrics.k8s.io/v1beta1", null, Ct);
                        return true;
                    }
                    catch (ApiException)
                    {
                        return false;
                    }
                },
                Ct,
                TimeSpan.FromSeconds(90)
            );
            var door = $"127.0.0.1:{FreePort.Next()}";
            await world.StartOperatorAsync(Ct, new() { ExternalScalerAddress = door, PrometheusSources = sources });
            await AsksAsync(await Scene.OpenAsync(world, "asks"), door);
            await WakesAsync(await Scene.OpenAsync(world, "wakes"), door, waiting => Volatile.Write(ref gateway, waiting));
            await CappedAsync(await Scene.OpenAsync(world, "capped"));
            await SuspendedAsync(await Scene.OpenAsync(world, "suspended"));
        }
        finally
        {
            keda.Kill(entireProcessTree: true);
            await keda.WaitForExitAsync(Ct);
            File.Delete(sources);
        }
    }

    /// <summary>Bursar's trigger in a ScaledObject: the HPA that KEDA creates grows with the queue, as far as the budget affords.</summary>
    private static async Task AsksAsync(Scene scene, string door)
    {
        var load = await Scalers.ServeAsync(scene, "chat");
        await ScaledObjectAsync(
            scene,
            $$""" "minReplicaCount": 1, "maxReplicaCount": 6, "pollingInterval": 1, "triggers": [{{Trigger("7")}}] """
        );
        await scene.UntilAsync("KEDA is content with it", async () => await IsReadyAsync(scene), TimeSpan.FromSeconds(90));
        for (var i = 0; i < 400; i++)
            load.Offer(new(scene.World.Time.GetUtcNow(), 100, 20000));
        await scene.UntilAsync(
            "the HPA has grown as far as the budget affords",
            async () => await scene.ReplicasAsync("chat") == 2,
            TimeSpan.FromSeconds(90)
        );
        await scene.PassAsync(10);
        (await scene.ReplicasAsync("chat")).Should().Be(2);
        await PatchScaledAsync(scene, new JsonObject { ["spec"] = new JsonObject { ["triggers"] = JsonNode.Parse($"[{Trigger("13")}]") } });
        await scene.UntilAsync("a higher limit lets it grow", async () => await scene.ReplicasAsync("chat") == 4, TimeSpan.FromSeconds(90));

        string Trigger(string cap) =>
            $$$"""{"type": "external", "metadata": {"scalerAddress": "{{{door}}}", "trigger": "queue", "waiting": "4", "costCapPerHour": "{{{cap}}}"}}""";
    }

    /// <summary>An InferenceScaler's decision, pushed: from zero and back to it.</summary>
    private static async Task WakesAsync(Scene scene, string door, Action<int> wait)
    {
        await Scalers.ServeAsync(scene, "chat", replicas: 0);
        await Scalers.ScalerAsync(
            scene,
            "chat",
            """ "minReplicaCount": 0, "maxReplicaCount": 5, "pollingInterval": 1, "cooldownPeriod": 5, "costCap": {"perHour": "10"}, "triggers": [{"type": "prometheus", "metadata": {"query": "sum(gateway_waiting)", "threshold": "2"}}], "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0} } } } """
        );
        await ScaledObjectAsync(
            scene,
            $$$""" "minReplicaCount": 0, "maxReplicaCount": 5, "pollingInterval": 600, "cooldownPeriod": 5, "triggers": [{"type": "external-push", "metadata": {"scalerAddress": "{{{door}}}", "inferenceScaler": "chat"}}], "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0} } } } """
        );
        await scene.UntilAsync("KEDA is content with it", async () => await IsReadyAsync(scene), TimeSpan.FromSeconds(90));
        (await scene.ReplicasAsync("chat")).Should().Be(0);
        wait(20);
        await scene.UntilAsync(
            "it is active, as far as the budget affords",
            async () => await scene.ReplicasAsync("chat") == 3,
            TimeSpan.FromSeconds(90)
        );
        // The push alone activated it: KEDA polls every ten minutes. Deactivation needs KEDA's polls.
        wait(0);
        await PatchScaledAsync(scene, new JsonObject { ["spec"] = new JsonObject { ["pollingInterval"] = 1 } });
        await scene.UntilAsync("it sleeps", async () => await scene.ReplicasAsync("chat") == 0, TimeSpan.FromSeconds(90));
    }

    /// <summary>KEDA's own trigger asks for five. The InferenceScaler states only what the budget affords.</summary>
    private static async Task CappedAsync(Scene scene)
    {
        await Scalers.ServeAsync(scene, "chat");
        // A day of cron that is always on.
        await ScaledObjectAsync(
            scene,
            """ "minReplicaCount": 1, "maxReplicaCount": 8, "pollingInterval": 1, "triggers": [{"type": "cron", "metadata": {"timezone": "UTC", "start": "0 0 * * *", "end": "59 23 * * *", "desiredReplicas": "5"}}] """
        );
        await scene.UntilAsync("KEDA has what it asks for", async () => await scene.ReplicasAsync("chat") == 5, TimeSpan.FromSeconds(90));
        await Scalers.ScalerAsync(scene, "chat", """ "minReplicaCount": 1, "costCap": {"perHour": "7"} """);
        await scene.UntilAsync(
            "KEDA has taken the others away",
            async () => await scene.ReplicasAsync("chat") == 2,
            TimeSpan.FromSeconds(90)
        );
        (await MaxAsync(scene)).Should().Be(2);
        await scene.PassAsync(5);
        (await scene.ReplicasAsync("chat")).Should().Be(2);
        await scene.World.Client.DeleteAsync<V1Alpha1InferenceScaler>("chat", scene.Team, null, Ct);
        await scene.UntilAsync(
            "without the scaler it is KEDA's again",
            async () => await MaxAsync(scene) == 8 && await scene.ReplicasAsync("chat") == 5,
            TimeSpan.FromSeconds(90)
        );
    }

    /// <summary>A used-up budget means zero replicas, and KEDA does not scale up. With budget available it is restored by itself.</summary>
    private static async Task SuspendedAsync(Scene scene)
    {
        await Scalers.ServeAsync(scene, "chat");
        await ScaledObjectAsync(
            scene,
            """ "minReplicaCount": 2, "maxReplicaCount": 8, "pollingInterval": 1, "triggers": [{"type": "cron", "metadata": {"timezone": "UTC", "start": "0 0 * * *", "end": "59 23 * * *", "desiredReplicas": "3"}}] """
        );
        await scene.UntilAsync("KEDA has what it asks for", async () => await scene.ReplicasAsync("chat") == 3, TimeSpan.FromSeconds(90));
        await scene.BudgetAsync("0.0001", """{"inference": {"whenExhausted": "Zero"}}""");
        await scene.UntilAsync("it is suspended", async () => await scene.ReplicasAsync("chat") == 0, TimeSpan.FromSeconds(90));
        for (var i = 0; i < 20; i++)
        {
            await scene.PassAsync(1);
            (await scene.ReplicasAsync("chat")).Should().Be(0);
        }
        await scene.SetLimitAsync("100");
        await scene.UntilAsync("KEDA has it again", async () => await scene.ReplicasAsync("chat") == 3, TimeSpan.FromSeconds(90));
        ((await ScaledAsync(scene))["metadata"]!["annotations"] as JsonObject ?? [])
            .Select(pair => pair.Key)
            .Should()
            .NotContain(key => key.Contains("paused", StringComparison.Ordinal) || key.StartsWith("bursar.dev", StringComparison.Ordinal));
    }

    private static Task ScaledObjectAsync(Scene scene, string spec) =>
        scene.CreateAsync(
            V1ScaledObject.EntityKind.Path(scene.Team),
            $$$"""
            {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "chat"}, "spec": {"scaleTargetRef": {"name": "chat"}, {{{spec}}} } }
            """
        );

    private static async Task PatchScaledAsync(Scene scene, JsonObject patch)
    {
        using var content = new StringContent(patch.ToJsonString(), System.Text.Encoding.UTF8, "application/merge-patch+json");
        await scene.World.Client.RequestAsync(HttpMethod.Patch, V1ScaledObject.EntityKind.Path(scene.Team, "chat"), content, Ct);
    }

    private static async Task<JsonNode> ScaledAsync(Scene scene) =>
        (await scene.World.Client.RequestAsync(HttpMethod.Get, V1ScaledObject.EntityKind.Path(scene.Team, "chat"), null, Ct))!;

    private static async Task<int?> MaxAsync(Scene scene) => (int?)(await ScaledAsync(scene))["spec"]!["maxReplicaCount"];

    private static async Task<bool> IsReadyAsync(Scene scene) =>
        (await ScaledAsync(scene))["status"]
            ?["conditions"]?.AsArray()
            .Any(one => (string?)one!["type"] == "Ready" && (string?)one["status"] == "True") == true;
}
