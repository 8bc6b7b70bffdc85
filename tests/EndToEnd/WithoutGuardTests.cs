using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The operator without the guard's policies (the Sandbox does not evaluate them), as with <c>guard.enabled=false</c> and in the gaps that
/// docs/tasks/protect-budgets.md names. A tenant's change is reverted by a new suspension, and the ledger, not an annotation, decides what
/// is suspended. SuspendedWorkloadTests covers Jobs that are resumed by hand.
/// </summary>
public sealed class WithoutGuardTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Deployment_scaled_up_while_suspended_is_contested_and_later_restored()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("0.01", """{"inference": {"whenExhausted": "Zero"}}""");
        await scene.World.CreateDeploymentAsync(scene.Team, "chat", 3, 1, Ct);
        await scene.UntilAsync("chat is scaled to zero", async () => await scene.ReplicasAsync("chat") == 0);
        await scene.UntilAsync("the status reports it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await scene.UntilAsync("its pods are gone", async () =>
            (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Count == 0
        );
        await scene.PassAsync(12);

        for (var undone = 0; undone < 2; undone++)
        {
            await ScaleAsync(scene, "chat", 2);
            await scene.UntilAsync("chat is at zero again", async () => await scene.ReplicasAsync("chat") == 0, TimeSpan.FromSeconds(20));
            await scene.UntilAsync("it is reported", async () =>
                (await scene.StatusAsync())?.Decisions?[0] is { Reason: "SuspendedAgain", Object: "Deployment/chat" }
            );
            await scene.PassAsync(1);
        }
        await ScaleAsync(scene, "chat", 2);
        await scene.UntilConditionAsync("Contested", "True");
        (await scene.ConditionAsync("Contested"))!.Message.Should().Contain("Deployment/chat");
        (await scene.ReplicasAsync("chat")).Should().Be(2, "it is tried again every 5 minutes only");
        await scene.UntilAsync("it is tried again", async () => await scene.ReplicasAsync("chat") == 0, TimeSpan.FromMinutes(6));

        await scene.SetLimitAsync("100");
        await scene.UntilAsync("chat has what it had before Bursar came", async () => await scene.ReplicasAsync("chat") == 3);
        await scene.UntilAsync("no record is left", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
    }

    /// <summary>Suspended workloads are selected by the labels they had when suspended, so relabelling does not resume them.</summary>
    [Theory]
    [InlineData("""{"spec": {"template": {"metadata": {"labels": {"pays": "nobody"}}}}}""")] // out of the selector
    [InlineData("""{"spec": {"template": {"metadata": {"labels": {"tier": "prod"}}}}}""")] // into the exemption
    [InlineData("""{"metadata": {"annotations": {"bursar.dev/class": "interactive"}}}""")] // a class that is never suspended
    public async Task Relabelling_a_suspended_Deployment_does_not_resume_it(string change)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync(
            "0.01",
            """
            {"inference": {"whenExhausted": "Zero"}, "selector": {"matchExpressions": [{"key": "pays", "operator": "NotIn", "values": ["nobody"]}]}, "exempt": {"matchLabels": {"tier": "prod"}}}
            """
        );
        await world.CreateDeploymentAsync(scene.Team, "chat", 2, 1, Ct);
        await scene.UntilAsync("chat is scaled to zero", async () => await scene.ReplicasAsync("chat") == 0);
        await scene.UntilAsync("the status reports it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);

        await world.Client.PatchAsync<V1Deployment>("chat", scene.Team, KubePatch.Merge(JsonNode.Parse(change)!.AsObject()), Ct);
        await scene.PassAsync(30);
        (await scene.ReplicasAsync("chat")).Should().Be(0);
        (await scene.StatusAsync())!.Suspended!.Select(s => s.Name).Should().Equal("chat");

        await scene.SetLimitAsync("100");
        await scene.UntilAsync("chat is back", async () => await scene.ReplicasAsync("chat") == 2);
        await scene.UntilAsync("no record is left", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
    }

    [Theory]
    [InlineData("interactive")]
    [InlineData("inference")]
    public async Task Changing_the_class_of_a_suspended_Job_does_not_resume_it(string word)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await scene.JobAsync("train", declared: "2h");
        await scene.UntilSuspendedAsync("train");
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);

        await world.Client.PatchAsync<V1Job>(
            "train",
            scene.Team,
            KubePatch.Merge(
                new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { ["bursar.dev/class"] = word } } }
            ),
            Ct
        );
        await scene.PassAsync(30);
        (await scene.IsSuspendedAsync("train")).Should().BeTrue();
        (await scene.StatusAsync())!.Suspended!.Select(s => s.Name).Should().Equal("train");

        await scene.SetLimitAsync("100");
        await scene.UntilResumedAsync("train");
        await scene.UntilAsync("no record is left", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
    }

    [Theory]
    [InlineData("interactive")]
    [InlineData("inference")]
    public async Task Job_of_any_class_stays_subject_to_the_limit(string @class)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("0.05");
        await scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            $$$$$"""
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "claims", "annotations": {"bursar.dev/class": "{{{{{@class}}}}}"}},
             "spec": {"template": {"metadata": {"annotations": {"bursar.dev/class": "{{{{{@class}}}}}"}}, "spec": {"restartPolicy": "Never",
               "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """
        );
        await scene.UntilRunsAsync("claims");
        await scene.UntilSuspendedAsync("claims", TimeSpan.FromMinutes(2));
        (await scene.ConditionAsync("FullyEnforceable"))!.Status.Should().Be("True");
    }

    [Fact]
    public async Task Interactive_Deployment_is_scaled_to_zero_if_the_budget_says_Zero()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("0.05", """{"inference": {"whenExhausted": "Zero"}}""");
        await world.CreateDeploymentAsync(scene.Team, "notebook", 1, 1, Ct);
        await world.Client.PatchAsync<V1Deployment>(
            "notebook",
            scene.Team,
            KubePatch.Merge(JsonNode.Parse("""{"metadata": {"annotations": {"bursar.dev/class": "interactive"}}}""")!.AsObject()),
            Ct
        );

        await scene.UntilAsync("it is scaled to zero", async () => await scene.ReplicasAsync("notebook") == 0, TimeSpan.FromMinutes(2));
        await scene.UntilAsync("the status reports it", async () => (await scene.StatusAsync())?.SuspendedCount == 1);
        await scene.SetLimitAsync("100");
        await scene.UntilAsync("and is restored", async () => await scene.ReplicasAsync("notebook") == 1);
    }

    [Fact]
    public async Task Removed_annotations_hide_nothing_and_forged_ones_change_nothing()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await scene.JobAsync("suspended", declared: "2h");
        await scene.UntilSuspendedAsync("suspended");
        await scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            """
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "forged", "annotations": {"bursar.dev/suspended-by": "gpubudget/b", "bursar.dev/expected-duration": "2h"}},
             "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never",
               "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """
        );
        await world.Client.PatchAsync<V1Job>(
            "suspended",
            scene.Team,
            KubePatch.Merge(
                JsonNode
                    .Parse("""{"metadata": {"annotations": {"bursar.dev/suspended-by": null, "bursar.dev/suspended-reason": null}}}""")!
                    .AsObject()
            ),
            Ct
        );
        await scene.PassAsync(6);
        (await scene.IsSuspendedAsync("suspended")).Should().BeTrue();
        (await scene.StatusAsync())!.Suspended!.Select(s => s.Name).Should().Equal("suspended");

        await scene.SetLimitAsync("100");
        await scene.UntilResumedAsync("suspended");
        await scene.PassAsync(12);
        (await scene.IsSuspendedAsync("forged")).Should().BeTrue("the user who suspended it must resume it");
    }

    private static Task ScaleAsync(Scene scene, string deployment, int replicas) =>
        scene.World.Client.PatchAsync<V1Deployment>(
            deployment,
            scene.Team,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["replicas"] = replicas } }) with
            {
                Subresource = "scale",
            },
            Ct
        );
}
