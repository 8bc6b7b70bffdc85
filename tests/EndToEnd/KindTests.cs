using System.Text.Json.Nodes;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The kinds of the table beside Job and Deployment: their CRDs as far as Bursar reads them, and what becomes of their objects.
/// </summary>
internal static class Kinds
{
    private static CancellationToken Ct => CancellationToken.None;

    public static readonly string[] All =
    [
        .. WorkloadKinds.All.Where(kind => kind.IsOptional && (kind.Scales || !kind.Serves)).Select(kind => kind.Name),
    ];

    /// <summary>The suspend field has the default that the kind's own CRD gives it.</summary>
    public static async Task ServeAsync(ClusterWorld world, params string[] kinds)
    {
        foreach (var name in kinds)
        {
            var entity = name == "RayCluster" ? V1RayCluster.EntityKind : WorkloadKinds.Find(name)!.Entity;
            var scales = WorkloadKinds.Find(name) is { Scales: true };
            var spec =
                scales ? "replicas: {type: integer}"
                : entity.Group == "kubeflow.org"
                    ? "runPolicy: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {suspend: {type: boolean, default: false}}}"
                : name == "TrainJob" ? "suspend: {type: boolean, default: false}"
                : "suspend: {type: boolean}";
            try
            {
                await world.Client.CreateAsync<V1CustomResourceDefinition>(
                    (JsonObject)
                        YamlBody.Parse(
                            $$$"""
                            metadata: {name: {{{entity.Plural}}}.{{{entity.Group}}}, annotations: {api-approved.kubernetes.io: unapproved}}
                            spec:
                              group: {{{entity.Group}}}
                              names: {kind: {{{name}}}, plural: {{{entity.Plural}}}, singular: {{{name.ToLowerInvariant()}}}}
                              scope: Namespaced
                              versions:
                              - name: {{{entity.Version}}}
                                served: true
                                storage: true
                                subresources: {status: {}{{{(
                                scales ? ", scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}" : ""
                            )}}}}
                                schema:
                                  openAPIV3Schema:
                                    type: object
                                    properties:
                                      spec: {type: object, x-kubernetes-preserve-unknown-fields: true, properties: {{{{spec}}}}}
                                      status: {type: object, x-kubernetes-preserve-unknown-fields: true}
                            """
                        )!,
                    null,
                    Ct
                );
            }
            catch (ApiException there) when (there.IsConflict)
            {
                // A scene before this one on the same server made it.
            }
        }
        foreach (var name in kinds)
        {
            var entity = name == "RayCluster" ? V1RayCluster.EntityKind : WorkloadKinds.Find(name)!.Entity;
            await UntilServedAsync(world, entity);
        }
    }

    public static Task UntilServedAsync(ClusterWorld world, EntityKind entity) =>
        world.UntilAsync(
            $"{entity.Kind} is served",
            async () =>
            {
                try
                {
                    await world.Client.RequestAsync(HttpMethod.Get, entity.Path(null), null, Ct);
                    return true;
                }
                catch (ApiException error) when (error.IsNotFound)
                {
                    return false;
                }
            },
            Ct
        );

    /// <summary>A spec that requests two GPUs in all and leaves the suspend field unset.</summary>
    public static string Spec(string kind)
    {
        const string pods =
            """{"metadata": {"labels": {"app": "gang"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}""";
        return kind switch
        {
            "JobSet" =>
                $$$$$$$$"""{"replicatedJobs": [{"name": "w", "replicas": 2, "template": {"spec": {"template": {{{{{{{{pods}}}}}}}}}}}]}""",
            "TrainJob" =>
                """{"runtimeRef": {"name": "torch"}, "trainer": {"numNodes": 2, "resourcesPerNode": {"limits": {"nvidia.com/gpu": "1"}}}}""",
            "PyTorchJob" =>
                $$$$$$$$"""{"runPolicy": {"cleanPodPolicy": "None"}, "pytorchReplicaSpecs": {"Master": {"replicas": 1, "template": {{{{{{{{pods}}}}}}}}}, "Worker": {"replicas": 1, "template": {{{{{{{{pods}}}}}}}}}}}""",
            "TFJob" => $$$$$$$$"""{"runPolicy": {}, "tfReplicaSpecs": {"Worker": {"replicas": 2, "template": {{{{{{{{pods}}}}}}}}}}}""",
            "XGBoostJob" =>
                $$$$$$$$"""{"runPolicy": {}, "xgbReplicaSpecs": {"Worker": {"replicas": 2, "template": {{{{{{{{pods}}}}}}}}}}}""",
            "PaddleJob" =>
                $$$$$$$$"""{"runPolicy": {}, "paddleReplicaSpecs": {"Worker": {"replicas": 2, "template": {{{{{{{{pods}}}}}}}}}}}""",
            "JAXJob" => $$$$$$$$"""{"runPolicy": {}, "jaxReplicaSpecs": {"Worker": {"replicas": 2, "template": {{{{{{{{pods}}}}}}}}}}}""",
            "MPIJob" =>
                $$$$$$$$"""{"runPolicy": {"backoffLimit": 3}, "mpiReplicaSpecs": {"Worker": {"replicas": 2, "template": {{{{{{{{pods}}}}}}}}}}}""",
            "StatefulSet" =>
                $$$$$$$$"""{"replicas": 2, "serviceName": "gang", "selector": {"matchLabels": {"app": "gang"}}, "template": {{{{{{{{pods.Replace("Never", "Always", StringComparison.Ordinal)}}}}}}}}}""",
            "LeaderWorkerSet" =>
                $$$$$$$$"""{"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": {{{{{{{{pods.Replace("Never", "Always", StringComparison.Ordinal)}}}}}}}}}}""",
            "RayJob" =>
                $$$$$$$$"""{"shutdownAfterJobFinishes": true, "entrypoint": "python train.py", "rayClusterSpec": {"headGroupSpec": {"rayStartParams": {}, "template": {"spec": {"containers": [{"name": "head", "image": "example/ray"}]}}}, "workerGroupSpecs": [{"groupName": "w", "replicas": 2, "minReplicas": 2, "maxReplicas": 2, "rayStartParams": {}, "template": {{{{{{{{pods}}}}}}}}}]}}""",
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
    }

    /// <summary>An object of a kind; its uid.</summary>
    public static async Task<string> CreateAsync(
        Scene scene,
        string kind,
        string name,
        string spec,
        string? declared = "2h",
        (string Kind, string Name, string Uid)? owner = null
    )
    {
        var entity = kind == "RayCluster" ? V1RayCluster.EntityKind : WorkloadKinds.Find(kind)!.Entity;
        var metadata = new JsonObject { ["name"] = name, ["annotations"] = new JsonObject() };
        if (declared is not null)
            metadata["annotations"]!["bursar.dev/expected-duration"] = declared;
        if (WorkloadKinds.Find(kind) is { Scales: true })
            metadata["annotations"]!["bursar.dev/class"] = "training";
        if (owner is { } above)
        {
            metadata["ownerReferences"] = new JsonArray(
                new JsonObject
                {
                    ["apiVersion"] =
                        above.Kind == "Pod"
                            ? "v1"
                            : (above.Kind == "RayCluster" ? V1RayCluster.EntityKind : WorkloadKinds.Find(above.Kind)!.Entity).ApiVersion,
                    ["kind"] = above.Kind,
                    ["name"] = above.Name,
                    ["uid"] = above.Uid,
                    ["controller"] = true,
                }
            );
        }
        await scene.World.PostJsonAsync(
            entity.Path(scene.Team),
            new()
            {
                ["apiVersion"] = entity.ApiVersion,
                ["kind"] = kind,
                ["metadata"] = metadata,
                ["spec"] = JsonNode.Parse(spec),
            },
            Ct
        );
        return (string)(await GetAsync(scene, kind, name))["metadata"]!["uid"]!;
    }

    public static async Task<JsonNode> GetAsync(Scene scene, string kind, string name) =>
        (
            await scene.World.Client.RequestAsync(
                HttpMethod.Get,
                (kind == "RayCluster" ? V1RayCluster.EntityKind : WorkloadKinds.Find(kind)!.Entity).Path(scene.Team, name),
                null,
                Ct
            )
        )!;

    /// <summary>Whether the object is stopped: null if its field is unset, for a count whether it is zero.</summary>
    public static async Task<bool?> SuspendFieldAsync(Scene scene, string kind, string name) =>
        SuspendFieldOf(kind, await GetAsync(scene, kind, name));

    private static bool? SuspendFieldOf(string kind, JsonNode? value)
    {
        foreach (var key in WorkloadKinds.Find(kind)!.Field.Split('/', StringSplitOptions.RemoveEmptyEntries))
            value = value?[key];
        return WorkloadKinds.Find(kind)!.Scales ? (int?)value == 0 : (bool?)value;
    }

    public static Task UntilSuspendedAsync(Scene scene, string kind, string name, TimeSpan? within = null) =>
        scene.UntilAsync($"{kind} {name} is suspended", async () => await SuspendFieldAsync(scene, kind, name) == true, within);

    /// <summary>The object is suspended when it is created and restored exactly as it was.</summary>
    public static async Task SuspendedAndRestoredAsync(Scene scene, params string[] kinds)
    {
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var before = new Dictionary<string, string>();
        var switched = new Dictionary<string, bool?>();
        foreach (var kind in kinds)
        {
            var name = kind.ToLowerInvariant();
            // The server fills an unset field from the CRD's default.
            switched[kind] = SuspendFieldOf(kind, await DryRunAsync(scene, kind, Spec(kind)));
            await CreateAsync(scene, kind, name, Spec(kind));
            // The operator may have written first, so its fields are removed.
            before[kind] = Unswitched(await GetAsync(scene, kind, name));
        }
        foreach (var kind in kinds)
        {
            await UntilSuspendedAsync(scene, kind, kind.ToLowerInvariant());
            if (!WorkloadKinds.Find(kind)!.Scales)
                ((string?)(await GetAsync(scene, kind, kind.ToLowerInvariant()))["metadata"]!["annotations"]!["bursar.dev/suspended-by"])
                    .Should()
                    .Be("gpubudget/b");
        }
        await scene.UntilAsync("the status names them", async () => (await scene.StatusAsync())?.SuspendedCount == kinds.Length);
        (await scene.StatusAsync())!.Suspended!.Select(s => s.Kind).Should().BeEquivalentTo(kinds);
        foreach (var kind in kinds)
            await scene.UntilAsync($"an Event names the {kind}", async () =>
                (await scene.EventsAsync(WorkloadKinds.Find(kind)!.Scales ? "ScaledToZero" : "Suspended", kind.ToLowerInvariant())).Any(e =>
                    e.Regarding!.Kind == kind && e.Regarding.ApiVersion == WorkloadKinds.Find(kind)!.Entity.ApiVersion
                )
            );

        await scene.SetLimitAsync("1000");
        foreach (var kind in kinds)
        {
            var name = kind.ToLowerInvariant();
            await scene.UntilAsync(
                $"{kind} is restored",
                async () => await SuspendFieldAsync(scene, kind, name) != true,
                TimeSpan.FromMinutes(3)
            );
            var now = await GetAsync(scene, kind, name);
            Unswitched(now).Should().Be(before[kind]);
            // If the CRD has a default, the server writes it. Otherwise the field is absent as before.
            (await SuspendFieldAsync(scene, kind, name)).Should().Be(switched[kind]);
            if (WorkloadKinds.Find(kind)!.Scales)
                ((int)now["spec"]!["replicas"]!).Should().Be((int)JsonNode.Parse(Spec(kind))!["replicas"]!);
            now["metadata"]!["annotations"]!
                .AsObject()
                .Select(pair => pair.Key)
                .Should()
                .BeEquivalentTo(
                    WorkloadKinds.Find(kind)!.Scales
                        ? ["bursar.dev/expected-duration", "bursar.dev/class"]
                        : (string[])["bursar.dev/expected-duration"]
                );
        }
        await scene.UntilAsync("no record is left", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
    }

    /// <summary>Pod, Job, JobSet, TrainJob: the TrainJob is billed, and the TrainJob is stopped.</summary>
    public static async Task ChainIsBilledAndStoppedAtItsTopAsync(Scene scene)
    {
        // Two GPUs cost 0.0017 USD a second. Half a minute of grace is reserved for their stop.
        await scene.BudgetAsync("0.1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var top = await CreateAsync(scene, "TrainJob", "tune", Spec("TrainJob"), declared: null);
        var set = await CreateAsync(scene, "JobSet", "tune", Spec("JobSet"), declared: null, owner: ("TrainJob", "tune", top));
        const string pods =
            """{"backoffLimit": 0, "template": {"metadata": {"labels": {"app": "gang", "jobset.sigs.k8s.io/jobset-name": "tune"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}""";
        foreach (var rank in (string[])["tune-0", "tune-1"])
            await CreateAsync(scene, "Job", rank, pods, declared: null, owner: ("JobSet", "tune", set));
        await scene.UntilAsync("its two GPUs cost", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Kind: "TrainJob", Name: "tune", State: "Running", Gpus: 2 }]
        );
        await UntilSuspendedAsync(scene, "TrainJob", "tune");
        (await SuspendFieldAsync(scene, "JobSet", "tune")).Should().BeNull("what the TrainJob owns is its controller's");
        foreach (var rank in (string[])["tune-0", "tune-1"])
            (await scene.IsSuspendedAsync(rank)).Should().BeFalse();
        // The test acts as the trainer and as JobSet's controller.
        foreach (var rank in (string[])["tune-0", "tune-1"])
            await scene.SuspendAsync(rank, true);
        await scene.UntilAsync("no pod costs anything any more", async () =>
            (await scene.World.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, Ct)).Items.Count == 0
        );
        await scene.UntilAsync("it is the one that is suspended", async () =>
            (await scene.StatusAsync())?.Suspended is [{ Kind: "TrainJob", Name: "tune" }]
        );
        decimal.Parse((await scene.StatusAsync())!.Spent!, System.Globalization.CultureInfo.InvariantCulture).Should().BeGreaterThan(0);
    }

    /// <summary>Pod, its StatefulSet, its leader's pod, the leaders' StatefulSet, LeaderWorkerSet: one work, stopped at its top.</summary>
    public static async Task GroupIsBilledAndScaledAtItsTopAsync(Scene scene)
    {
        await scene.BudgetAsync("0.1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        var top = await CreateAsync(scene, "LeaderWorkerSet", "big", Spec("LeaderWorkerSet"), declared: null);
        var one = JsonNode.Parse(Spec("StatefulSet"))!;
        one["replicas"] = 1;
        var leaders = await CreateAsync(
            scene,
            "StatefulSet",
            "big",
            one.ToJsonString(),
            declared: null,
            owner: ("LeaderWorkerSet", "big", top)
        );
        var leader = await PodAsync(scene, "big-0", "StatefulSet", "apps/v1", "big", leaders);
        var workers = await CreateAsync(scene, "StatefulSet", "big-0", one.ToJsonString(), declared: null, owner: ("Pod", "big-0", leader));
        await PodAsync(scene, "big-0-1", "StatefulSet", "apps/v1", "big-0", workers);
        await scene.UntilAsync("its two GPUs cost", async () =>
            (await scene.StatusAsync())?.Workloads
                is [{ Kind: "LeaderWorkerSet", Name: "big", State: "Running", Gpus: 2, RatePerHour: "6.12" }]
        );
        await UntilSuspendedAsync(scene, "LeaderWorkerSet", "big");
        foreach (var part in (string[])["big", "big-0"])
            (await SuspendFieldAsync(scene, "StatefulSet", part)).Should().BeFalse("what the LeaderWorkerSet owns is its controller's");
        foreach (var pod in (string[])["big-0-1", "big-0"])
            await scene.World.Client.DeleteAsync<V1Pod>(pod, scene.Team, null, Ct);
        await scene.UntilAsync("it is the one that is suspended", async () =>
            (await scene.StatusAsync())?.Suspended is [{ Kind: "LeaderWorkerSet", Name: "big" }]
        );
        await scene.UntilAsync("nothing else is seen", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Kind: "LeaderWorkerSet", Gpus: 2 }]
        );
    }

    /// <summary>A pod of one GPU that an object owns; its uid.</summary>
    public static async Task<string> PodAsync(Scene scene, string name, string ownerKind, string ownerVersion, string owner, string uid)
    {
        await scene.CreateAsync(
            V1Pod.EntityKind.Path(scene.Team),
            $$$$"""
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "{{{{name}}}}", "labels": {"app": "gang", "leaderworkerset.sigs.k8s.io/name": "big"},
               "ownerReferences": [{"apiVersion": "{{{{ownerVersion}}}}", "kind": "{{{{ownerKind}}}}", "name": "{{{{owner}}}}", "uid": "{{{{uid}}}}", "controller": true} ]},
             "spec": {"terminationGracePeriodSeconds": 5, "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}
            """
        );
        return (await scene.World.Client.GetAsync<V1Pod>(name, scene.Team, Ct)).Metadata.Uid;
    }

    private static async Task<JsonNode> DryRunAsync(Scene scene, string kind, string spec)
    {
        var entity = WorkloadKinds.Find(kind)!.Entity;
        var body = new JsonObject
        {
            ["apiVersion"] = entity.ApiVersion,
            ["kind"] = kind,
            ["metadata"] = new JsonObject { ["name"] = "tried" },
            ["spec"] = JsonNode.Parse(spec),
        };
        return (
            await scene.World.Client.RequestAsync(
                HttpMethod.Post,
                entity.Path(scene.Team) + "?dryRun=All",
                new StringContent(body.ToJsonString(), System.Text.Encoding.UTF8, "application/json"),
                Ct
            )
        )!;
    }

    private static string Unswitched(JsonNode obj)
    {
        var spec = obj["spec"]!.DeepClone();
        spec.AsObject().Remove("replicas");
        spec.AsObject().Remove("suspend");
        (spec["runPolicy"] as JsonObject)?.Remove("suspend");
        return spec.ToJsonString();
    }
}

public sealed class KindTests
{
    public static TheoryData<string> All => [.. Kinds.All, "StatefulSet"];

    [Theory]
    [MemberData(nameof(All))]
    public async Task Kind_is_suspended_by_its_suspend_field_and_restored_as_it_was(string kind)
    {
        var scene = await WithAsync(kind);
        await using var world = scene.World;
        await Kinds.SuspendedAndRestoredAsync(scene, kind);
    }

    [Fact]
    public async Task Job_of_another_group_is_not_mistaken_for_a_batch_Job()
    {
        var scene = await WithAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await world.CreateJobAsync(scene.Team, "train", 1, CancellationToken.None);
        EntityKind volcano = new("batch.volcano.sh", "v1alpha1", "Job", "jobs");
        await world.Client.CreateAsync<V1CustomResourceDefinition>(
            (JsonObject)
                YamlBody.Parse(
                    """
                    metadata: {name: jobs.batch.volcano.sh}
                    spec:
                      group: batch.volcano.sh
                      names: {kind: Job, plural: jobs, singular: job}
                      scope: Namespaced
                      versions:
                      - {name: v1alpha1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true} } }
                    """
                )!,
            null,
            CancellationToken.None
        );
        await Kinds.UntilServedAsync(world, volcano);
        await scene.CreateAsync(
            volcano.Path(scene.Team),
            """{"apiVersion": "batch.volcano.sh/v1alpha1", "kind": "Job", "metadata": {"name": "train"} }"""
        );
        var job = await world.Client.RequestAsync(HttpMethod.Get, volcano.Path(scene.Team, "train"), null, CancellationToken.None);
        await Kinds.PodAsync(scene, "train-task-0", "Job", volcano.ApiVersion, "train", (string)job!["metadata"]!["uid"]!);

        await scene.UntilAsync("it costs", async () =>
            (await scene.StatusAsync())?.Unstoppable?.Workloads is ["Job.batch.volcano.sh/train"]
        );
        var reported = (await scene.StatusAsync())!.Workloads!.Single(one => one.Kind == "Job.batch.volcano.sh");
        reported.Class.Should().Be("interactive", "it has no class of batch's Job");
        reported.Reason.Should().Contain("Bursar has no adapter for Job.batch.volcano.sh");
    }

    [Fact]
    public async Task Chain_of_owner_references_is_billed_and_suspended_at_its_top()
    {
        var scene = await WithAsync("TrainJob", "JobSet");
        await using var world = scene.World;
        await Kinds.ChainIsBilledAndStoppedAtItsTopAsync(scene);
    }

    [Fact]
    public async Task Group_of_leader_and_workers_is_billed_and_scaled_at_its_top()
    {
        var scene = await WithAsync("LeaderWorkerSet");
        await using var world = scene.World;
        await Kinds.GroupIsBilledAndScaledAtItsTopAsync(scene);
    }

    [Fact]
    public async Task StatefulSets_pod_that_is_recreated_under_its_name_is_another_pod()
    {
        var scene = await WithAsync();
        await using var world = scene.World;
        await using var bill = await PodBill.OpenAsync(scene);
        await scene.BudgetAsync("1000");
        var set = await Kinds.CreateAsync(scene, "StatefulSet", "train", Kinds.Spec("StatefulSet"), declared: "2h");
        foreach (var seconds in (int[])[60, 90])
        {
            await Kinds.PodAsync(scene, "train-0", "StatefulSet", "apps/v1", "train", set);
            await scene.UntilAsync("it costs", async () =>
                (await scene.StatusAsync())?.Workloads is [{ Kind: "StatefulSet", Name: "train", Class: "training", State: "Running" }]
            );
            await scene.PassAsync(seconds);
            await world.Client.DeleteAsync<V1Pod>("train-0", scene.Team, null, CancellationToken.None);
            await scene.UntilAsync("it is gone", async () =>
                (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, CancellationToken.None)).Items.Count == 0
            );
        }
        (await scene.FinalSpentAsync()).Should().Be(bill.Total(Scene.V100).ToString());
        bill.Pods.Should().Be(2);
    }

    [Fact]
    public async Task StatefulSet_that_serves_is_suspended_at_the_limit_and_not_by_its_forecast()
    {
        var scene = await WithAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("0.1", """{"inference": {"whenExhausted": "Zero"}}""");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await scene.CreateAsync(
            V1StatefulSet.EntityKind.Path(scene.Team),
            new JsonObject
            {
                ["apiVersion"] = "apps/v1",
                ["kind"] = "StatefulSet",
                ["metadata"] = new JsonObject { ["name"] = "chat" },
                ["spec"] = JsonNode.Parse(Kinds.Spec("StatefulSet")),
            }.ToJsonString()
        );
        await scene.PassAsync(12);
        (await Kinds.SuspendFieldAsync(scene, "StatefulSet", "chat")).Should().BeFalse("inference is not suspended for its forecast");
        await Kinds.PodAsync(
            scene,
            "chat-0",
            "StatefulSet",
            "apps/v1",
            "chat",
            (await world.Client.GetAsync<V1StatefulSet>("chat", scene.Team, CancellationToken.None)).Metadata.Uid
        );
        await Kinds.UntilSuspendedAsync(scene, "StatefulSet", "chat", TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task Suspension_names_what_it_loses()
    {
        var scene = await WithAsync("RayJob");
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await Kinds.CreateAsync(scene, "RayJob", "ray", Kinds.Spec("RayJob"));
        await Kinds.UntilSuspendedAsync(scene, "RayJob", "ray");
        await scene.UntilAsync("the Event reports it", async () =>
            (await scene.EventsAsync("Suspended", "ray")) is [{ Note: { } note }]
            && note.Contains("KubeRay deletes its RayCluster", StringComparison.Ordinal)
        );
    }

    [Fact]
    public async Task Pods_of_a_RayCluster_are_the_RayJobs()
    {
        var scene = await WithAsync("RayJob", "RayCluster");
        await using var world = scene.World;
        await scene.BudgetAsync("1000");
        var job = await Kinds.CreateAsync(scene, "RayJob", "ray", Kinds.Spec("RayJob"));
        var cluster = await CreateClusterAsync(scene, ("RayJob", "ray", job));
        await scene.CreateAsync(
            $"/api/v1/namespaces/{scene.Team}/pods",
            $$$$"""
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray-worker", "labels": {"app": "gang"},
               "ownerReferences": [{"apiVersion": "ray.io/v1", "kind": "RayCluster", "name": "ray-abc", "uid": "{{{{cluster}}}}", "controller": true} ]},
             "spec": {"containers": [{"name": "main", "image": "example/ray", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}
            """
        );
        await scene.UntilAsync("the RayJob is billed", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Kind: "RayJob", Name: "ray", State: "Running" }]
        );
    }

    [Fact]
    public async Task Kind_whose_CRD_is_installed_later_is_picked_up()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await Kinds.ServeAsync(world, "JobSet");
        await Kinds.CreateAsync(scene, "JobSet", "late", Kinds.Spec("JobSet"));
        await Kinds.UntilSuspendedAsync(scene, "JobSet", "late", TimeSpan.FromSeconds(90));
    }

    [Fact]
    public async Task Ended_workload_is_left_alone_and_a_not_suspendable_one_is_reported()
    {
        var scene = await WithAsync("PyTorchJob", "RayJob");
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await Kinds.CreateAsync(scene, "PyTorchJob", "over", Kinds.Spec("PyTorchJob"));
        await world.Client.PatchAsync<V1PyTorchJob>(
            "over",
            scene.Team,
            KubePatch.Merge(JsonNode.Parse("""{"status": {"conditions": [{"type": "Succeeded", "status": "True"}]}}""")!) with
            {
                Subresource = "status",
            },
            CancellationToken.None
        );
        await Kinds.CreateAsync(
            scene,
            "RayJob",
            "stays",
            """{"rayClusterSpec": {"workerGroupSpecs": [{"replicas": 1, "template": {"spec": {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}]}}"""
        );
        // The watches of the kinds and of budgets are not ordered, so the operator must have seen the end before the limit.
        await scene.UntilAsync("the RayJob alone is there", async () => (await scene.StatusAsync())?.Workloads is [{ Kind: "RayJob" }]);
        await scene.SetLimitAsync("1");
        await scene.UntilAsync("the limit is seen", async () => (await scene.StatusAsync())?.Limit == "1.000000");
        await scene.PassAsync(12);
        (await Kinds.SuspendFieldAsync(scene, "PyTorchJob", "over")).Should().BeFalse();
        (await Kinds.SuspendFieldAsync(scene, "RayJob", "stays")).Should().BeNull();
        (await scene.StatusAsync())!.Workloads!.Single().Reason.Should().Contain("shutdownAfterJobFinishes");
    }

    [Fact]
    public async Task Kind_that_the_operator_may_not_stop_is_reported()
    {
        var scene = await WithAsync(startOperator: false, "JobSet");
        await using var world = scene.World;
        await world.StartOperatorAsync(CancellationToken.None, new() { Kinds = ["Job", "Deployment"] });
        await scene.BudgetAsync("1");
        await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
        await Kinds.CreateAsync(scene, "JobSet", "theirs", Kinds.Spec("JobSet"));
        await scene.UntilAsync("it is reported", async () =>
            (await scene.StatusAsync())?.Workloads is [{ Kind: "JobSet", Reason: { } reason }]
            && reason.Contains("operator.kinds", StringComparison.Ordinal)
        );
        await scene.PassAsync(12);
        (await Kinds.SuspendFieldAsync(scene, "JobSet", "theirs")).Should().BeNull();
    }

    private static async Task<string> CreateClusterAsync(Scene scene, (string Kind, string Name, string Uid) owner)
    {
        var made = await scene.World.Client.RequestAsync(
            HttpMethod.Post,
            V1RayCluster.EntityKind.Path(scene.Team),
            new StringContent(
                $$$"""
                {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "ray-abc",
                   "ownerReferences": [{"apiVersion": "ray.io/v1", "kind": "{{{owner.Kind}}}", "name": "{{{owner.Name}}}", "uid": "{{{owner.Uid}}}", "controller": true}]}, "spec": {}}
                """,
                System.Text.Encoding.UTF8,
                "application/json"
            ),
            CancellationToken.None
        );
        return (string)made!["metadata"]!["uid"]!;
    }

    private static Task<Scene> WithAsync(params string[] kinds) => WithAsync(startOperator: true, kinds);

    private static async Task<Scene> WithAsync(bool startOperator, params string[] kinds)
    {
        var scene = await Scene.SandboxAsync(startOperator: false);
        await Kinds.ServeAsync(scene.World, [.. kinds.Where(kind => WorkloadKinds.Find(kind) is not { IsOptional: false })]);
        if (startOperator)
            await scene.World.StartOperatorAsync(CancellationToken.None);
        return scene;
    }
}

/// <summary>These tests run on a real kube-apiserver with its controllers, with five kinds: one fewer than the breaker lets a forecast suspend.</summary>
[Collection(RealClusterCollection.Name)]
public sealed class RealKindTests(RealCluster cluster)
{
    [SkippableFact]
    public Task Kinds_are_suspended_by_their_suspend_fields_and_restored_as_they_were() =>
        PlayAsync("kinds", ["JobSet", "TrainJob", "PyTorchJob", "MPIJob", "RayJob"], scene =>
            Kinds.SuspendedAndRestoredAsync(scene, "JobSet", "TrainJob", "PyTorchJob", "MPIJob", "RayJob")
        );

    [SkippableFact]
    public Task Chain_of_owner_references_is_billed_and_suspended_at_its_top() =>
        PlayAsync("chain", ["JobSet", "TrainJob"], Kinds.ChainIsBilledAndStoppedAtItsTopAsync);

    [SkippableFact]
    public Task Scalable_kinds_are_suspended_by_their_replicas_and_restored_as_they_were() =>
        PlayAsync("scaled", ["LeaderWorkerSet"], scene => Kinds.SuspendedAndRestoredAsync(scene, "LeaderWorkerSet", "StatefulSet"));

    /// <summary>The cluster's own CronJob controller creates a run each minute until it is suspended.</summary>
    [SkippableFact]
    public Task CronJob_of_a_suspended_run_creates_no_other_run() => PlayAsync("cron", [], async scene =>
        {
            await scene.BudgetAsync("1");
            await scene.UntilAsync("the budget is seen", async () => await scene.StatusAsync() is not null);
            await CronJobTests.CronJobAsync(scene, schedule: "* * * * *");
            async Task<V1Job[]> Runs() =>
                [.. (await scene.World.Client.ListAsync<V1Job>(new() { Namespace = scene.Team }, CancellationToken.None)).Items];
            await scene.UntilAsync("a run waits", async () => await Runs() is [{ Spec.Suspend: true }], TimeSpan.FromSeconds(90));
            await scene.UntilAsync("its CronJob is suspended", async () => (await CronJobTests.CronAsync(scene)).Spec.Suspend == true);
            await scene.PassAsync(65);
            (await Runs()).Should().HaveCount(1);
            await scene.SetLimitAsync("1000");
            await scene.UntilAsync("it runs", async () => (await Runs()).Any(job => job.Spec.Suspend == false));
            await scene.UntilAsync("the CronJob is back", async () => (await CronJobTests.CronAsync(scene)).Spec.Suspend == false);
        });

    private async Task PlayAsync(string team, string[] kinds, Func<Scene, Task> play)
    {
        var scene = await cluster.OpenAsync(team, startOperator: false);
        try
        {
            await Kinds.ServeAsync(scene.World, kinds);
            await scene.World.StartOperatorAsync(CancellationToken.None);
            await play(scene);
        }
        finally
        {
            await RealCluster.LeaveAsync(scene);
        }
    }
}
