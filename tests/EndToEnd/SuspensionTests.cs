using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// A suspension counts when the pods end. The embedded cluster has no controllers for most kinds, so nothing follows here.
/// </summary>
public sealed class SuspensionTests
{
    private const string NotFollowed = "SuspensionNotFollowed";

    private static CancellationToken Ct => CancellationToken.None;

    public static TheoryData<string> KindsWithoutController => [.. Kinds.All, "StatefulSet"];

    [Theory]
    [MemberData(nameof(KindsWithoutController))]
    public async Task Suspension_that_no_controller_follows_is_reported_until_the_pods_end(string kind)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await Kinds.ServeAsync(world, [.. Kinds.All.Intersect([kind])]);
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("4");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var uid = await Kinds.CreateAsync(scene, kind, "numeric", Kinds.Spec(kind));
        await Kinds.UntilSuspendedAsync(scene, kind, "numeric");
        foreach (var pod in (string[])["numeric-0", "numeric-1"])
            await Kinds.PodAsync(scene, pod, kind, WorkloadKinds.Find(kind)!.Entity.ApiVersion, "numeric", uid);

        await UntilReportedAsync(scene, kind, "numeric");

        var status = (await scene.StatusAsync())!;
        status.SuspendedCount.Should().Be(0, "it costs");
        status.Unstoppable!.RatePerHour.Should().Be("6.12");
        status
            .Workloads.Should()
            .ContainSingle()
            .Which.Reason.Should()
            .StartWith($"{NotFollowed}: ")
            .And.Contain("since 2026-11-21T09:0")
            .And.Contain($"check that the controller of {kind}s is running");
        await scene.PassAsync(3600);
        decimal.Parse((await scene.StatusAsync())!.Spent!, CultureInfo.InvariantCulture).Should().BeGreaterThan(6.12m);
        (await scene.EventsAsync(NotFollowed, "numeric"))
            .Should()
            .ContainSingle()
            .Which.Series!.Count.Should()
            .BeInRange(3, 5, "it is repeated with growing pauses");
        (await world.MetricsAsync(Ct))
            .Where(sample => sample.Name == "bursar_suspensions_not_followed")
            .Should()
            .ContainSingle()
            .Which.Value.Should()
            .Be(1);

        foreach (var pod in (string[])["numeric-0", "numeric-1"])
            await world.Client.DeleteAsync<V1Pod>(pod, scene.Team, null, Ct);
        await scene.UntilConditionAsync("FullyEnforceable", "True");
        await scene.UntilAsync("it is suspended in the status", async () =>
            (await scene.StatusAsync())?.Suspended is [{ Name: "numeric" }]
        );
        (await scene.UntilEventAsync("SuspensionFollowed", "numeric")).Regarding!.Kind.Should().Be(kind);
        (await scene.StatusAsync())!.Unstoppable!.Workloads.Should().BeNullOrEmpty();
    }

    /// <summary>
    /// Behaves as kube-controller-manager 1.36: without completions, a Job with a succeeded pod is complete once no pod is active.
    /// </summary>
    [Theory]
    [InlineData("Job")]
    [InlineData("JobSet")]
    public async Task Work_queue_that_a_suspension_would_complete_is_not_suspended(string kind)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        if (kind == "JobSet")
            await Kinds.ServeAsync(world, kind);
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("100");
        // Sixteen cards: two pods run, the third waits for them.
        const string spec = """
            {"parallelism": 3, "template": {"metadata": {"annotations": {"sim.bursar.dev/run-for": "10m"}},
             "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "8"}}}]}}}
            """;
        var owners = "[]";
        if (kind == "JobSet")
        {
            var uid = await Kinds.CreateAsync(
                scene,
                kind,
                "queue",
                $$$$"""{"replicatedJobs": [{"name": "w", "template": {"spec": {{{{spec}}}}}}]}""",
                declared: null
            );
            owners =
                $$"""[{"apiVersion": "jobset.x-k8s.io/v1alpha2", "kind": "JobSet", "name": "queue", "uid": "{{uid}}", "controller": true}]""";
        }
        await scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            $$$$"""
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "queue", "labels": {"jobset.sigs.k8s.io/replicatedjob-name": "w"}, "ownerReferences": {{{{owners}}}}}, "spec": {{{{spec}}}}}
            """
        );
        await scene.UntilAsync(
            "one pod is left",
            async () => (await world.JobAsync(scene.Team, "queue", Ct)).Status is { Succeeded: 2, Active: 1 },
            TimeSpan.FromMinutes(20)
        );

        await scene.SetLimitAsync("0.1");
        await scene.UntilConditionAsync("FullyEnforceable", "False");
        await scene.PassAsync(60);

        (await scene.StatusAsync())!
            .Workloads.Should()
            .ContainSingle(work => work.Kind == kind)
            .Which.Reason.Should()
            .Contain("Kubernetes would complete it");
        (await world.JobAsync(scene.Team, "queue", Ct)).Spec.Suspend.Should().NotBe(true);
        await scene.UntilAsync(
            "its last pod has succeeded",
            async () => (await world.JobAsync(scene.Team, "queue", Ct)).Status.Succeeded == 3,
            TimeSpan.FromMinutes(20)
        );
    }

    /// <summary>LeaderWorkerSet gives the policy to the StatefulSets that it makes.</summary>
    [Theory]
    [InlineData("""{"whenScaled": "Delete"}""", "deletes its leaders' volumes")]
    [InlineData("""{"whenScaled": "Retain", "whenDeleted": "Delete"}""", "deletes its workers' volumes")]
    public async Task Work_whose_volumes_a_suspension_would_delete_is_not_suspended(string policy, string why)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await Kinds.ServeAsync(world, "LeaderWorkerSet");
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("0.1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var spec = JsonNode.Parse(Kinds.Spec("LeaderWorkerSet"))!;
        spec["leaderWorkerTemplate"]!["volumeClaimTemplates"] = JsonNode.Parse(
            """[{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]"""
        );
        spec["leaderWorkerTemplate"]!["persistentVolumeClaimRetentionPolicy"] = JsonNode.Parse(policy);
        var uid = await Kinds.CreateAsync(scene, "LeaderWorkerSet", "big", spec.ToJsonString());
        await Kinds.PodAsync(scene, "big-0", "LeaderWorkerSet", V1LeaderWorkerSet.EntityKind.ApiVersion, "big", uid);

        await scene.UntilConditionAsync("FullyEnforceable", "False");
        await scene.PassAsync(300);

        (await Kinds.SuspendFieldAsync(scene, "LeaderWorkerSet", "big")).Should().BeFalse("its volumes would be deleted");
        var status = (await scene.StatusAsync())!;
        status.Unstoppable!.Workloads.Should().ContainSingle().Which.Should().Contain("LeaderWorkerSet/big");
        status.Workloads.Should().ContainSingle().Which.Reason.Should().Contain(why);
    }

    [Theory]
    [InlineData("Job")]
    [InlineData("Deployment")]
    public async Task Suspension_is_not_followed_while_pods_are_not_deleted(string kind)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await StartAsync(scene, kind);
        scene.Sandbox.Server.Faults.Add(new(new Fault.Answer(500)) { Verb = "delete", Resource = "pods" });
        await scene.SetLimitAsync("0.001");
        await Kinds.UntilSuspendedAsync(scene, kind, "stays", TimeSpan.FromMinutes(5));

        await UntilReportedAsync(scene, kind, "stays");

        scene.Sandbox.Server.Faults.Clear();
        await scene.UntilAsync(
            "it is suspended in the status",
            async () => (await scene.StatusAsync())?.Suspended is [{ Name: "stays" }],
            TimeSpan.FromMinutes(20)
        );
        await scene.UntilConditionAsync("FullyEnforceable", "True");
    }

    [Theory]
    [InlineData("Job")]
    [InlineData("Deployment")]
    public async Task Suspended_work_whose_pods_are_terminating_for_long_follows(string kind)
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await StartAsync(scene, kind);
        foreach (var pod in (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items)
            await world.Client.PatchAsync<V1Pod>(
                pod.Metadata.Name,
                scene.Team,
                KubePatch.Merge(JsonNode.Parse("""{"metadata": {"finalizers": ["example.com/hold"]}}""")!),
                Ct
            );
        await scene.SetLimitAsync("0.001");
        await Kinds.UntilSuspendedAsync(scene, kind, "stays", TimeSpan.FromMinutes(5));

        await scene.PassAsync(900);

        (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct))
            .Items.Should()
            .OnlyContain(pod => pod.Metadata.DeletionTimestamp != null)
            .And.NotBeEmpty();
        (await scene.StatusAsync())!.Suspended.Should().ContainSingle(s => s.Name == "stays");
        (await scene.ConditionAsync("FullyEnforceable"))!.Status.Should().Be("True");
        (await scene.EventsAsync(NotFollowed)).Should().BeEmpty();
    }

    /// <summary>No kubelet runs on the node: deleted pods stay Terminating, and their GPUs stay allocated.</summary>
    [Fact]
    public async Task Suspended_work_whose_pods_never_end_is_reported_and_billed()
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await Kinds.ServeAsync(world, "TrainJob");
        await scene.CreateAsync(
            "/api/v1/nodes",
            """{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "hangs", "labels": {"nvidia.com/gpu.product": "Tesla-V100-SXM2-16GB"}}}"""
        );
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("0.1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var uid = await Kinds.CreateAsync(scene, "TrainJob", "tune", Kinds.Spec("TrainJob"));
        await scene.CreateAsync(
            V1Pod.EntityKind.Path(scene.Team),
            $$$$$$"""
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tune-0", "ownerReferences": [{"apiVersion": "trainer.kubeflow.org/v1alpha1", "kind": "TrainJob", "name": "tune", "uid": "{{{{{{uid}}}}}}", "controller": true}]},
             "spec": {"nodeName": "hangs", "terminationGracePeriodSeconds": 30, "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}
            """
        );
        await Kinds.UntilSuspendedAsync(scene, "TrainJob", "tune");
        await world.Client.DeleteAsync<V1Pod>("tune-0", scene.Team, null, Ct);
        await scene.UntilAsync("it is suspended in the status", async () => (await scene.StatusAsync())?.Suspended is [{ Name: "tune" }]);
        (await scene.ConditionAsync("FullyEnforceable"))!.Status.Should().Be("True", "it still has its grace");

        await UntilReportedAsync(scene, "TrainJob", "tune");

        (await world.Client.GetAsync<V1Pod>("tune-0", scene.Team, Ct)).Metadata.DeletionTimestamp.Should().NotBeNull();
        var status = (await scene.StatusAsync())!;
        status.Workloads.Should().ContainSingle().Which.Reason.Should().Contain("should have ended by").And.Contain("check their nodes");
        status.Unstoppable!.RatePerHour.Should().Be("3.06");
        var spent = decimal.Parse(status.Spent!, CultureInfo.InvariantCulture);
        await scene.PassAsync(3600);
        decimal.Parse((await scene.StatusAsync())!.Spent!, CultureInfo.InvariantCulture)
            .Should()
            .BeApproximately(spent + 3.06m, 0.1m, "it is billed for as long as its pod holds the GPU");

        await world.Client.RequestAsync(HttpMethod.Delete, $"/api/v1/namespaces/{scene.Team}/pods/tune-0?gracePeriodSeconds=0", null, Ct);
        await scene.UntilConditionAsync("FullyEnforceable", "True");
        await scene.UntilAsync("it is suspended in the status", async () => (await scene.StatusAsync())?.Suspended is [{ Name: "tune" }]);
    }

    [Fact]
    public async Task Suspended_work_whose_last_pod_was_on_a_deleted_node_is_resumed_at_its_price()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await StartAsync(scene, "Job");
        var pod = (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Single().Metadata.Name;
        await world.Client.PatchAsync<V1Pod>(
            pod,
            scene.Team,
            KubePatch.Merge(JsonNode.Parse("""{"metadata": {"finalizers": ["example.com/hold"]}}""")!),
            Ct
        );
        world.Nodes.LoseNode("gpu-1");
        await scene.UntilConditionAsync("MeteringFresh", "False", within: TimeSpan.FromMinutes(2));
        await scene.SetLimitAsync("0.001");
        await Kinds.UntilSuspendedAsync(scene, "Job", "stays", TimeSpan.FromMinutes(5));
        await world.Client.DeleteAsync<V1Node>("gpu-1", null, null, Ct);
        await scene.PassAsync(1200);

        (await world.Client.GetAsync<V1Pod>(pod, scene.Team, Ct)).Metadata.DeletionTimestamp.Should().NotBeNull();
        (await scene.EventsAsync(NotFollowed)).Should().BeEmpty("no node is there whose GPUs it could hold");
        (await scene.StatusAsync())!.Suspended.Should().ContainSingle(s => s.Name == "stays");
        await scene.SetLimitAsync("2");
        await scene.PassAsync(60);
        (await scene.IsSuspendedAsync("stays")).Should().BeTrue("two hours cost 6.12");
    }

    /// <summary>KEDA and KServe are not installed, so no controller reads what was written to their objects.</summary>
    [Theory]
    [InlineData("Deployment")]
    [InlineData("InferenceService")]
    public async Task Suspension_through_a_manager_that_does_nothing_is_reported(string kind)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await using var world = scene.World;
        await FakeManager.ServeAsync(scene, V1ScaledObject.EntityKind);
        await FakeManager.ServeAsync(scene, V1Beta1InferenceService.EntityKind);
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("1000", """{"inference": {"whenExhausted": "Zero"}}""");
        if (kind == "Deployment")
        {
            await world.CreateDeploymentAsync(scene.Team, "chat", 1, 1, Ct);
            await scene.CreateAsync(
                V1ScaledObject.EntityKind.Path(scene.Team),
                """{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "chat-scaler"}, "spec": {"scaleTargetRef": {"name": "chat"}}}"""
            );
        }
        else
        {
            await scene.CreateAsync(
                V1Beta1InferenceService.EntityKind.Path(scene.Team),
                """
                {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "chat"},
                 "spec": {"predictor": {"minReplicas": 1, "model": {"modelFormat": {"name": "huggingface"}, "resources": {"limits": {"nvidia.com/gpu": "1"}}}}}}
                """
            );
            var uid = (string)
                (await world.Client.RequestAsync(HttpMethod.Get, V1Beta1InferenceService.EntityKind.Path(scene.Team, "chat"), null, Ct))![
                    "metadata"
                ]!["uid"]!;
            await Kinds.PodAsync(scene, "chat-0", kind, V1Beta1InferenceService.EntityKind.ApiVersion, "chat", uid);
        }
        await scene.UntilAsync("it costs", async () => (await scene.StatusAsync())?.BurnRatePerHour == "3.06");
        await scene.SetLimitAsync("0.001");

        await UntilReportedAsync(scene, kind, "chat");

        (await scene.StatusAsync())!
            .Workloads!.Single(w => w.Kind == kind)
            .Reason.Should()
            .Contain("has not stopped it since")
            .And.Contain("check that its controller is running");
    }

    [Fact]
    public async Task Suspension_by_its_user_that_no_controller_follows_is_reported()
    {
        var scene = await TrainJobAsync("1000");
        await using var world = scene.World;
        using var patch = new StringContent("""{"spec": {"suspend": true}}""", System.Text.Encoding.UTF8, "application/merge-patch+json");
        await world.Client.RequestAsync(HttpMethod.Patch, V1Alpha1TrainJob.EntityKind.Path(scene.Team, "tune"), patch, Ct);

        await UntilReportedAsync(scene, "TrainJob", "tune");

        await world.Client.DeleteAsync<V1Pod>("tune-0", scene.Team, null, Ct);
        await scene.UntilAsync("it is its user's suspension", async () =>
            (await scene.StatusAsync())?.Workloads is [{ State: "SuspendedByOther" }]
        );
        await scene.UntilConditionAsync("FullyEnforceable", "True");
    }

    [Fact]
    public async Task Suspension_that_its_manager_ignores_is_reverted_when_the_budget_affords_it()
    {
        var scene = await TrainJobAsync("0.1");
        await using var world = scene.World;
        await Kinds.UntilSuspendedAsync(scene, "TrainJob", "tune");
        await UntilReportedAsync(scene, "TrainJob", "tune");

        await scene.SetLimitAsync("1000");

        await scene.UntilAsync("it is resumed", async () => await Kinds.SuspendFieldAsync(scene, "TrainJob", "tune") == false);
        await scene.UntilConditionAsync("FullyEnforceable", "True");
        await scene.PassAsync(60);
        (await Kinds.SuspendFieldAsync(scene, "TrainJob", "tune")).Should().BeFalse();
        (await scene.StatusAsync())!.Workloads.Should().ContainSingle(w => w.State == "Running");
    }

    [Fact]
    public async Task Suspension_that_is_not_followed_is_reported_by_each_budget_over_it()
    {
        var scene = await TrainJobAsync("0.1");
        await using var world = scene.World;
        await scene.BudgetAsync("1000", name: "wide");
        await Kinds.UntilSuspendedAsync(scene, "TrainJob", "tune");

        await UntilReportedAsync(scene, "TrainJob", "tune");

        await scene.UntilConditionAsync("FullyEnforceable", "False", "wide");
        (await scene.StatusAsync("wide"))!.Unstoppable!.Workloads.Should().ContainSingle().Which.Should().Contain("TrainJob/tune");
    }

    [Fact]
    public async Task Suspension_that_is_not_followed_stays_reported_by_the_next_operator()
    {
        var scene = await TrainJobAsync("0.1");
        await using var world = scene.World;
        await Kinds.UntilSuspendedAsync(scene, "TrainJob", "tune");
        await UntilReportedAsync(scene, "TrainJob", "tune");
        await scene.PassAsync(90);

        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, new() { Identity = "second" });
        await scene.UntilAsync("it has looked", async () => (await scene.StatusAsync()) is not null);
        await scene.PassAsync(30);

        (await scene.ConditionAsync("FullyEnforceable"))!.Status.Should().Be("False");
    }

    /// <summary>A TrainJob without a controller, and a pod of it that runs.</summary>
    private static async Task<Scene> TrainJobAsync(string limit)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await Kinds.ServeAsync(scene.World, "TrainJob");
        await scene.World.StartOperatorAsync(Ct);
        await scene.BudgetAsync(limit);
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var uid = await Kinds.CreateAsync(scene, "TrainJob", "tune", Kinds.Spec("TrainJob"));
        await Kinds.PodAsync(scene, "tune-0", "TrainJob", V1Alpha1TrainJob.EntityKind.ApiVersion, "tune", uid);
        await scene.UntilAsync("it costs", async () => (await scene.StatusAsync())?.BurnRatePerHour == "3.06");
        return scene;
    }

    /// <summary>A running workload with one GPU, of a kind that the embedded cluster has a controller for.</summary>
    private static async Task StartAsync(Scene scene, string kind)
    {
        await scene.BudgetAsync("1000", """{"inference": {"whenExhausted": "Zero"}}""");
        if (kind == "Job")
            await scene.JobAsync("stays", declared: "2h");
        else
            await scene.World.CreateDeploymentAsync(scene.Team, "stays", 1, 1, Ct);
        await scene.UntilAsync("it costs", async () => (await scene.StatusAsync())?.BurnRatePerHour == "3.06");
    }

    private static async Task UntilReportedAsync(Scene scene, string kind, string name)
    {
        await scene.UntilConditionAsync("FullyEnforceable", "False", within: TimeSpan.FromMinutes(6));
        await scene.UntilAsync("it is named", async () =>
            (await scene.StatusAsync())?.Unstoppable?.Workloads is [var one] && one.Contains($"{kind}/{name}", StringComparison.Ordinal)
        );
        (await scene.UntilEventAsync(NotFollowed, name)).Type.Should().Be("Warning");
        (await scene.UntilEventAsync(NotFollowed, "b")).Note.Should().Contain(name);
    }
}
