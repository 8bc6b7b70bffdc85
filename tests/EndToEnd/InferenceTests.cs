using System.Text.Json.Nodes;
using Bursar.Kubernetes.Objects;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Deployments under an exhausted budget, and workloads that Bursar must leave to their managers.</summary>
internal static class Inference
{
    public static async Task ZeroScalesDownAndRestoresAsync(Scene scene)
    {
        await scene.BudgetAsync("0.01", """{"inference": {"whenExhausted": "Zero"}}""");
        await scene.World.CreateDeploymentAsync(scene.Team, "chat", 3, 1, CancellationToken.None);
        await scene.UntilAsync("chat is scaled to zero", async () => await scene.ReplicasAsync("chat") == 0);
        await scene.UntilAsync("its pods are gone", async () =>
            (await scene.World.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, CancellationToken.None)).Items.Count == 0
        );
        await scene.UntilAsync("the status reports it", async () =>
            (await scene.StatusAsync())?.Suspended is [{ Kind: "Deployment", Name: "chat" }]
        );
        await scene.UntilAsync("an Event reports it", async () => (await scene.EventsAsync("ScaledToZero", "chat")).Count > 0);

        await scene.SetLimitAsync("100");
        await scene.UntilAsync("chat has its three replicas again", async () => await scene.ReplicasAsync("chat") == 3);
        await scene.UntilAsync("nothing is recorded any more", async () => (await scene.StatusAsync())?.SuspendedCount == 0);
    }

    public static async Task MinimumReplicasAreLeftAloneAsync(Scene scene)
    {
        await scene.BudgetAsync("0.01");
        await scene.World.CreateDeploymentAsync(scene.Team, "chat", 2, 1, CancellationToken.None);
        await scene.UntilConditionAsync("FullyEnforceable", "False");
        await scene.UntilConditionAsync("MinimumReplicasExceedLimit", "True");
        await scene.PassAsync(12);
        (await scene.ReplicasAsync("chat")).Should().Be(2);
        var status = (await scene.StatusAsync())!;
        status.Unstoppable!.Workloads.Should().ContainMatch("*chat*");
        status.Unstoppable.RatePerHour.Should().Be("6.12");
        status.SuspendedCount.Should().Be(0);
    }

    public static async Task ScaledFromZeroIsReportedAsync(Scene scene)
    {
        await scene.BudgetAsync("0.01", """{"inference": {"whenExhausted": "Zero"}}""");
        await scene.CreateAsync(
            $"/apis/autoscaling/v2/namespaces/{scene.Team}/horizontalpodautoscalers",
            """
            {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "chat-hpa"},
             "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}, "minReplicas": 0, "maxReplicas": 4,
                      "metrics": [{"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "AverageValue", "averageValue": "5"}}}]}}
            """
        );
        await scene.World.CreateDeploymentAsync(scene.Team, "chat", 1, 1, CancellationToken.None);
        await scene.UntilConditionAsync("FullyEnforceable", "False");
        await scene.PassAsync(12);
        (await scene.ReplicasAsync("chat")).Should().Be(1);
        var status = (await scene.StatusAsync())!;
        status.Unstoppable!.Workloads.Should().ContainMatch("*chat*");
        status.Workloads!.Single(w => w.Name == "chat").Reason.Should().Contain("HorizontalPodAutoscaler");
    }

    /// <summary>A bare pod, a Job of another manager, one that another controller owns.</summary>
    public static async Task ForeignWorkIsCountedAndReportedAsync(Scene scene)
    {
        var ct = CancellationToken.None;
        await scene.CreateAsync(
            $"/api/v1/namespaces/{scene.Team}/configmaps",
            """{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}}"""
        );
        var owner = await scene.World.Client.GetAsync<V1ConfigMap>("owner", scene.Team, ct);
        await JobAsync(scene, "managed", """ "managedBy": "example.com/runner", """, "");
        await JobAsync(
            scene,
            "owned",
            "",
            $$$""" "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "{{{owner.Metadata.Uid}}}", "controller": true}], """
        );
        await scene.CreateAsync(
            $"/api/v1/namespaces/{scene.Team}/pods",
            """
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "notebook"}, "spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5,
             "containers": [{"name": "main", "image": "example/notebook", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}
            """
        );
        await scene.BudgetAsync("0.01");

        await scene.UntilAsync(
            "all of it is in the status",
            async () =>
                (await scene.StatusAsync())?.Unstoppable?.Workloads is { } names
                && new[] { "notebook", "owned" }.All(name => names.Any(n => n.Contains(name, StringComparison.Ordinal))),
            TimeSpan.FromSeconds(90)
        );
        await scene.PassAsync(12);
        var status = (await scene.StatusAsync())!;
        (await scene.ConditionAsync("FullyEnforceable"))!.Status.Should().Be("False");
        string ReasonOf(string name) => status.Workloads!.Single(w => w.Name == name).Reason!;
        ReasonOf("managed").Should().Contain("managedBy");
        ReasonOf("owned").Should().Contain("ConfigMap owner controls it");
        ReasonOf("notebook").Should().Contain("bare pod");
        foreach (var job in (string[])["managed", "owned"])
            (await scene.IsSuspendedAsync(job)).Should().BeFalse();
        decimal.Parse(status.Spent!, System.Globalization.CultureInfo.InvariantCulture).Should().BePositive("it is counted all the same");
        status.SuspendedCount.Should().Be(0);
    }

    private static Task JobAsync(Scene scene, string name, string spec, string metadata) =>
        scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            $$$"""
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": { {{{metadata}}} "name": "{{{name}}}" },
             "spec": { {{{spec}}} "template": {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 5,
               "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"} } }]} } } }
            """
        );
}

public sealed class InferenceTests
{
    [Fact]
    public async Task Inference_with_Zero_is_scaled_to_zero_when_exhausted_and_restored()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await Inference.ZeroScalesDownAndRestoresAsync(scene);
    }

    [Fact]
    public async Task Minimum_replicas_are_left_alone_and_reported()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await Inference.MinimumReplicasAreLeftAloneAsync(scene);
    }

    [Fact]
    public async Task Deployment_that_an_autoscaler_lifts_from_zero_is_reported_and_not_touched()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await Inference.ScaledFromZeroIsReportedAsync(scene);
    }

    [Fact]
    public async Task Workloads_of_other_managers_are_counted_and_reported_and_not_touched()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await Inference.ForeignWorkIsCountedAndReportedAsync(scene);
    }

    [Fact]
    public async Task ScaledObject_and_a_Kueue_Workload_count_also_when_their_kinds_appear_later()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100", """{"inference": {"whenExhausted": "Zero"}}""");
        await scene.World.CreateDeploymentAsync(scene.Team, "chat", 1, 1, CancellationToken.None);
        await scene.JobAsync("train", declared: "1h");
        await scene.UntilRunsAsync("train");
        var job = await scene.World.JobAsync(scene.Team, "train", CancellationToken.None);

        await CrdAsync(scene, "keda.sh", "v1alpha1", "ScaledObject", "scaledobjects");
        await CrdAsync(scene, "kueue.x-k8s.io", "v1beta2", "Workload", "workloads");
        await scene.CreateAsync(
            $"/apis/keda.sh/v1alpha1/namespaces/{scene.Team}/scaledobjects",
            """{"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": {"name": "chat-scaler"}, "spec": {"scaleTargetRef": {"name": "chat"}}}"""
        );
        await scene.CreateAsync(
            $"/apis/kueue.x-k8s.io/v1beta2/namespaces/{scene.Team}/workloads",
            new JsonObject
            {
                ["apiVersion"] = "kueue.x-k8s.io/v1beta2",
                ["kind"] = "Workload",
                ["spec"] = new JsonObject { ["queueName"] = "gpus" },
                ["metadata"] = new JsonObject
                {
                    ["name"] = "job-train",
                    ["ownerReferences"] = new JsonArray(
                        new JsonObject
                        {
                            ["apiVersion"] = "batch/v1",
                            ["kind"] = "Job",
                            ["name"] = "train",
                            ["uid"] = job.Metadata.Uid,
                            ["controller"] = true,
                        }
                    ),
                },
            }.ToJsonString()
        );
        // Discovery is asked again every 30 s.
        await scene.PassAsync(45);

        await scene.SetLimitAsync("0.01");
        await scene.UntilAsync(
            "both are suspended through them",
            async () => (await scene.StatusAsync())?.SuspendedCount == 2,
            TimeSpan.FromMinutes(2)
        );
        (await scene.IsSuspendedAsync("train")).Should().BeFalse("that is Kueue's to do");
        (await scene.ReplicasAsync("chat")).Should().Be(1, "that is KEDA's to do");
        (await world.Client.GetAsync<V1Workload>("job-train", scene.Team, CancellationToken.None)).Spec.Active.Should().BeFalse();
        (await world.Client.GetAsync<V1ScaledObject>("chat-scaler", scene.Team, CancellationToken.None))
            .Metadata.Annotations.Should()
            .Contain("autoscaling.keda.sh/paused-replicas", "0");
    }

    private static Task CrdAsync(Scene scene, string group, string version, string kind, string plural) =>
        scene.CreateAsync(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            $$$"""
            {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "{{{plural}}}.{{{group}}}"},
             "spec": {"group": "{{{group}}}", "scope": "Namespaced", "names": {"kind": "{{{kind}}}", "plural": "{{{plural}}}", "singular": "{{{kind.ToLowerInvariant()}}}", "listKind": "{{{kind}}}List"},
              "versions": [{"name": "{{{version}}}", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true} } }]} }
            """
        );
}
