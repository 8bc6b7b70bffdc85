using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Api;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Commands;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Deployments under an InferenceScaler, with agents that read simulated servers.</summary>
internal static class Scalers
{
    private static CancellationToken Ct => CancellationToken.None;

    /// <summary>Requests beyond the capacity of the servers add servers soon. Without requests they are removed again.</summary>
    public static async Task FollowsDemandAsync(Scene scene, TimeSpan cooldown, TimeSpan? within)
    {
        var load = await ServeAsync(scene, "chat");
        await ScalerAsync(
            scene,
            "chat",
            $$$"""
            "minReplicaCount": 1, "maxReplicaCount": 5, "triggers": [{"type": "queue", "metadata": {"waiting": "4"}}],
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": {{{(int)
                cooldown.TotalSeconds}}} } } } }
            """
        );
        await UntilEvaluatedAsync(scene, "chat");

        var begun = scene.World.Time.GetUtcNow();
        for (var i = 0; i < 24; i++)
            load.Offer(new(begun, 100, 2000));
        await scene.UntilAsync("it has grown", async () => await scene.ReplicasAsync("chat") > 1);
        var scaled = (await StatusesAsync(scene, "chat", status => status.LastScaleTime is not null)).LastScaleTime!;
        if (within is { } limit)
            (DateTimeOffset.Parse(scaled, CultureInfo.InvariantCulture) - begun).Should().BeLessThanOrEqualTo(limit);
        await scene.UntilAsync(
            "it reports the demand",
            async () => await StatusAsync(scene, "chat") is { Replicas: 5, Wanted: 5, Affordable: null },
            TimeSpan.FromSeconds(60)
        );
        (await scene.EventsAsync("ScaledUp", "chat")).Should().NotBeEmpty();
        await scene.UntilAsync(
            "nothing is left to do, and it is one again",
            async () => await scene.ReplicasAsync("chat") == 1,
            TimeSpan.FromMinutes(4)
        );
        (await scene.World.MetricsAsync(Ct))
            .Should()
            .Contain(sample => sample.Name == "bursar_scaler_demand_to_scale_seconds_count" && sample.Value >= 1);
    }

    /// <summary>Demand asks for six replicas and the cap affords two. The status names what the others would cost.</summary>
    public static async Task CapBindsAsync(Scene scene)
    {
        var load = await ServeAsync(scene, "chat");
        await ScalerAsync(
            scene,
            "chat",
            """ "minReplicaCount": 1, "maxReplicaCount": 6, "costCap": {"perHour": "7"}, "triggers": [{"type": "queue", "metadata": {"waiting": "1"}}] """
        );
        await UntilEvaluatedAsync(scene, "chat");
        var begun = scene.World.Time.GetUtcNow();
        for (var i = 0; i < 200; i++)
            load.Offer(new(begun, 100, 8000));
        await scene.UntilAsync(
            "the cap binds",
            async () => await StatusAsync(scene, "chat") is { Replicas: 2, Wanted: > 2, Affordable: 2, Reason: "CostCapped" },
            TimeSpan.FromSeconds(60)
        );
        await scene.PassAsync(5);
        (await scene.ReplicasAsync("chat")).Should().Be(2);
        var status = (await StatusAsync(scene, "chat"))!;
        status.MissingPerHour.Should().Be((3.06m * (status.Wanted!.Value - 2)).ToString("0.00", CultureInfo.InvariantCulture));
        status.Conditions!.Single(condition => condition.Type == "Affordable").Status.Should().Be("False");
        await scene.UntilAsync("an Event reports it", async () =>
            (await scene.EventsAsync("CostCapped", "chat")).Any(one =>
                one.Note!.Contains("costCap is 7.00 USD/h", StringComparison.Ordinal)
            )
        );
        var text = new StringWriter();
        (await ExplainCommand.RunScalerAsync(scene.World.Client, scene.Team, "chat", json: false, text, Ct)).Should().Be(0);
        text.ToString().Should().Contain("costCap is 7.00 USD/h");

        await scene.World.StopOperatorAsync();
        await scene.World.StartOperatorAsync(Ct);
        await scene.UntilAsync(
            "the cap binds after a restart",
            async () => await StatusAsync(scene, "chat") is { Reason: "CostCapped" },
            TimeSpan.FromSeconds(60)
        );
        await scene.PassAsync(15);
        (await scene.EventsAsync("CostCapped", "chat"))
            .Select(one => one.Regarding!.Kind)
            .Should()
            .BeEquivalentTo(["InferenceScaler", "Deployment"], "a restart is no news");

        await scene.World.Client.PatchAsync<V1Alpha1InferenceScaler>(
            "chat",
            scene.Team,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["costCap"] = null } }),
            Ct
        );
        await scene.UntilAsync("without the cap it grows", async () => await scene.ReplicasAsync("chat") > 2, TimeSpan.FromSeconds(60));
    }

    /// <summary>Two scalers of one budget, up to what it affords, in any order of creation. Once it is used up, both are at their minimum replicas.</summary>
    public static async Task BudgetIsSharedAsync(Scene scene)
    {
        // An hour of the window affords two replicas above the minimums: 4 × 3.06 = 12.24, and a little.
        await scene.BudgetAsync("13", """{"window": {"period": "Rolling", "length": "1h"}}""");
        foreach (var name in (string[])["a", "b"])
        {
            var load = await ServeAsync(scene, name);
            for (var i = 0; i < 400; i++)
                load.Offer(new(scene.World.Time.GetUtcNow(), 100, 20000));
            await ScalerAsync(
                scene,
                name,
                """ "minReplicaCount": 1, "maxReplicaCount": 6, "budgetRef": {"name": "b"}, "triggers": [{"type": "queue", "metadata": {"waiting": "1"}}] """
            );
            if (name == "a")
                await scene.UntilAsync("the first has it all", async () => await scene.ReplicasAsync("a") == 4, TimeSpan.FromSeconds(120));
        }
        await scene.UntilAsync(
            "each has its share",
            async () => await scene.ReplicasAsync("a") == 2 && await scene.ReplicasAsync("b") == 2,
            TimeSpan.FromSeconds(120)
        );
        await scene.PassAsync(10);
        (await scene.ReplicasAsync("a") + await scene.ReplicasAsync("b")).Should().BeLessThanOrEqualTo(4);
        (await scene.StatusAsync())!.State.Should().Be("OnTrack");
        await scene.UntilAsync(
            "the floors alone are called unstoppable",
            async () => (await scene.StatusAsync())?.Unstoppable?.RatePerHour == "6.12",
            TimeSpan.FromSeconds(90)
        );

        await scene.SetLimitAsync("0.01");
        await scene.UntilAsync(
            "both are at their floors",
            async () => await scene.ReplicasAsync("a") == 1 && await scene.ReplicasAsync("b") == 1,
            TimeSpan.FromSeconds(90)
        );
        await scene.UntilAsync("it is reported", async () => (await StatusAsync(scene, "a"))?.Reason == "CostCapped");
        await scene.SetLimitAsync("100");
        await scene.UntilAsync("a higher limit lets them grow", async () => await scene.ReplicasAsync("a") > 2, TimeSpan.FromSeconds(60));
    }

    /// <summary>Demand does not scale up a Deployment that a budget has suspended.</summary>
    public static async Task SuspendedStaysSuspendedAsync(Scene scene)
    {
        await scene.BudgetAsync("100", """{"inference": {"whenExhausted": "Zero"}, "window": {"period": "Rolling", "length": "1h"}}""");
        var load = await ServeAsync(scene, "chat");
        await ScalerAsync(
            scene,
            "chat",
            """ "minReplicaCount": 2, "maxReplicaCount": 4, "triggers": [{"type": "queue", "metadata": {"waiting": "1"}}] """
        );
        for (var i = 0; i < 100; i++)
            load.Offer(new(scene.World.Time.GetUtcNow(), 100, 20000));
        await scene.UntilAsync("it has grown", async () => await scene.ReplicasAsync("chat") == 4, TimeSpan.FromSeconds(120));
        await scene.SetLimitAsync("0.01");
        await scene.UntilAsync("it is suspended", async () => await scene.ReplicasAsync("chat") == 0, TimeSpan.FromSeconds(60));
        await scene.UntilAsync("the scaler reports it", async () => (await StatusAsync(scene, "chat"))?.Reason == "SuspendedByBudget");
        await scene.PassAsync(20);
        (await scene.ReplicasAsync("chat")).Should().Be(0);
        await scene.SetLimitAsync("100");
        await scene.UntilAsync("it is back", async () => await scene.ReplicasAsync("chat") >= 2, TimeSpan.FromSeconds(60));
    }

    /// <summary>Each case is reported with its reason, and nothing is written.</summary>
    public static async Task RefusalsAsync(Scene scene)
    {
        await ServeAsync(scene, "chat");
        await ScalerAsync(scene, "chat", """ "minReplicaCount": 1, "triggers": [{"type": "queue", "metadata": {"waiting": "4"}}] """);
        await UntilEvaluatedAsync(scene, "chat");
        await scene.PassAsync(2);

        await ScalerAsync(
            scene,
            "second",
            """ "minReplicaCount": 3, "triggers": [{"type": "queue", "metadata": {"waiting": "4"}}] """,
            target: "chat"
        );
        await ReasonAsync(scene, "second", "TargetConflict", "InferenceScaler chat scales Deployment chat already");
        await ScalerAsync(
            scene,
            "formula",
            """ "triggers": [{"type": "queue", "name": "q", "metadata": {"waiting": "4"}}], "advanced": {"scalingModifiers": {"formula": "q + (", "target": "2"}} """,
            target: "chat"
        );
        await ReasonAsync(scene, "formula", "InvalidSpec", "spec.advanced.scalingModifiers.formula");
        await ScalerAsync(scene, "typo", """ "triggers": [{"type": "queue", "metadata": {"wating": "4"}}] """, target: "chat");
        await ReasonAsync(scene, "typo", "InvalidSpec", "has no \"wating\"");
        await ScalerAsync(scene, "nobody", """ "triggers": [{"type": "queue", "metadata": {"waiting": "4"}}] """, target: "absent");
        await ReasonAsync(scene, "nobody", "TargetNotFound", "Deployment absent is not found");
        await ScalerAsync(
            scene,
            "strange",
            """ "triggers": [{"type": "queue", "metadata": {"waiting": "4"}}] """,
            target: "chat",
            kind: "DaemonSet"
        );
        await ReasonAsync(scene, "strange", "TargetNotFound", "is not a kind that Bursar scales");
        await scene.PassAsync(6);
        (await scene.ReplicasAsync("chat")).Should().Be(1);
    }

    public static async Task<ServedLoad> ServeAsync(Scene scene, string name, int replicas = 1, ServiceModel? model = null)
    {
        var load = new ServedLoad(
            model
                ?? new()
                {
                    Slots = 4,
                    PrefillTokensPerSecond = 2000,
                    BetweenTokens = TimeSpan.FromMilliseconds(5),
                }
        );
        scene.World.Nodes.Serve(scene.Team, new Dictionary<string, string> { ["app"] = name }, load);
        await scene.CreateAsync(
            $"/apis/apps/v1/namespaces/{scene.Team}/deployments",
            $$$"""
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "{{{name}}}"},
             "spec": {"replicas": {{{replicas}}}, "selector": {"matchLabels": {"app": "{{{name}}}"}},
              "template": {"metadata": {"labels": {"app": "{{{name}}}"}, "annotations": {"sim.bursar.dev/work": "inference", "sim.bursar.dev/startup": "2s"}},
               "spec": {"terminationGracePeriodSeconds": 2, "containers": [{"name": "vllm", "image": "example/vllm:1", "ports": [{"name": "http", "containerPort": 8000}], "resources": {"limits": {"nvidia.com/gpu": "1"} } }] } } } }
            """
        );
        return load;
    }

    public static Task ScalerAsync(Scene scene, string name, string spec, string? target = null, string kind = "Deployment") =>
        scene.CreateAsync(
            $"/apis/bursar.dev/v1alpha1/namespaces/{scene.Team}/inferencescalers",
            $$$"""
            {"apiVersion": "bursar.dev/v1alpha1", "kind": "InferenceScaler", "metadata": {"name": "{{{name}}}"}, "spec": {"scaleTargetRef": {"name": "{{{target
                ?? name}}}", "kind": "{{{kind}}}"}, {{{spec}}} } }
            """
        );

    /// <summary>The servers run and demand is met. Before they run, no load is sent.</summary>
    public static async Task UntilEvaluatedAsync(Scene scene, string name)
    {
        await scene.UntilAsync("it runs", async () =>
            (await scene.World.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team, LabelSelector = $"app={name}" }, Ct)).Items
                is { Count: > 0 } pods
            && pods.All(pod => pod.Status.Conditions.Any(one => one is { Type: "Ready", Status: "True" }))
        );
        await scene.UntilAsync(
            "it is evaluated",
            async () => await StatusAsync(scene, name) is { Reason: "DemandMet", Triggers: [{ Value: not null }, ..] },
            TimeSpan.FromSeconds(90)
        );
    }

    public static async Task<InferenceScalerStatus?> StatusAsync(Scene scene, string name) =>
        (await scene.World.Client.GetAsync<V1Alpha1InferenceScaler>(name, scene.Team, Ct)).Status;

    private static async Task<InferenceScalerStatus> StatusesAsync(Scene scene, string name, Func<InferenceScalerStatus, bool> holds)
    {
        InferenceScalerStatus? status = null;
        await scene.UntilAsync($"the status of {name} has it", async () =>
            (status = await StatusAsync(scene, name)) is not null && holds(status)
        );
        return status!;
    }

    private static Task ReasonAsync(Scene scene, string name, string reason, string words) =>
        scene.UntilAsync($"{name} reports {reason}", async () =>
            await StatusAsync(scene, name) is { } status
            && status.Reason == reason
            && status.Message!.Contains(words, StringComparison.Ordinal)
            && status.Conditions!.Single(one => one.Type == "Ready").Status == "False"
        );
}

public sealed class ScalerTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public Task Replicas_follow_demand() =>
        PlayAsync(scene => Scalers.FollowsDemandAsync(scene, cooldown: TimeSpan.FromSeconds(60), within: TimeSpan.FromSeconds(2)));

    [Fact]
    public Task Budget_cap_binds_and_its_status_names_the_missing_amount() => PlayAsync(Scalers.CapBindsAsync);

    [Fact]
    public Task Scalers_that_share_a_budget_never_cost_more_than_it_affords() => PlayAsync(Scalers.BudgetIsSharedAsync);

    [Fact]
    public Task Deployment_suspended_by_a_budget_is_not_scaled_up_by_demand() => PlayAsync(Scalers.SuspendedStaysSuspendedAsync);

    [Fact]
    public Task Target_that_cannot_be_scaled_is_reported_and_left_alone() => PlayAsync(Scalers.RefusalsAsync);

    [Fact]
    public Task Cron_trigger_scales_from_zero_at_its_start_and_to_zero_after_its_end() =>
        PlayAsync(async scene =>
        {
            await Scalers.ServeAsync(scene, "chat", replicas: 0);
            var now = scene.World.Time.GetUtcNow();
            var (start, end) = (now.AddMinutes(10), now.AddMinutes(20));
            await Scalers.ScalerAsync(
                scene,
                "chat",
                $$$"""
                "minReplicaCount": 0, "maxReplicaCount": 4, "cooldownPeriod": 60, "triggers": [{"type": "cron", "metadata": {"timezone": "UTC", "start": "{{{start.Minute}}} {{{start.Hour}}} * * *", "end": "{{{end.Minute}}} {{{end.Hour}}} * * *", "desiredReplicas": "3"}}]
                """
            );
            await scene.UntilAsync("it rests", async () => (await Scalers.StatusAsync(scene, "chat"))?.Reason == "Idle");
            (await scene.ReplicasAsync("chat")).Should().Be(0);
            await scene.UntilAsync("it is awake", async () => await scene.ReplicasAsync("chat") == 3, TimeSpan.FromMinutes(12));
            await scene.UntilAsync("it rests again", async () => await scene.ReplicasAsync("chat") == 0, TimeSpan.FromMinutes(15));
            (scene.World.Time.GetUtcNow() - end).Should().BeGreaterThan(TimeSpan.FromSeconds(55), "the cooldown is a minute");
        });

    [Fact]
    public Task Missing_agent_prevents_scale_down_and_activates_the_fallback() =>
        PlayAsync(async scene =>
        {
            await Scalers.ServeAsync(scene, "chat", replicas: 2);
            await Scalers.ScalerAsync(
                scene,
                "chat",
                """ "minReplicaCount": 1, "maxReplicaCount": 4, "pollingInterval": 5, "fallback": {"failureThreshold": 3, "replicas": 3}, "triggers": [{"type": "queue", "metadata": {"waiting": "4"}}] """
            );
            await scene.UntilAsync(
                "it is evaluated",
                async () => (await Scalers.StatusAsync(scene, "chat"))?.Triggers is [{ Value: not null }],
                TimeSpan.FromSeconds(90)
            );
            scene.World.Nodes.RestartAgent("gpu-1", TimeSpan.FromHours(2));
            await scene.UntilAsync(
                "it reports missing figures",
                async () => (await Scalers.StatusAsync(scene, "chat"))?.Reason is "MetricsUnavailable" or "FallbackActive",
                TimeSpan.FromSeconds(60)
            );
            await scene.UntilAsync("the fallback stands in", async () => await scene.ReplicasAsync("chat") == 3, TimeSpan.FromSeconds(60));
            (await Scalers.StatusAsync(scene, "chat"))!.Conditions!.Single(one => one.Type == "Fallback").Status.Should().Be("True");
            await scene.PassAsync(360);
            (await scene.ReplicasAsync("chat")).Should().Be(3);
        });

    [Fact]
    public Task Replicas_changed_by_another_actor_are_reported_and_then_contested() =>
        PlayAsync(async scene =>
        {
            await Scalers.ServeAsync(scene, "chat", replicas: 1);
            await Scalers.ScalerAsync(
                scene,
                "chat",
                """ "minReplicaCount": 2, "maxReplicaCount": 4, "triggers": [{"type": "queue", "metadata": {"waiting": "4"}}] """
            );
            await scene.UntilAsync("it is at its minimum", async () => await scene.ReplicasAsync("chat") == 2, TimeSpan.FromSeconds(60));
            await scene.PassAsync(5);
            for (var i = 1; i <= 2; i++)
            {
                await ScaleAsync(scene, "chat", 0);
                if (i == 2)
                    break;
                await scene.UntilAsync("it is back", async () => await scene.ReplicasAsync("chat") == 2, TimeSpan.FromSeconds(30));
                await scene.PassAsync(5);
            }
            await scene.UntilAsync(
                "it is a contest",
                async () => (await Scalers.StatusAsync(scene, "chat"))?.Reason == "Contested",
                TimeSpan.FromSeconds(30)
            );
            await scene.PassAsync(60);
            (await scene.ReplicasAsync("chat")).Should().Be(0);
            (await scene.EventsAsync("ScaledByOther", "chat")).Should().NotBeEmpty();
            await scene.UntilAsync("it is tried again", async () => await scene.ReplicasAsync("chat") == 2, TimeSpan.FromMinutes(6));
        });

    [Fact]
    public Task Recreated_target_is_scaled_again() =>
        PlayAsync(async scene =>
        {
            await Scalers.ServeAsync(scene, "chat");
            await Scalers.ScalerAsync(
                scene,
                "chat",
                """ "minReplicaCount": 2, "triggers": [{"type": "queue", "metadata": {"waiting": "4"}}] """
            );
            await scene.UntilAsync("it is at its minimum", async () => await scene.ReplicasAsync("chat") == 2, TimeSpan.FromSeconds(60));
            await scene.World.Client.DeleteAsync<V1Deployment>("chat", scene.Team, null, Ct);
            await scene.UntilAsync("it is missed", async () => (await Scalers.StatusAsync(scene, "chat"))?.Reason == "TargetNotFound");
            await Scalers.ServeAsync(scene, "chat");
            await scene.UntilAsync(
                "the new one is at its minimum",
                async () => await scene.ReplicasAsync("chat") == 2,
                TimeSpan.FromSeconds(60)
            );
        });

    [Fact]
    public Task Observe_only_mode_stops_scaling_too() =>
        PlayAsync(async scene =>
        {
            await Scalers.ServeAsync(scene, "chat");
            await scene.CreateAsync(
                $"/api/v1/namespaces/{ClusterWorld.OwnNamespace}/configmaps",
                """{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "bursar-control"}, "data": {"enforcement": "observe"}}"""
            );
            await scene.PassAsync(5);
            await Scalers.ScalerAsync(
                scene,
                "chat",
                """ "minReplicaCount": 3, "triggers": [{"type": "queue", "metadata": {"waiting": "4"}}] """
            );
            await scene.UntilAsync("it reports that it only observes", async () =>
                (await Scalers.StatusAsync(scene, "chat"))?.Reason == "Observing"
            );
            await scene.PassAsync(20);
            (await scene.ReplicasAsync("chat")).Should().Be(1);
            await scene.World.Client.PatchAsync<V1ConfigMap>(
                "bursar-control",
                ClusterWorld.OwnNamespace,
                KubePatch.Merge(new JsonObject { ["data"] = new JsonObject { ["enforcement"] = "enforce" } }),
                Ct
            );
            await scene.UntilAsync("it goes on", async () => await scene.ReplicasAsync("chat") == 3, TimeSpan.FromSeconds(30));
        });

    private static async Task ScaleAsync(Scene scene, string name, int replicas)
    {
        var deployment = await scene.World.Client.GetAsync<V1Deployment>(name, scene.Team, Ct);
        await scene.World.Client.PatchAsync<V1Deployment>(
            name,
            scene.Team,
            KubePatch.Merge(
                new JsonObject
                {
                    ["metadata"] = new JsonObject { ["uid"] = deployment.Metadata.Uid },
                    ["spec"] = new JsonObject { ["replicas"] = replicas },
                }
            ) with
            {
                Subresource = "scale",
            },
            Ct
        );
    }

    private static async Task PlayAsync(Func<Scene, Task> play)
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
        await world.StartOperatorAsync(Ct);
        await play(scene);
    }
}
