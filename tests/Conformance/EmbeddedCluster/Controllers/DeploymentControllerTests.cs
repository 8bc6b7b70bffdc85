using System.Text.Json.Nodes;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.TestKit;
using static Bursar.Tests.TestKit.SimulatedCluster;

namespace Bursar.Tests.Conformance.EmbeddedCluster.Controllers;

public sealed class DeploymentControllerTests
{
    private const string Path = "/apis/apps/v1/namespaces/default/deployments";

    private static readonly FleetNode Node = new() { Name = "n1", Gpus = 8 };

    [Fact]
    public async Task Deployment_scales_up_and_to_zero()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateAsync(Path, Deployment(2));

        await cluster.PassAsync(TimeSpan.FromSeconds(30));
        var two = await cluster.GetAsync($"{Path}/chat");
        await cluster.MergeAsync($"{Path}/chat/scale", new JsonObject { ["spec"] = new JsonObject { ["replicas"] = 5 } });
        await cluster.PassAsync(TimeSpan.FromSeconds(30));
        var five = await cluster.GetAsync($"{Path}/chat");
        await cluster.MergeAsync($"{Path}/chat/scale", new JsonObject { ["spec"] = new JsonObject { ["replicas"] = 0 } });
        await cluster.PassAsync(TimeSpan.FromSeconds(60));
        var none = await cluster.GetAsync($"{Path}/chat");

        ((int?)two["status"]!["readyReplicas"]).Should().Be(2);
        Condition(two, "Available").Should().Be("True");
        Condition(two, "Progressing").Should().Be("True");
        ((int?)five["status"]!["availableReplicas"]).Should().Be(5);
        ((long?)five["status"]!["observedGeneration"]).Should().Be((long?)five["metadata"]!["generation"]);
        ((int?)none["status"]!["replicas"] ?? 0).Should().Be(0);
        (await cluster.PodsAsync()).Should().BeEmpty();
    }

    [Fact]
    public async Task New_template_rolls_without_falling_below_what_must_be_available()
    {
        await using var cluster = await StartAsync(Node);
        await cluster.CreateAsync(Path, Deployment(4));
        await cluster.PassAsync(TimeSpan.FromSeconds(30));

        await cluster.MergeAsync(
            $"{Path}/chat",
            new JsonObject
            {
                ["spec"] = new JsonObject
                {
                    ["template"] = new JsonObject { ["metadata"] = new JsonObject { ["labels"] = new JsonObject { ["version"] = "2" } } },
                },
            }
        );
        var least = int.MaxValue;
        var most = 0;
        for (var second = 0; second < 60; second++)
        {
            await cluster.PassAsync(TimeSpan.FromSeconds(1));
            var pods = await cluster.PodsAsync();
            var ready = pods.Count(pod => Condition(pod, "Ready") == "True");
            least = Math.Min(least, ready);
            most = Math.Max(most, pods.Count(pod => pod["metadata"]!["deletionTimestamp"] is null));
        }

        least.Should().BeGreaterThanOrEqualTo(3, "maxUnavailable is a quarter of four");
        most.Should().BeLessThanOrEqualTo(5, "maxSurge is a quarter of four");
        (await cluster.PodsAsync()).Should().HaveCount(4).And.OnlyContain(pod => (string?)pod["metadata"]!["labels"]!["version"] == "2");
        var sets = (await cluster.GetAsync("/apis/apps/v1/namespaces/default/replicasets"))["items"]!.AsArray();
        sets.Should().HaveCount(2);
        var deployment = await cluster.GetAsync($"{Path}/chat");
        ((int?)deployment["status"]!["updatedReplicas"]).Should().Be(4);
        ((string?)deployment["metadata"]!["annotations"]!["deployment.kubernetes.io/revision"]).Should().Be("2");
    }

    private static JsonObject Deployment(int replicas) =>
        new()
        {
            ["apiVersion"] = "apps/v1",
            ["kind"] = "Deployment",
            ["metadata"] = new JsonObject { ["name"] = "chat", ["namespace"] = "default" },
            ["spec"] = new JsonObject
            {
                ["replicas"] = replicas,
                ["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["app"] = "chat" } },
                ["template"] = new JsonObject
                {
                    ["metadata"] = new JsonObject
                    {
                        ["labels"] = new JsonObject { ["app"] = "chat" },
                        ["annotations"] = new JsonObject
                        {
                            [SimulationAnnotations.Work] = "inference",
                            [SimulationAnnotations.Startup] = "5s",
                        },
                    },
                    ["spec"] = new JsonObject
                    {
                        ["containers"] = new JsonArray(
                            new JsonObject
                            {
                                ["name"] = "vllm",
                                ["image"] = "vllm:1",
                                ["resources"] = new JsonObject { ["limits"] = new JsonObject { ["nvidia.com/gpu"] = "1" } },
                            }
                        ),
                    },
                },
            },
        };
}
