using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Custom resources whose fields have other JSON types than Bursar expects: none of them leaves enforcement unseen.</summary>
public sealed class UnreadableTests
{
    private const string Numeric =
        """{"runtimeRef": {"name": "torch"}, "trainer": {"numNodes": 2, "resourcesPerNode": {"limits": {"nvidia.com/gpu": 1}}}}""";
    private const string Pods =
        """{"backoffLimit": 0, "template": {"metadata": {"labels": {"app": "gang", "jobset.sigs.k8s.io/jobset-name": "set"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}""";

    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Workload_with_an_unquoted_GPU_quantity_is_forecast_and_suspended()
    {
        var scene = await WithAsync("TrainJob", "JobSet");
        await using var world = scene.World;
        await scene.BudgetAsync("4");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var top = await Kinds.CreateAsync(scene, "TrainJob", "numeric", Numeric, declared: "10h");
        var set = await Kinds.CreateAsync(
            scene,
            "JobSet",
            "numeric",
            Kinds.Spec("JobSet").Replace("\"nvidia.com/gpu\": \"1\"", "\"nvidia.com/gpu\": 1", StringComparison.Ordinal),
            declared: null,
            owner: ("TrainJob", "numeric", top)
        );
        foreach (var rank in (string[])["numeric-0", "numeric-1"])
            await Kinds.CreateAsync(scene, "Job", rank, Pods, declared: null, owner: ("JobSet", "numeric", set));
        await Kinds.UntilSuspendedAsync(scene, "TrainJob", "numeric");
        await scene.UntilAsync("the forecast is shown", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Kind: "TrainJob", Name: "numeric", State: "SuspendedByBudget", Gpus: 2 }]
        );
        var held = (await scene.StatusAsync())!.Suspended!.Single();
        (held.Kind, held.Name, held.CostToFinish).Should().Be(("TrainJob", "numeric", "61.200000"), "it is ten hours of two GPUs at 3.06");
        (await scene.UntilEventAsync("Suspended", "numeric")).Note.Should().Contain("61.20");
        (await scene.ConditionAsync("FullyEnforceable"))!.Status.Should().Be("True");
    }

    [Theory]
    [InlineData(
        "TrainJob",
        """{"suspend": "false", "trainer": {"numNodes": "2", "resourcesPerNode": {"limits": {"nvidia.com/gpu": "1"}}}}"""
    )]
    [InlineData(
        "TrainJob",
        """{"activeDeadlineSeconds": {}, "labels": 7, "trainer": {"numNodes": 2, "resourcesPerNode": {"limits": {"nvidia.com/gpu": 1, "memory": []}}}}"""
    )]
    [InlineData(
        "JobSet",
        """{"suspend": "false", "replicatedJobs": [null, {"name": 1, "replicas": "2", "template": {"spec": {"parallelism": 1.5, "template": {"metadata": "none", "spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": 1}}}]}}}}}]}"""
    )]
    [InlineData(
        "RayJob",
        """{"shutdownAfterJobFinishes": "true", "rayClusterSpec": {"workerGroupSpecs": [{"replicas": "2", "template": {"spec": {"priority": "high", "containers": [{"resources": {"limits": {"nvidia.com/gpu": 1}}}]}}}]}}"""
    )]
    public async Task Odd_fields_that_suspension_does_not_need_do_not_prevent_it(string kind, string spec)
    {
        var scene = await WithLooseAsync(kind);
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await Kinds.CreateAsync(scene, kind, "odd", spec);
        await scene.UntilAsync("it is suspended", async () =>
            (await Kinds.GetAsync(scene, kind, "odd"))["spec"]!["suspend"] is JsonValue value
            && value.TryGetValue<bool>(out var suspended)
            && suspended
        );
    }

    /// <summary>
    /// Values that API servers accept and few users write: nulls, empty texts, numbers as texts, values outside an enum, odd times.
    /// </summary>
    [Theory]
    [InlineData(
        "JobSet",
        """
            {"managedBy": "", "network": null, "failurePolicy": null, "successPolicy": {"operator": "Some", "targetReplicatedJobs": null}, "replicatedJobs": [null, {"name": "", "replicas": "2", "dependsOn": null, "template":
             {"metadata": null, "spec": {"completionMode": "Someday", "parallelism": null, "completions": null, "podFailurePolicy": null, "template": PODS}}}]}
            """,
        """{"terminalState": "", "restarts": "0", "conditions": [{"type": "Suspended", "status": "Unknown", "lastTransitionTime": "2026-11-21T10:00:00.123456789+01:00"}, null]}""",
        2
    )]
    [InlineData(
        "TrainJob",
        """
            {"runtimeRef": null, "managedBy": "", "labels": null, "annotations": {"bursar.dev/expected-duration": null}, "podTemplateOverrides": null,
             "trainer": {"numNodes": "2", "numProcPerNode": "auto", "resourcesPerNode": {"limits": null, "requests": {"nvidia.com/gpu": "1.0", "cpu": ""}}}}
            """,
        """{"conditions": null, "trainerStatus": null}""",
        2
    )]
    [InlineData(
        "PyTorchJob",
        """
            {"runPolicy": null, "nprocPerNode": "auto", "elasticPolicy": {"maxReplicas": "8", "metrics": null}, "pytorchReplicaSpecs": {"Master": null, "Worker": {"replicas": "2", "restartPolicy": "Whenever", "template": PODS}}}
            """,
        """{"startTime": "2026-11-21T10:00:00.5+01:00", "completionTime": "", "replicaStatuses": []}""",
        2
    )]
    [InlineData(
        "MPIJob",
        """{"slotsPerWorker": "4", "runLauncherAsWorker": true, "mpiReplicaSpecs": {"Launcher": {"template": PODS}}}""",
        """{"conditions": []}""",
        1
    )]
    [InlineData(
        "RayJob",
        """
            {"shutdownAfterJobFinishes": true, "submissionMode": "Telepathy", "clusterSelector": {}, "rayClusterSpec": {"enableInTreeAutoscaling": "true", "headGroupSpec": {"template": PODS}, "workerGroupSpecs":
             [{"groupName": "a", "replicas": 3, "suspend": true, "template": PODS}, null, {"groupName": "b", "replicas": null, "minReplicas": "1", "maxReplicas": 2147483647, "numOfHosts": null, "template": PODS}]}}
            """,
        """{"jobDeploymentStatus": "", "startTime": "2026-11-21T10:00:00.123456789+01:00", "endTime": "0001-01-01T00:00:00Z"}""",
        2
    )]
    [InlineData(
        "XGBoostJob",
        """{"runPolicy": {"cleanPodPolicy": null, "activeDeadlineSeconds": 9223372036854775807}, "xgbReplicaSpecs": {"Worker": {"replicas": null, "template": PODS}}}""",
        """{"lastReconcileTime": "soon"}""",
        1
    )]
    public async Task Odd_but_valid_objects_are_suspended_with_their_GPUs(string kind, string spec, string status, int gpus)
    {
        const string pods = """
            {"metadata": {"labels": null, "annotations": null}, "spec": {"restartPolicy": "", "initContainers": null, "volumes": [{"name": "x", "emptyDir": null}], "tolerations": null, "terminationGracePeriodSeconds": null,
             "containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1e0", "cpu": null}, "requests": null, "claims": null}}, null]}}
            """;
        var scene = await WithLooseAsync(kind);
        await using var world = scene.World;
        await scene.BudgetAsync("1000");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await Kinds.CreateAsync(scene, kind, "odd", spec.Replace("PODS", pods, StringComparison.Ordinal));
        using (var patch = new StringContent($$"""{"status": {{status}} }""", System.Text.Encoding.UTF8, "application/merge-patch+json"))
            await world.Client.RequestAsync(
                HttpMethod.Patch,
                WorkloadKinds.Find(kind)!.Entity.Path(scene.Team, "odd") + "/status",
                patch,
                Ct
            );
        await scene.UntilAsync("its GPUs are known", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Name: "odd" } one] && one.Gpus == gpus
        );

        await scene.SetLimitAsync("1");

        // Work that ran before the limit was lowered is left alone for a while.
        await Kinds.UntilSuspendedAsync(scene, kind, "odd", TimeSpan.FromMinutes(3));
        await scene.UntilAsync("the status names it", async () => (await scene.StatusAsync())?.Suspended is [{ Name: "odd" }]);
    }

    [Fact]
    public async Task Unreadable_workload_is_named_everywhere_until_it_is_corrected()
    {
        var scene = await WithAsync("JobSet");
        await using var world = scene.World;
        await scene.BudgetAsync("50");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var set = await Kinds.CreateAsync(scene, "JobSet", "odd", """{"replicatedJobs": "two"}""", declared: null);
        await Kinds.CreateAsync(scene, "Job", "odd-0", Pods, declared: null, owner: ("JobSet", "odd", set));

        await scene.UntilAsync("its cost is unstoppable", async () =>
            (await scene.StatusAsync())?.Unstoppable is { RatePerHour: "3.06", Workloads: ["JobSet/odd"] }
        );
        var row = (await scene.StatusAsync())!.Workloads!.Single();
        (row.Kind, row.Name, row.State, row.Gpus).Should().Be(("JobSet", "odd", "Running", 1));
        row.Reason.Should().Contain("spec.replicatedJobs cannot be read (a text, not a list)");
        var condition = (await scene.ConditionAsync("FullyEnforceable"))!;
        condition.Status.Should().Be("False");
        condition.Message.Should().Contain("JobSet/odd");
        (await scene.UntilEventAsync("Unreadable", "odd")).Note.Should().Contain("spec.replicatedJobs (a text, not a list)");
        (await scene.UntilEventAsync("Unreadable", "b")).Note.Should().Contain("JobSet/odd").And.Contain("spec.replicatedJobs");
        (await CountAsync(scene, "JobSet")).Should().Be(1);
        await scene.PassAsync(60);
        (await scene.EventsAsync("Unreadable"))
            .Should()
            .HaveCount(2)
            .And.OnlyContain(e => e.Series == null, "it is reported once per object and reason");

        await PatchAsync(scene, "odd", JsonNode.Parse(Kinds.Spec("JobSet"))!);
        await scene.UntilConditionAsync("FullyEnforceable", "True");
        (await CountAsync(scene, "JobSet")).Should().Be(0);
        await scene.SetLimitAsync("0.01");
        await Kinds.UntilSuspendedAsync(scene, "JobSet", "odd");

        // The other way round: what becomes unreadable by an update does not stay in its old form.
        await PatchAsync(scene, "odd", new JsonObject { ["replicatedJobs"] = 7, ["suspend"] = false });
        await scene.UntilConditionAsync("FullyEnforceable", "False");
        (await scene.StatusAsync())!.Unstoppable!.Workloads.Should().Equal("JobSet/odd");
    }

    [Fact]
    public async Task Part_declared_by_another_object_need_not_be_readable()
    {
        var scene = await WithAsync("TrainJob", "JobSet");
        await using var world = scene.World;
        await scene.BudgetAsync("4");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var top = await Kinds.CreateAsync(scene, "TrainJob", "tune", """{"trainer": ["torch"]}""", declared: "10h");
        await scene.UntilAsync("it is unstoppable", async () => (await scene.StatusAsync())?.Unstoppable?.Workloads is ["TrainJob/tune"]);
        await Kinds.CreateAsync(scene, "JobSet", "tune", Kinds.Spec("JobSet"), declared: null, owner: ("TrainJob", "tune", top));
        await Kinds.UntilSuspendedAsync(scene, "TrainJob", "tune");
    }

    /// <summary>The watch of the workload may be ahead of the pods' watch, so its pods are named only after a while.</summary>
    [Fact]
    public async Task Pods_of_an_ended_workload_are_named_while_they_cost()
    {
        var scene = await WithAsync("JobSet");
        await using var world = scene.World;
        await scene.BudgetAsync("50");
        var set = await Kinds.CreateAsync(scene, "JobSet", "over", Kinds.Spec("JobSet"), declared: null);
        await Kinds.CreateAsync(scene, "Job", "over-0", Pods, declared: null, owner: ("JobSet", "over", set));
        await scene.UntilAsync("it costs", async () => (await scene.StatusAsync())?.Workloads is [{ State: "Running" }]);
        await scene.World.Client.PatchAsync<V1Alpha2JobSet>(
            "over",
            scene.Team,
            KubePatch.Merge(
                (JsonObject)
                    JsonNode.Parse(
                        $$$"""
                        {"status": {"terminalState": "Completed", "conditions": [{"type": "Completed", "status": "True", "reason": "AllJobsCompleted", "message": "", "lastTransitionTime": "{{{world.Time.GetUtcNow():yyyy-MM-ddTHH:mm:ssZ}}}"}]}}
                        """
                    )!
            ) with
            {
                Subresource = "status",
            },
            Ct
        );
        await scene.UntilAsync("it has ended", async () => (await scene.StatusAsync())?.Workloads is null or []);
        await scene.UntilAsync("its pods are named", async () =>
            (await scene.StatusAsync())?.Unstoppable is { RatePerHour: "3.06", Workloads: ["JobSet/over"] }
        );
        (await scene.StatusAsync())!.Workloads!.Single().Reason.Should().Contain("has ended and its pods still run");
    }

    [Fact]
    public async Task Amounts_without_quotes_and_days_are_accepted()
    {
        var scene = await WithAsync();
        await using var world = scene.World;
        await scene.World.PostJsonAsync(
            V1Alpha1GpuBudget.EntityKind.Path(scene.Team),
            (JsonObject)
                Bursar.Sandbox.ApiServer.YamlBody.Parse(
                    """
                    apiVersion: bursar.dev/v1alpha1
                    kind: GpuBudget
                    metadata: {name: plain}
                    spec: {limit: {cost: 30}, topUps: [{amount: 12, window: rolling}], window: {period: Rolling, length: 30d}, training: {settle: 90s}}
                    """
                )!,
            Ct
        );
        await scene.UntilAsync("it is read", async () => (await scene.StatusAsync("plain"))?.Limit == "42.000000");
        (await scene.ConditionAsync("Ready", "plain"))!.Status.Should().Be("True");
    }

    private static async Task<double?> CountAsync(Scene scene, string kind) =>
        (await scene.World.MetricsAsync(Ct))
            .Single(sample => sample.Name == "bursar_unreadable_objects" && sample.Label("kind") == kind)
            .Value;

    private static Task PatchAsync(Scene scene, string name, JsonNode spec) =>
        scene.World.Client.PatchAsync<V1Alpha2JobSet>(name, scene.Team, KubePatch.Merge(new JsonObject { ["spec"] = spec }), Ct);

    private static async Task<Scene> WithAsync(params string[] kinds)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await Kinds.ServeAsync(scene.World, kinds);
        await scene.World.StartOperatorAsync(Ct);
        return scene;
    }

    /// <summary>A kind whose definition does not declare its fields.</summary>
    private static async Task<Scene> WithLooseAsync(string kind)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        var entity = WorkloadKinds.Find(kind)!.Entity;
        await scene.World.Client.CreateAsync<V1CustomResourceDefinition>(
            (JsonObject)
                Bursar.Sandbox.ApiServer.YamlBody.Parse(
                    $$$"""
                    metadata: {name: {{{entity.Plural}}}.{{{entity.Group}}}, annotations: {api-approved.kubernetes.io: unapproved}}
                    spec:
                      group: {{{entity.Group}}}
                      names: {kind: {{{kind}}}, plural: {{{entity.Plural}}}, singular: {{{kind.ToLowerInvariant()}}}}
                      scope: Namespaced
                      versions:
                      - {name: {{{entity.Version}}}, served: true, storage: true, subresources: {status: {}}, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true} } }
                    """
                )!,
            null,
            Ct
        );
        await Kinds.UntilServedAsync(scene.World, entity);
        await scene.World.StartOperatorAsync(Ct);
        return scene;
    }
}
