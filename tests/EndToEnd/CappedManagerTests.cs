using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// A whole operator beside KEDA: the scaler's budget becomes KEDA's maximum, which is restored when the scaler is gone.
/// </summary>
public sealed class CappedManagerTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task KEDA_is_capped_and_restored_after_its_scaler_was_deleted_without_an_operator()
    {
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
        await FakeManager.ServeAsync(scene, V1ScaledObject.EntityKind);
        await world.StartOperatorAsync(Ct);
        await Scalers.ServeAsync(scene, "chat");
        await scene.CreateAsync(
            V1ScaledObject.EntityKind.Path(scene.Team),
            """{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "chat-keda"}, "spec": {"scaleTargetRef": {"name": "chat"}, "minReplicaCount": 1, "maxReplicaCount": 6}}"""
        );
        await Scalers.ScalerAsync(
            scene,
            "chat",
            """ "minReplicaCount": 1, "maxReplicaCount": 6, "costCap": {"perHour": "10"}, "triggers": [{"type": "queue", "metadata": {"waiting": "4"}}] """
        );

        await scene.UntilAsync("KEDA's bound is what the cap carries", async () => await MaxAsync(scene) == 3, TimeSpan.FromSeconds(90));
        // The cap affords fewer replicas, then more than the user declared.
        await CapAsync(scene, "7");
        await scene.UntilAsync("it falls", async () => await MaxAsync(scene) == 2);
        await CapAsync(scene, "100");
        await scene.UntilAsync("the user's maximum is restored", async () => await MaxAsync(scene) == 6);
        await CapAsync(scene, "4");
        await scene.UntilAsync("it falls again", async () => await MaxAsync(scene) == 1);
        (await scene.ReplicasAsync("chat")).Should().Be(1, "the replicas are KEDA's");

        await world.StopOperatorAsync();
        await world.Client.DeleteAsync<V1Alpha1InferenceScaler>("chat", scene.Team, null, Ct);
        await scene.PassAsync(30);
        (await MaxAsync(scene)).Should().Be(1);
        await world.StartOperatorAsync(Ct);
        await scene.UntilAsync("the user's maximum is restored", async () => await MaxAsync(scene) == 6, TimeSpan.FromSeconds(60));
        await scene.PassAsync(90);
        (await world.Client.ListAsync<V1Alpha1GpuLedger>(new() { Namespace = ClusterWorld.OwnNamespace }, Ct))
            .Items.Should()
            .NotContain(ledger => ledger.Metadata.Name.StartsWith("scaled."), "no record remains");
    }

    private static async Task<int?> MaxAsync(Scene scene) =>
        (await scene.World.Client.GetAsync<V1ScaledObject>("chat-keda", scene.Team, Ct)).Spec.MaxReplicaCount;

    private static Task CapAsync(Scene scene, string perHour) =>
        scene.World.Client.PatchAsync<V1Alpha1InferenceScaler>(
            "chat",
            scene.Team,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["costCap"] = new JsonObject { ["perHour"] = perHour } } }),
            Ct
        );
}
