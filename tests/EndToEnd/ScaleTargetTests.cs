using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Scaling.Targets;
using Bursar.Operator.Suspension;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// The targets of scalers, found in the caches and written by one number, on the embedded cluster and on a real API server if there is one.
/// </summary>
[Collection(RealClusterCollection.Name)]
public sealed class ScaleTargetTests(RealCluster real)
{
    private static readonly EntityKind Deployment = V1Deployment.EntityKind;
    private static readonly EntityKind StatefulSet = V1StatefulSet.EntityKind;
    private static readonly EntityKind Groups = V1LeaderWorkerSet.EntityKind;
    private static readonly EntityKind Rollout = V1Alpha1Rollout.EntityKind;
    private static readonly EntityKind Dynamo = V1Alpha1DynamoScalingAdapter.EntityKind;
    private static readonly EntityKind Service = V1Beta1InferenceService.EntityKind;

    private static CancellationToken Ct => CancellationToken.None;

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public Task Deployment_follows_its_replica_count_and_reports_a_rollout(bool isReal) =>
        PlayAsync(isReal, "scale-deployment", async world =>
        {
            await world.Scene.World.CreateDeploymentAsync(world.Scene.Team, "chat", 2, 1, Ct);
            var target = await world.UntilAsync(Deployment, "chat", one =>
                one is { StatusReplicas: 2, IsRollingOut: false, ReplicaPods.Count: 2 }
            );
            target
                .Should()
                .Match<ScaleTarget>(one =>
                    one.Replicas == 2 && one.OtherAutoscaler == null && !one.IsPaused && one.Work!.Kind.Name == "Deployment"
                );
            target.PodSets.Should().ContainSingle().Which.Gpus.Should().Be(2);
            target.ReplicaPods.Should().OnlyContain(replica => replica.Key == replica.Pods.Single().Metadata.Uid);

            (await world.Actor.ScaleAsync(world.Scaler, target, 3, Ct)).Should().Be(WriteOutcome.Done);
            (await world.Scene.ReplicasAsync("chat")).Should().Be(3);
            (await world.Actor.ScaleAsync(world.Scaler, target, 3, Ct))
                .Should()
                .Be(WriteOutcome.AlreadySo, "a repeated value is no second write");
            // The value that was seen is no longer the present one.
            (await world.Actor.ScaleAsync(world.Scaler, target, 1, Ct)).Result.Should().Be(WriteResult.ChangedByOther);
            (await world.Scene.ReplicasAsync("chat")).Should().Be(3);
            await world.UntilAsync(Deployment, "chat", one => one is { Replicas: 3, ReplicaPods.Count: 3, IsRollingOut: false });
            (await world.ScaleAsync(Deployment, "chat", 3, 0)).Should().Be(WriteOutcome.Done);
            await world.UntilAsync(Deployment, "chat", one => one is { Replicas: 0, ReplicaPods.Count: 0, IsRollingOut: false });
            (await world.ScaleAsync(Deployment, "chat", 0, 1)).Should().Be(WriteOutcome.Done);
            await world.UntilAsync(Deployment, "chat", one => one is { ReplicaPods.Count: 1, IsRollingOut: false });
            world.Records.Should().BeEmpty("replicas are not a user's setting");

            await world.MergeAsync(Deployment, "chat", """{"spec": {"template": {"metadata": {"annotations": {"version": "2"}}}}}""");
            await world.UntilAsync(Deployment, "chat", one => one.IsRollingOut);
            await world.UntilAsync(Deployment, "chat", one => one is { IsRollingOut: false, ReplicaPods.Count: 1 });
            await world.MergeAsync(Deployment, "chat", """{"spec": {"paused": true}}""");
            target = await world.UntilAsync(Deployment, "chat", one => one.IsPaused);

            await world.DeleteAsync(Deployment, "chat");
            await world.Scene.UntilAsync("it is gone", () => Task.FromResult(world.Find(Deployment, "chat") is null));
            (await world.Actor.ScaleAsync(world.Scaler, target, 5, Ct)).Should().Be(WriteOutcome.Gone);
            await world.Scene.World.CreateDeploymentAsync(world.Scene.Team, "chat", 1, 1, Ct);
            (await world.Actor.ScaleAsync(world.Scaler, target, 5, Ct)).Should().Be(WriteOutcome.Gone, "a namesake is another one");
            (await world.Scene.ReplicasAsync("chat")).Should().Be(1);
        });

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public Task Rollout_and_a_Dynamo_service_are_scaled_as_a_Deployment_is(bool isReal) => PlayAsync(isReal, "scale-customs", async world =>
        {
            await world.CreateAsync(
                Rollout,
                "chat",
                """
                "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "2"}}}]}}},
                "status": {"replicas": 2, "observedGeneration": "1", "currentPodHash": "b", "stableRS": "a", "phase": "Paused"}
                """
            );
            await world.MergeAsync(
                Rollout,
                "chat",
                """{"status": {"replicas": 2, "observedGeneration": "1", "currentPodHash": "b", "stableRS": "a", "phase": "Paused"}}""",
                "status"
            );
            await ReplicaSetAsync(world, "chat-b", (Rollout.ApiVersion, "Rollout", "chat", await world.UidAsync(Rollout, "chat")), 2);
            var target = await world.UntilAsync(Rollout, "chat", one =>
                one is { IsRollingOut: true, IsPaused: true, ReplicaPods.Count: 2 }
            );
            target.Should().Match<ScaleTarget>(one => one.Replicas == 2 && one.StatusReplicas == 2 && one.Work == null);
            target.PodSets.Should().ContainSingle().Which.Gpus.Should().Be(4);
            (await world.Actor.ScaleAsync(world.Scaler, target, 4, Ct)).Should().Be(WriteOutcome.Done);
            ((int?)(await world.GetAsync(Rollout, "chat"))["spec"]!["replicas"]).Should().Be(4);
            var generation = (int)(await world.GetAsync(Rollout, "chat"))["metadata"]!["generation"]!;
            await world.UntilAsync(Rollout, "chat", one => one is { Replicas: 4, IsRollingOut: true });
            await world.MergeAsync(
                Rollout,
                "chat",
                $$$"""{"status": {"observedGeneration": "{{{generation}}}", "stableRS": "b", "phase": "Healthy"}}""",
                "status"
            );
            await world.UntilAsync(Rollout, "chat", one => one is { IsRollingOut: false, IsPaused: false });

            await world.CreateAsync(
                Dynamo,
                "graph-decode",
                """ "spec": {"replicas": 1, "dgdRef": {"name": "graph", "serviceName": "decode"}} """
            );
            await world.MergeAsync(
                Dynamo,
                "graph-decode",
                """{"status": {"replicas": 1, "selector": "nvidia.com/dynamo-graph-deployment-name=graph,nvidia.com/dynamo-component in (decode)"}}""",
                "status"
            );
            await world.PodAsync(
                "decode-1",
                null,
                """{"nvidia.com/dynamo-graph-deployment-name": "graph", "nvidia.com/dynamo-component": "decode"}"""
            );
            await world.PodAsync(
                "prefill-1",
                null,
                """{"nvidia.com/dynamo-graph-deployment-name": "graph", "nvidia.com/dynamo-component": "prefill"}"""
            );
            await world.PodAsync(
                "other-1",
                null,
                """{"nvidia.com/dynamo-graph-deployment-name": "other", "nvidia.com/dynamo-component": "decode"}"""
            );
            target = await world.UntilAsync(Dynamo, "graph-decode", one => one is { StatusReplicas: 1, ReplicaPods.Count: 1 });
            target.ReplicaPods[0].Pods.Single().Metadata.Name.Should().Be("decode-1");
            target.IsRollingOut.Should().BeFalse();
            (await world.Actor.ScaleAsync(world.Scaler, target, 0, Ct)).Should().Be(WriteOutcome.Done);
            (await world.ScaleAsync(Dynamo, "graph-decode", 0, 2)).Should().Be(WriteOutcome.Done);
            ((int?)(await world.GetAsync(Dynamo, "graph-decode"))["spec"]!["replicas"]).Should().Be(2);
            // Another selector that names none of Dynamo's labels is looked for in the namespace.
            await world.PodAsync("odd-1", null, """{"app": "odd"}""");
            await world.MergeAsync(Dynamo, "graph-decode", """{"status": {"selector": "app=odd"}}""", "status");
            await world.UntilAsync(Dynamo, "graph-decode", one => one.ReplicaPods is [{ Pods: [{ Metadata.Name: "odd-1" }] }]);
        });

    [Fact]
    public Task LeaderWorkerSet_group_is_one_replica_and_a_StatefulSet_may_keep_two_revisions() =>
        PlayAsync(false, "scale-sets", async world =>
        {
            await world.CreateAsync(
                Groups,
                "big",
                """ "spec": {"replicas": 2, "leaderWorkerTemplate": {"size": 2, "workerTemplate": {"spec": {"containers": [{"name": "main", "resources": {"limits": {"nvidia.com/gpu": "8"}}}]}}}} """
            );
            await SetAsync(world, "big", (Groups.ApiVersion, "LeaderWorkerSet", "big", await world.UidAsync(Groups, "big")));
            var leaders = ("apps/v1", "StatefulSet", "big", await world.UidAsync(StatefulSet, "big"));
            foreach (var group in (string[])["0", "1"])
            {
                await world.PodAsync(
                    $"big-{group}",
                    leaders,
                    $$"""{"leaderworkerset.sigs.k8s.io/name": "big", "leaderworkerset.sigs.k8s.io/group-index": "{{group}}"}"""
                );
                await SetAsync(
                    world,
                    $"big-{group}-workers",
                    ("v1", "Pod", $"big-{group}", await world.UidAsync(V1Pod.EntityKind, $"big-{group}"))
                );
                await world.PodAsync(
                    $"big-{group}-1",
                    ("apps/v1", "StatefulSet", $"big-{group}-workers", await world.UidAsync(StatefulSet, $"big-{group}-workers")),
                    """{"leaderworkerset.sigs.k8s.io/name": "big"}"""
                );
            }
            var target = await world.UntilAsync(Groups, "big", one => one.ReplicaPods.Sum(replica => replica.Pods.Count) == 4);
            target
                .ReplicaPods.Select(replica => string.Join(' ', replica.Pods.Select(pod => pod.Metadata.Name)))
                .Should()
                .Equal("big-0 big-0-1", "big-1 big-1-1");
            target.ReplicaPods.Should().OnlyContain(replica => replica.Key == replica.Pods[0].Metadata.Uid);
            (await world.Actor.ScaleAsync(world.Scaler, target, 1, Ct)).Should().Be(WriteOutcome.Done);
            await world.UntilAsync(Groups, "big", one => one is { Replicas: 1, IsRollingOut: false });
            await world.MergeAsync(
                Groups,
                "big",
                """{"status": {"conditions": [{"type": "UpdateInProgress", "status": "True"}]}}""",
                "status"
            );
            await world.UntilAsync(Groups, "big", one => one.IsRollingOut);

            await SetAsync(world, "plain", null);
            var generation = (int?)(await world.GetAsync(StatefulSet, "plain"))["metadata"]!["generation"] ?? 1;
            await world.UntilAsync(StatefulSet, "plain", one => one.IsRollingOut);
            await world.MergeAsync(
                StatefulSet,
                "plain",
                $$$"""{"status": {"replicas": 2, "observedGeneration": {{{generation}}}, "currentRevision": "a", "updateRevision": "a"}}""",
                "status"
            );
            (await world.UntilAsync(StatefulSet, "plain", one => !one.IsRollingOut)).StatusReplicas.Should().Be(2);
            await world.MergeAsync(StatefulSet, "plain", """{"status": {"updateRevision": "b", "updatedReplicas": 1}}""", "status");
            await world.UntilAsync(StatefulSet, "plain", one => one.IsRollingOut);
            (await world.ScaleAsync(StatefulSet, "plain", 2, 3)).Should().Be(WriteOutcome.Done);
            await world.MergeAsync(StatefulSet, "plain", """{"spec": {"updateStrategy": {"type": "OnDelete"}}}""");
            await world.MergeAsync(StatefulSet, "plain", """{"status": {"observedGeneration": 99}}""", "status");
            await world.UntilAsync(StatefulSet, "plain", one => one is { Replicas: 3, IsRollingOut: false });
        });

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public Task InferenceService_is_scaled_by_its_bounds_and_restored(bool isReal) => PlayAsync(isReal, "scale-kserve", async world =>
        {
            await world.CreateAsync(
                Service,
                "llama",
                """ "spec": {"predictor": {"minReplicas": 1, "model": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}} """
            );
            var uid = await world.UidAsync(Service, "llama");
            await world.PodAsync(
                "llama-predictor-1",
                null,
                """{"serving.kserve.io/inferenceservice": "llama", "component": "predictor"}"""
            );
            await world.PodAsync(
                "llama-transformer-1",
                null,
                """{"serving.kserve.io/inferenceservice": "llama", "component": "transformer"}"""
            );
            var target = await world.UntilAsync(Service, "llama", one => one.ReplicaPods.Count == 1);
            target
                .Should()
                .Match<ScaleTarget>(one => one.Replicas == 1 && one.Work!.Kind.Name == "InferenceService" && one.OtherAutoscaler == null);

            (await world.Actor.ScaleAsync(world.Scaler, target, 3, Ct)).Should().Be(WriteOutcome.Done);
            (await BoundsAsync(world)).Should().Be("3 3 -");
            (await world.Actor.ScaleAsync(world.Scaler, target, 3, Ct)).Should().Be(WriteOutcome.AlreadySo);
            (await world.Actor.ScaleAsync(world.Scaler, target, 2, Ct))
                .Result.Should()
                .Be(WriteResult.ChangedByOther, "it is not what was seen");
            (await world.ScaleAsync(Service, "llama", 3, 0)).Should().Be(WriteOutcome.Done);
            (await BoundsAsync(world)).Should().Be("3 3 true");
            await world.RestartAsync();
            (await world.ScaleAsync(Service, "llama", 0, 2)).Should().Be(WriteOutcome.Done);
            (await BoundsAsync(world)).Should().Be("2 2 -");
            world
                .Records.Should()
                .ContainSingle()
                .Which.Fields.Select(field => $"{field.Pointer} {field.Original} {field.Value}")
                .Should()
                .Equal("/spec/predictor/maxReplicas null 2", "/spec/predictor/minReplicas 1 2");

            // Another actor's value is the new original.
            await world.MergeAsync(Service, "llama", """{"spec": {"predictor": {"maxReplicas": 9}}}""");
            target = await world.UntilAsync(Service, "llama", one => one.Replicas == 1);
            (await world.Actor.ScaleAsync(world.Scaler, target, 4, Ct)).Should().Be(WriteOutcome.Done);
            (await BoundsAsync(world)).Should().Be("4 4 -");
            (await world.Actor.ReleaseAsync(world.Records.Single(), Ct)).Should().Be(WriteOutcome.Done);
            (await BoundsAsync(world)).Should().Be("1 9 -");
            world.Records.Should().BeEmpty();

            // A stop by another actor stays.
            await world.MergeAsync(Service, "llama", """{"metadata": {"annotations": {"serving.kserve.io/stop": "true"}}}""");
            (await world.ScaleAsync(Service, "llama", 0, 2))
                .Should()
                .Match<WriteOutcome>(one => one.Result == WriteResult.Refused && one.Text!.Contains("stopped by another client"));
            await world.MergeAsync(Service, "llama", """{"metadata": {"annotations": {"bursar.dev/suspended-by": "gpubudget/b"}}}""");
            (await world.ScaleAsync(Service, "llama", 0, 2))
                .Should()
                .Match<WriteOutcome>(one => one.Result == WriteResult.Refused && one.Text!.Contains("gpubudget/b"));
            (await BoundsAsync(world)).Should().Be("1 9 true");
            (await world.UidAsync(Service, "llama")).Should().Be(uid);
            world.Records.Should().BeEmpty();
        });

    [Fact]
    public Task KServe_itself_follows_the_bounds() => PlayAsync(false, "scale-kserve-run", async world =>
        {
            var kserve = new FakeKServe(world.Scene);
            await world.CreateAsync(
                Service,
                "llama",
                """ "spec": {"predictor": {"minReplicas": 1, "model": {"resources": {"limits": {"nvidia.com/gpu": "1"}}}}} """
            );
            await kserve.UntilAsync("it serves", () =>
                Task.FromResult(
                    world.Find(Service, "llama") is { Replicas: 1, ReplicaPods.Count: 1, StatusReplicas: 1, IsRollingOut: false }
                )
            );
            (await world.ScaleAsync(Service, "llama", 1, 0)).Should().Be(WriteOutcome.Done);
            await kserve.UntilAsync("nothing serves", () =>
                Task.FromResult(world.Find(Service, "llama") is { Replicas: 0, ReplicaPods.Count: 0 })
            );
            (await world.ScaleAsync(Service, "llama", 0, 2)).Should().Be(WriteOutcome.Done);
            await kserve.UntilAsync("two serve", () =>
                Task.FromResult(world.Find(Service, "llama") is { Replicas: 2, ReplicaPods.Count: 2 })
            );
        });

    [Fact]
    public Task Conflicting_write_is_retried_and_a_forbidden_one_names_the_missing_right() =>
        PlayAsync(false, "scale-conflicts", async world =>
        {
            var faults = world.Scene.Sandbox.Server.Faults;
            await world.Scene.World.CreateDeploymentAsync(world.Scene.Team, "chat", 1, 1, Ct);
            var target = await world.UntilAsync(Deployment, "chat", one => one.StatusReplicas == 1);
            faults.Add(
                new(new Fault.Answer(409))
                {
                    Client = "bursar/",
                    Verb = "patch",
                    Resource = "deployments",
                    Times = 2,
                }
            );
            (await world.Actor.ScaleAsync(world.Scaler, target, 2, Ct)).Should().Be(WriteOutcome.Done);
            // The answer is lost: the next try sees it done.
            faults.Add(
                new(new Fault.AnswerAfter(409))
                {
                    Client = "bursar/",
                    Verb = "patch",
                    Resource = "deployments",
                    Times = 1,
                }
            );
            (await world.ScaleAsync(Deployment, "chat", 2, 3)).Should().Be(WriteOutcome.AlreadySo);
            faults.Add(
                new(new Fault.Answer(409))
                {
                    Client = "bursar/",
                    Verb = "patch",
                    Resource = "deployments",
                }
            );
            (await world.ScaleAsync(Deployment, "chat", 3, 4)).Result.Should().Be(WriteResult.ChangedByOther);
            faults.Clear();
            faults.Add(
                new(new Fault.Answer(403))
                {
                    Client = "bursar/",
                    Verb = "patch",
                    Resource = "deployments",
                }
            );
            (await world.ScaleAsync(Deployment, "chat", 3, 4))
                .Should()
                .Match<WriteOutcome>(one =>
                    one.Result == WriteResult.Refused
                    && one.Text!.Contains($"get and patch deployments.apps/scale in namespace {world.Scene.Team}")
                );
            (await world.Scene.ReplicasAsync("chat")).Should().Be(3);
        });

    [Fact]
    public async Task Missing_or_read_only_target_reports_why()
    {
        var scene = await Scene.SandboxAsync("scale-why", startOperator: false);
        await using var disposed = scene.World;
        await using var world = await ScaleWorld.OpenAsync(scene, kinds: ["Deployment"]);
        world.Targets.Find(scene.Team, "batch/v1", "Job", "train", out var whyNot).Should().BeNull();
        whyNot
            .Should()
            .Contain("Job of batch/v1")
            .And.Contain("Deployment (apps/v1)")
            .And.Contain("DynamoGraphDeploymentScalingAdapter (nvidia.com/v1alpha1)");
        world.Targets.Find(scene.Team, "", "", "chat", out whyNot).Should().BeNull();
        whyNot.Should().Be("Deployment chat is not found in namespace scale-why");
        world
            .Targets.Find(scene.Team, "example.com/v1", "Deployment", "chat", out whyNot)
            .Should()
            .BeNull("another group's kind of the same name is another one");
        whyNot.Should().Contain("is not a kind");

        await SetAsync(world, "chat", null);
        ScaleTarget? target = null;
        await scene.UntilAsync("it is seen", () =>
            Task.FromResult((target = world.Targets.Find(scene.Team, "apps/v1", "StatefulSet", "chat", out whyNot)) is not null)
        );
        whyNot.Should().Be("this operator may not scale a StatefulSet (operator.kinds of the chart)");
        (await world.Actor.ScaleAsync(world.Scaler, target!, 5, Ct)).Should().Be(WriteOutcome.Refused(whyNot!));
    }

    [Fact]
    public async Task Kind_without_its_CRD_reports_so()
    {
        await using var commands = await CommandsWorld.StartAsync();
        var stores = new Bursar.Operator.Cluster.ClusterStores(commands.Client, CommandsWorld.BursarNamespace);
        using var end = new CancellationTokenSource();
        var caches = stores.RunAsync(end.Token);
        await stores.HasSyncedAsync(Ct);
        new ScaleTargets(stores).Find(CommandsWorld.Team, "argoproj.io/v1alpha1", "Rollout", "chat", out var whyNot).Should().BeNull();
        whyNot.Should().Be("the cluster has no Rollout (argoproj.io/v1alpha1)");
        await end.CancelAsync();
        await caches.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    private static async Task<string> BoundsAsync(ScaleWorld world)
    {
        var service = await world.GetAsync(Service, "llama");
        var predictor = service["spec"]!["predictor"]!;
        return $"{(int?)predictor["minReplicas"]} {(int?)predictor["maxReplicas"]} {(string?)service["metadata"]!["annotations"]?["serving.kserve.io/stop"] ?? "-"}";
    }

    private static Task ReplicaSetAsync(
        ScaleWorld world,
        string name,
        (string ApiVersion, string Kind, string Name, string Uid) owner,
        int replicas
    ) =>
        world.CreateAsync(
            V1ReplicaSet.EntityKind,
            name,
            $$$"""
            "metadata": {"ownerReferences": [{"apiVersion": "{{{owner.ApiVersion}}}", "kind": "{{{owner.Kind}}}", "name": "{{{owner.Name}}}", "uid": "{{{owner.Uid}}}", "controller": true}]},
            "spec": {"replicas": {{{replicas}}}, "selector": {"matchLabels": {"app": "{{{name}}}"}}, "template": {"metadata": {"labels": {"app": "{{{name}}}"}}, "spec": {"containers": [{"name": "main", "image": "example/server"}]} } }
            """
        );

    private static Task SetAsync(ScaleWorld world, string name, (string ApiVersion, string Kind, string Name, string Uid)? owner) =>
        world.CreateAsync(
            StatefulSet,
            name,
            $$$"""
            "metadata": {"ownerReferences": [{{{(
                owner is not { } by
                    ? ""
                    : $$"""{"apiVersion": "{{by.ApiVersion}}", "kind": "{{by.Kind}}", "name": "{{by.Name}}", "uid": "{{by.Uid}}", "controller": true}"""
            )}}}]},
            "spec": {"replicas": 2, "serviceName": "none", "selector": {"matchLabels": {"app": "{{{name}}}"}}, "template": {"metadata": {"labels": {"app": "{{{name}}}"}}, "spec": {"containers": [{"name": "main", "image": "example/server"}]} } }
            """
        );

    private async Task PlayAsync(bool isReal, string team, Func<ScaleWorld, Task> play)
    {
        if (isReal)
        {
            var scene = await real.OpenAsync(team, startOperator: false);
            await using (var world = await ScaleWorld.OpenAsync(scene))
                await play(world);
            await RealCluster.LeaveAsync(scene);
            return;
        }
        var embedded = await Scene.SandboxAsync(team, startOperator: false);
        await using var cluster = embedded.World;
        await using var alone = await ScaleWorld.OpenAsync(embedded);
        await play(alone);
    }
}
