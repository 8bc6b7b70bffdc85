using System.Text.Json.Nodes;
using Bursar.Kube.Client;
using Bursar.Kube.Objects;
using Bursar.Tests.Cluster.Worlds;

namespace Bursar.Tests.Cluster;

/// <summary>
/// The operator where no policy stands before it (the Sandbox judges by none), as with <c>guard.enabled=false</c> and in the
/// gaps that docs/guard.md names: what a tenant undoes is parked again, and the ledger, not a mark, says what was parked. Of
/// Jobs that are resumed by hand ParkedWorkTests tells.
/// </summary>
public sealed class WithoutGuardTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task A_parked_Deployment_that_is_scaled_up_is_scaled_down_again()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("0.01", """{"inference": {"whenExhausted": "Zero"}}""");
        await scene.World.CreateDeploymentAsync(scene.Team, "chat", 3, 1, Ct);
        await scene.UntilAsync("chat is scaled to zero", async () => await scene.ReplicasAsync("chat") == 0);
        await scene.UntilAsync("the status says so", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await scene.PassAsync(12);

        await world.Client.PatchScaleAsync<V1Deployment>("chat", scene.Team, KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["replicas"] = 2 } }), Ct);

        await scene.UntilAsync("chat is at zero again", async () => await scene.ReplicasAsync("chat") == 0, TimeSpan.FromSeconds(20));
        await scene.UntilAsync("two parkings are told", async () => (await scene.StatusAsync())?.Decisions?.Count(d => d is { Action: "Park", Object: "Deployment/chat" }) >= 2);
        await scene.UntilAsync("its pods are gone", async () => (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Count == 0);
    }

    [Fact]
    public async Task Removed_marks_hide_nothing_and_forged_ones_move_nothing()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await scene.JobAsync("parked", declared: "2h");
        await scene.UntilSuspendedAsync("parked");
        await scene.CreateAsync($"/apis/batch/v1/namespaces/{scene.Team}/jobs", """
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "forged", "annotations": {"bursar.dev/suspended-by": "gpubudget/b", "bursar.dev/expected-duration": "2h"}},
             "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never",
               "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """);
        await world.Client.PatchAsync<V1Job>("parked", scene.Team,
            KubePatch.Merge(JsonNode.Parse("""{"metadata": {"annotations": {"bursar.dev/suspended-by": null, "bursar.dev/suspended-reason": null}}}""")!.AsObject()), Ct);
        await scene.PassAsync(6);
        (await scene.IsSuspendedAsync("parked")).Should().BeTrue();
        (await scene.StatusAsync())!.Suspended!.Select(s => s.Name).Should().Equal("parked");

        await scene.SetLimitAsync("100");
        await scene.UntilResumedAsync("parked");
        await scene.PassAsync(12);
        (await scene.IsSuspendedAsync("forged")).Should().BeTrue("whoever suspended it must resume it");
    }
}
