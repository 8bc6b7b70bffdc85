using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// A Deployment that the real HorizontalPodAutoscaler scales: Bursar caps, suspends and restores it without a conflict.
/// </summary>
public sealed class RealManagerTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [SkippableFact]
    public async Task HPA_keeps_its_target_within_the_budget()
    {
        Skip.IfNot(
            ControlPlane.IsPresent && File.Exists(Path.Combine(ControlPlane.Assets, "kube-controller-manager")),
            "no kube-apiserver with its kube-controller-manager"
        );
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
                    Gpus = 16,
                }
            );
        using var http = world.Plane.CreateClient();
        // Five of what one replica is to carry.
        await using var figures = await MetricsServer.StartAsync(
            _ => Task.FromResult<long?>(5000),
            _ => Task.FromResult<IReadOnlyDictionary<string, long>?>(null),
            Ct
        );
        await figures.RegisterAsync(new RawClient(http), Ct);
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        await world.StartOperatorAsync(Ct);
        await Scalers.ServeAsync(scene, "chat");
        await ScalerInteropTests.HpaAsync(scene);
        await scene.UntilAsync(
            "the HPA has what it asks for",
            async () => await scene.ReplicasAsync("chat") == 5,
            TimeSpan.FromSeconds(90)
        );

        await Scalers.ScalerAsync(scene, "chat", """ "minReplicaCount": 1, "costCap": {"perHour": "7"} """);
        await scene.UntilAsync(
            "the HPA has taken the others away",
            async () => await ScalerInteropTests.MaxAsync(scene) == 2 && await scene.ReplicasAsync("chat") == 2,
            TimeSpan.FromSeconds(90)
        );
        await StaysAsync(scene, 2);
        await scene.World.Client.PatchAsync<V1Alpha1InferenceScaler>(
            "chat",
            scene.Team,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["costCap"] = new JsonObject { ["perHour"] = "10" } } }),
            Ct
        );
        await scene.UntilAsync("a higher limit lets it grow", async () => await scene.ReplicasAsync("chat") == 3, TimeSpan.FromSeconds(90));
        await scene.World.Client.DeleteAsync<V1Alpha1InferenceScaler>("chat", scene.Team, null, Ct);
        await scene.UntilAsync(
            "without the scaler it is the HPA's again",
            async () => await ScalerInteropTests.MaxAsync(scene) == 8 && await scene.ReplicasAsync("chat") == 5,
            TimeSpan.FromSeconds(90)
        );

        // An HPA is inactive at zero replicas.
        await scene.BudgetAsync("0.0001", """{"inference": {"whenExhausted": "Zero"}}""");
        await scene.UntilAsync("it is suspended", async () => await scene.ReplicasAsync("chat") == 0, TimeSpan.FromSeconds(90));
        await StaysAsync(scene, 0);
        await scene.SetLimitAsync("100");
        await scene.UntilAsync("the HPA has it again", async () => await scene.ReplicasAsync("chat") == 5, TimeSpan.FromSeconds(90));
    }

    private static async Task StaysAsync(Scene scene, int replicas)
    {
        for (var i = 0; i < 8; i++)
        {
            await scene.PassAsync(1);
            (await scene.ReplicasAsync("chat")).Should().Be(replicas);
        }
    }
}
