using Bursar.Concurrency;
using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Commands;
using Bursar.Operator.Safety;
using Bursar.Operator.Scaling.Targets;
using Bursar.Operator.Suspension;
using Bursar.Sandbox.ApiServer;
using Bursar.Tests.EndToEnd.Worlds;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.EndToEnd;

/// <summary>Workloads whose replicas another autoscaler manages: they are capped, and the user's maximum is restored.</summary>
[Collection(RealClusterCollection.Name)]
public sealed class ScaleCapTests(RealCluster real)
{
    private static readonly EntityKind Deployment = V1Deployment.EntityKind;
    private static readonly EntityKind Keda = V1ScaledObject.EntityKind;
    private static readonly EntityKind Hpa = V1HorizontalPodAutoscaler.EntityKind;

    private static CancellationToken Ct => CancellationToken.None;

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public Task KEDAs_upper_bound_is_lowered_and_raised_and_never_beyond_what_was_there(bool isReal) =>
        PlayAsync(isReal, "cap-keda", async world =>
        {
            await KedaAsync(world, """ "minReplicaCount": 2, "maxReplicaCount": 10 """);
            var owner = (await world.UntilAsync(Deployment, "chat", one => one.OtherAutoscaler is not null)).OtherAutoscaler!;
            owner
                .Should()
                .Match<OtherAutoscaler>(one =>
                    one.Min == 2
                    && one.Max == 10
                    && !one.IsPaused
                    && one.WhyNot == null
                    && one.Manager == "KEDA scales it (ScaledObject chat-scaler)"
                );

            (await world.CapAsync("chat", 12)).Should().Be(WriteOutcome.AlreadySo, "it affords more than the user declared");
            world.Records.Should().BeEmpty();
            (await world.CapAsync("chat", 5)).Should().Be(WriteOutcome.Done);
            (await MaxAsync(world)).Should().Be("5");
            (await world.CapAsync("chat", 5)).Should().Be(WriteOutcome.AlreadySo);
            (await world.CapAsync("chat", 0)).Should().Be(WriteOutcome.Done);
            (await MaxAsync(world)).Should().Be("2", "its own lower bound");
            (await world.CapAsync("chat", 7)).Should().Be(WriteOutcome.Done);
            (await MaxAsync(world)).Should().Be("7");
            world
                .Records.Should()
                .ContainSingle()
                .Which.Fields.Should()
                .ContainSingle()
                .Which.Should()
                .Match<FieldOverride>(field =>
                    field.Pointer == "/spec/maxReplicaCount" && field.Original == "10" && field.Value == "7" && field.Before == null
                );

            // Another actor's value.
            await world.MergeAsync(Keda, "chat-scaler", """{"spec": {"maxReplicaCount": 8}}""");
            (await world.CapAsync("chat", 6))
                .Should()
                .Match<WriteOutcome>(one => one.Result == WriteResult.Done && one.Text!.Contains("another client"));
            (await MaxAsync(world)).Should().Be("6");
            (await world.CapAsync("chat", 9)).Should().Be(WriteOutcome.Done);
            (await MaxAsync(world)).Should().Be("8", "their latest value");
            world.Records.Should().BeEmpty();
            await world.MergeAsync(Keda, "chat-scaler", """{"metadata": {"annotations": {"autoscaling.keda.sh/paused-replicas": "3"}}}""");
            await world.UntilAsync(Deployment, "chat", one => one.OtherAutoscaler!.IsPaused);

            // The manager is deleted.
            (await world.CapAsync("chat", 3)).Should().Be(WriteOutcome.Done);
            var target = world.Find(Deployment, "chat")!;
            await world.DeleteAsync(Keda, "chat-scaler");
            (await world.Actor.CapAsync(world.Scaler, target, 2, Ct)).Should().Be(WriteOutcome.Gone);
            world.Records.Should().BeEmpty();
        });

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public Task Field_that_was_absent_is_absent_again(bool isReal) => PlayAsync(isReal, "cap-absent", async world =>
        {
            await KedaAsync(world, "");
            (await world.CapAsync("chat", 100)).Should().Be(WriteOutcome.AlreadySo, "KEDA's own default");
            (await world.CapAsync("chat", -3)).Should().Be(WriteOutcome.Done);
            (await MaxAsync(world)).Should().Be("1", "never zero");
            (await world.CapAsync("chat", 100)).Should().Be(WriteOutcome.Done);
            (await MaxAsync(world)).Should().Be("null");
            (await world.CapAsync("chat", 4)).Should().Be(WriteOutcome.Done);
            (await world.Actor.ReleaseAsync(world.Records.Single(), Ct)).Should().Be(WriteOutcome.Done);
            (await MaxAsync(world)).Should().Be("null");
            world.Records.Should().BeEmpty();
        });

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public Task HPA_is_capped_and_the_one_that_KEDA_made_is_not(bool isReal) => PlayAsync(isReal, "cap-hpa", async world =>
        {
            await world.Scene.World.CreateDeploymentAsync(world.Scene.Team, "chat", 5, 1, Ct);
            await HpaAsync(world, "by-hand", "", 10);
            (await world.CapAsync("chat", 2)).Should().Be(WriteOutcome.Done);
            ((int?)(await world.GetAsync(Hpa, "by-hand"))["spec"]!["maxReplicas"]).Should().Be(2);
            if (!isReal)
            {
                var autoscaler = new FakeAutoscaler(world.Scene);
                await autoscaler.UntilAsync("it keeps to it", async () => await world.Scene.ReplicasAsync("chat") == 2);
            }
            (await world.CapAsync("chat", 10)).Should().Be(WriteOutcome.Done);
            ((int?)(await world.GetAsync(Hpa, "by-hand"))["spec"]!["maxReplicas"]).Should().Be(10);
            await world.DeleteAsync(Hpa, "by-hand");
            await world.UntilAsync(Deployment, "chat", one => one.OtherAutoscaler is null);

            await ScaledObjectAsync(world, """ "maxReplicaCount": 10 """);
            await HpaAsync(
                world,
                "keda-hpa-chat",
                $$"""{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": "chat-scaler", "uid": "{{await world.UidAsync(Keda, "chat-scaler")}}", "controller": true}""",
                10
            );
            (await world.UntilAsync(Deployment, "chat", one => one.OtherAutoscaler is { Entity.Kind: "ScaledObject" }))
                .OtherAutoscaler!.Name.Should()
                .Be("chat-scaler");
            await world.DeleteAsync(Keda, "chat-scaler");
            await world.Scene.UntilAsync("no autoscaler manages it", () =>
                Task.FromResult(world.Find(Deployment, "chat")!.OtherAutoscaler is null)
            );
        });

    [Fact]
    public async Task Manager_that_cannot_be_written_reports_why()
    {
        var scene = await Scene.SandboxAsync("cap-why", startOperator: false);
        await using var cluster = scene.World;
        await using var world = await ScaleWorld.OpenAsync(scene, owners: ["KEDA"]);
        await scene.World.CreateDeploymentAsync(scene.Team, "chat", 1, 1, Ct);
        await HpaAsync(world, "by-hand", "", 10);
        (await world.CapAsync("chat", 2))
            .Should()
            .Match<WriteOutcome>(one =>
                one.Result == WriteResult.Refused && one.Text!.Contains("HorizontalPodAutoscaler in operator.managers")
            );
        await world.CreateAsync(V1Beta1InferenceService.EntityKind, "llama", """ "spec": {"predictor": {"model": {}}} """);
        await ScaledObjectAsync(
            world,
            """ "maxReplicaCount": 10 """,
            $$"""
             "ownerReferences": [{"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "llama", "uid": "{{await world.UidAsync(
                V1Beta1InferenceService.EntityKind,
                "llama"
            )}}", "controller": true}],
            """
        );
        await world.UntilAsync(Deployment, "chat", one => one.OtherAutoscaler is { Entity.Kind: "ScaledObject" });
        (await world.CapAsync("chat", 2)).Should().Be(WriteOutcome.Refused("InferenceService llama controls ScaledObject chat-scaler"));
        await world.DeleteAsync(Keda, "chat-scaler");
        await ScaledObjectAsync(world, """ "maxReplicaCount": 10 """);
        await world.UntilAsync(Deployment, "chat", one => one.OtherAutoscaler is { WhyNot: null });
        scene.Sandbox.Server.Faults.Add(
            new(new Fault.Answer(403))
            {
                Client = "bursar/",
                Verb = "patch",
                Resource = "scaledobjects",
            }
        );
        (await world.CapAsync("chat", 2))
            .Should()
            .Match<WriteOutcome>(one =>
                one.Result == WriteResult.Refused && one.Text!.Contains("get and patch scaledobjects.keda.sh in namespace cap-why")
            );
        (await MaxAsync(world)).Should().Be("10");
        (await world.Actor.ReleaseAsync(world.Records.Single(), Ct)).Should().Be(WriteOutcome.AlreadySo, "it was noted and not written");
    }

    /// <summary>After a kill at any write, the next operator reaches the same end and restores the user's maximum.</summary>
    [Theory]
    [InlineData("10", "3", "10", "10")]
    [InlineData("10", "3", "10", "3")]
    [InlineData("10", "3", "5", "5")]
    [InlineData("10", "3", "5", "3")]
    [InlineData("10", "3", null, "3")]
    [InlineData("10", "3", null, "10")] // It was restored, and the record was not dropped yet.
    [InlineData("null", "3", "null", "null")]
    [InlineData("null", "3", "5", "5")]
    public Task Kill_between_any_two_writes_is_made_up_for(string original, string value, string? before, string present) =>
        PlayAsync(false, "cap-death", async world =>
        {
            await KedaAsync(world, present == "null" ? "" : $$""" "maxReplicaCount": {{present}} """);
            var target = await world.UntilAsync(Deployment, "chat", one => one.OtherAutoscaler is not null);
            foreach (var next in (int[])[2, 3, 100])
            {
                world.State.RecordScaled(
                    new()
                    {
                        Namespace = world.Scene.Team,
                        ScalerName = world.Scaler.Name,
                        ScalerUid = world.Scaler.Uid,
                        Fields = [new(target.OtherAutoscaler!.Target, "/spec/maxReplicaCount", original, value, before)],
                        Since = world.Scene.World.Time.GetUtcNow(),
                    }
                );
                await world.Store.FlushScaledAsync(world.Scene.Team, Ct);
                await world.MergeAsync(Keda, "chat-scaler", $$$"""{"spec": {"maxReplicaCount": {{{present}}}}}""");
                await world.RestartAsync();

                (await world.CapAsync("chat", next)).Result.Should().BeOneOf(WriteResult.Done, WriteResult.AlreadySo);
                (await MaxAsync(world)).Should().Be(next == 100 ? original : $"{next}");
                foreach (var record in world.Records)
                    await world.Actor.ReleaseAsync(record, Ct);
                (await MaxAsync(world)).Should().Be(original);
                await world.Store.FlushAllAsync(Ct);
            }
        });

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public Task Declared_maximum_is_restored_after_any_failure(int seed) => PlayAsync(false, "cap-chance", async world =>
        {
            var random = new Random(seed);
            var faults = world.Scene.Sandbox.Server.Faults;
            await KedaAsync(world, """ "minReplicaCount": 1, "maxReplicaCount": 20 """);
            await world.UntilAsync(Deployment, "chat", one => one.OtherAutoscaler is not null);
            var word = 20;
            for (var step = 0; step < 40; step++)
            {
                faults.Clear();
                var code = random.Next(4) switch
                {
                    0 => 409,
                    1 => 422,
                    _ => 500,
                };
                if (random.Next(3) == 0)
                    faults.Add(
                        new(random.Next(2) == 0 ? new Fault.Answer(code) : new Fault.AnswerAfter(code))
                        {
                            Client = "bursar/",
                            Verb = "patch",
                            Resource = random.Next(2) == 0 ? "scaledobjects" : "gpuledgers",
                            Times = random.Next(1, 8),
                        }
                    );
                if (random.Next(8) == 0)
                {
                    // The user sets a value that cannot be Bursar's.
                    word = 20 + random.Next(20);
                    await world.MergeAsync(Keda, "chat-scaler", $$$"""{"spec": {"maxReplicaCount": {{{word}}}}}""");
                }
                try
                {
                    var cap = random.Next(1, 20);
                    var outcome = await world.CapAsync("chat", cap);
                    if (outcome.Result is WriteResult.Done or WriteResult.AlreadySo)
                        (await MaxAsync(world)).Should().Be($"{cap}");
                }
                catch (Exception error) when (error is ApiException or HttpRequestException or LeadershipLostException)
                {
                    await DieAsync();
                }
                if (random.Next(5) == 0)
                    await DieAsync();
            }
            faults.Clear();
            foreach (var record in world.Records)
                await world.Actor.ReleaseAsync(record, Ct);
            (await MaxAsync(world)).Should().Be($"{word}");

            async Task DieAsync()
            {
                faults.Clear();
                await world.RestartAsync();
            }
        });

    [Fact]
    public async Task Cap_of_a_deleted_scaler_is_removed_unless_adopted_or_only_observed()
    {
        var scene = await Scene.SandboxAsync("cap-orphans", startOperator: false);
        await using var cluster = scene.World;
        await using var world = await ScaleWorld.OpenAsync(scene);
        await KedaAsync(world, """ "maxReplicaCount": 10 """);
        (await world.CapAsync("chat", 3)).Should().Be(WriteOutcome.Done);
        // The scaler was deleted while no operator led.
        await world.RestartAsync();
        var held = new HashSet<string>();
        var control = new ObserveOnlyMode(new CircuitBreaker(() => 0));
        using var end = new CancellationTokenSource();
        var releasing = new ScaledReleaser(
            world.State,
            world.Actor,
            record => held.Contains(record.ScalerUid),
            control,
            world.Client,
            NullLogger<ScaledReleaser>.Instance
        ).RunAsync(end.Token);

        control.Read(new() { Data = new Dictionary<string, string> { ["enforcement"] = "observe" } });
        await scene.PassAsync(60);
        (await MaxAsync(world)).Should().Be("3");
        control.Read(null);

        // A scaler recreated within the grace period adopts the original too.
        var anew = world.Scaler with { Uid = "anew" };
        held.Add(anew.Uid);
        (await world.CapAsync("chat", 4, anew)).Should().Be(WriteOutcome.Done);
        await scene.PassAsync(60);
        (await MaxAsync(world)).Should().Be("4");
        world
            .Records.Should()
            .ContainSingle()
            .Which.Should()
            .Match<ScalerRecord>(one => one.ScalerUid == "anew" && one.Fields[0].Original == "10");

        held.Clear();
        await scene.PassAsync(5);
        (await MaxAsync(world)).Should().Be("4", "it is given the time to be made anew");
        await scene.UntilAsync("it is restored", async () => await MaxAsync(world) == "10");
        await scene.UntilAsync("and forgotten", () => Task.FromResult(world.Records.Count == 0));
        await end.CancelAsync();
        await releasing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public Task Release_command_restores_fields_without_an_operator(bool isReal) => PlayAsync(isReal, "cap-release", async world =>
        {
            await KedaAsync(world, "");
            await world.CreateAsync(
                V1Beta1InferenceService.EntityKind,
                "llama",
                """ "metadata": {"annotations": {"serving.kserve.io/stop": "false"}}, "spec": {"predictor": {"minReplicas": 1, "maxReplicas": 4, "model": {}}} """
            );
            (await world.CapAsync("chat", 3)).Should().Be(WriteOutcome.Done);
            (await world.ScaleAsync(V1Beta1InferenceService.EntityKind, "llama", 1, 2)).Should().Be(WriteOutcome.Done);
            (await world.ScaleAsync(V1Beta1InferenceService.EntityKind, "llama", 2, 0)).Should().Be(WriteOutcome.Done);

            var (code, text) = await ReleaseAsync(world, dryRun: true);
            code.Should().Be(0);
            text.Should()
                .Contain(
                    "cap-release/ScaledObject/chat-scaler: would set /spec/maxReplicaCount from 3 back to absent, which InferenceScaler chat changed"
                );
            (await MaxAsync(world)).Should().Be("3");

            (code, text) = await ReleaseAsync(world, dryRun: false);
            code.Should().Be(0, "{0}", text);
            text.Should()
                .Contain("cap-release/ScaledObject/chat-scaler: restored: /spec/maxReplicaCount absent")
                .And.Contain("cap-release/InferenceService/llama: restored");
            (await MaxAsync(world)).Should().Be("null");
            var service = await world.GetAsync(V1Beta1InferenceService.EntityKind, "llama");
            $"{service["spec"]!["predictor"]!["minReplicas"]} {service["spec"]!["predictor"]!["maxReplicas"]} {service["metadata"]!["annotations"]!["serving.kserve.io/stop"]}"
                .Should()
                .Be("1 4 false");
            await world.RestartAsync();
            world.Records.Should().BeEmpty();
            (await ReleaseAsync(world, dryRun: false)).Text.Should().NotContain("cap-release/");
        });

    [Fact]
    public Task Release_command_keeps_failed_records_and_drops_those_of_deleted_objects() => PlayAsync(false, "cap-refused", async world =>
        {
            await KedaAsync(world, """ "maxReplicaCount": 10 """);
            (await world.CapAsync("chat", 3)).Should().Be(WriteOutcome.Done);
            var faults = world.Scene.Sandbox.Server.Faults;
            faults.Add(new(new Fault.Answer(403)) { Verb = "patch", Resource = "scaledobjects" });
            var (code, text) = await ReleaseAsync(world, dryRun: false);
            code.Should().Be(1);
            text.Should().Contain("could not be restored").And.Contain("get and patch scaledobjects.keda.sh");
            faults.Clear();
            await world.RestartAsync();
            world.Records.Should().ContainSingle();
            await world.DeleteAsync(Keda, "chat-scaler");
            (code, text) = await ReleaseAsync(world, dryRun: false);
            code.Should().Be(0);
            text.Should().Contain("chat-scaler: is gone; forgotten");
            await world.RestartAsync();
            world.Records.Should().BeEmpty();
        });

    private static async Task<(int Code, string Text)> ReleaseAsync(ScaleWorld world, bool dryRun)
    {
        await using var text = new StringWriter();
        // The command cannot release what the operator has not written yet.
        await world.Store.FlushAllAsync(Ct);
        using var client = new KubeClient(
            world.Scene.World.Config,
            new() { TimeProvider = world.Scene.World.Time, UserAgent = "kubectl-release" }
        );
        return (await ReleaseCommand.RunAsync(client, ClusterWorld.OwnNamespace, new(null, null, dryRun), text, Ct), text.ToString());
    }

    private static async Task KedaAsync(ScaleWorld world, string bounds)
    {
        await world.Scene.World.CreateDeploymentAsync(world.Scene.Team, "chat", 1, 1, Ct);
        await ScaledObjectAsync(world, bounds);
    }

    private static Task ScaledObjectAsync(ScaleWorld world, string bounds, string metadata = "") =>
        world.CreateAsync(
            Keda,
            "chat-scaler",
            $$$"""   "metadata": { {{{metadata}}} "labels": {} }, "spec": {"scaleTargetRef": {"name": "chat"}{{{(bounds.Length > 0 ? "," : "")}}} {{{bounds}}} } """
        );

    private static Task HpaAsync(ScaleWorld world, string name, string owner, int max) =>
        world.CreateAsync(
            Hpa,
            name,
            $$$"""
            "metadata": {"ownerReferences": [{{{owner}}}]},
            "spec": {"maxReplicas": {{{max}}}, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}, "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50} } }]}
            """
        );

    private static async Task<string> MaxAsync(ScaleWorld world) =>
        (await world.GetAsync(Keda, "chat-scaler"))["spec"]!["maxReplicaCount"]?.ToJsonString() ?? "null";

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
