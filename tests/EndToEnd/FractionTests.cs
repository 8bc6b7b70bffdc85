using System.Text.Json.Nodes;
using Bursar.Core.Money;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>A GPU that the KAI scheduler shares out: its parts are billed to who has them, and once.</summary>
public sealed class FractionTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Parts_are_billed_and_the_pod_that_reserves_the_gpu_is_not()
    {
        await using var world = await ClusterWorld.StartAsync(
            real: false,
            Ct,
            new FleetNode
            {
                Name = "gpu-1",
                Gpu = SimulatedGpuModel.V100,
                Gpus = 2,
            }
        );
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        await world.CreateNamespaceAsync("kai-resource-reservation", Ct);
        await world.StartOperatorAsync(Ct);
        await scene.BudgetAsync("100");

        await PodAsync(world, "kai-resource-reservation", "gpu-reservation-x", """{"nvidia.com/gpu": "1"}""", """{}""");
        await PodAsync(world, "team", "half", "{}", """{"gpu-fraction": "0.5"}""");
        await PodAsync(world, "team", "quarter", "{}", """{"gpu-fraction": "0.25"}""");
        await scene.UntilAsync("both are billed", async () => (await scene.StatusAsync())?.Workloads?.Count == 2);
        await scene.PassAsync(600);

        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("2.295", "three quarters of 3.06");
        var ledger = world.Operator!.Ledger;
        ledger.Namespaces().Should().Equal("team");
        var (now, begun) = (world.Time.GetUtcNow(), ledger.Installed!.Value);
        var bill = ledger.Bill("gpu-1", begun, now, now);
        (bill.Reserved + bill.Unallocated).Should().Be(bill.Total, "and nothing is unattributed");
        bill.Reserved.Should().Be(ledger.Spent("team", Bursar.Core.Text.LabelSelector.Everything, begun, now, now));
        // In the last minute one and a quarter of the two cards are unallocated.
        var last = ledger.Bill("gpu-1", now.AddMinutes(-1), now, now);
        (last.Reserved, last.Unallocated)
            .Should()
            .Be((HourlyCost.FromDecimal(2.295m).For(TimeSpan.FromMinutes(1)), HourlyCost.FromDecimal(3.825m).For(TimeSpan.FromMinutes(1))));
    }

    private static Task PodAsync(ClusterWorld world, string ns, string name, string limits, string annotations) =>
        world.PostJsonAsync(
            $"/api/v1/namespaces/{ns}/pods",
            new JsonObject
            {
                ["apiVersion"] = "v1",
                ["kind"] = "Pod",
                ["metadata"] = new JsonObject
                {
                    ["name"] = name,
                    ["namespace"] = ns,
                    ["labels"] = new JsonObject { ["runai-gpu-group"] = "g1" },
                    ["annotations"] = JsonNode.Parse(annotations),
                },
                ["spec"] = new JsonObject
                {
                    ["nodeName"] = "gpu-1",
                    ["containers"] = new JsonArray(
                        new JsonObject
                        {
                            ["name"] = "main",
                            ["image"] = "i",
                            ["resources"] = new JsonObject { ["limits"] = JsonNode.Parse(limits) },
                        }
                    ),
                },
            },
            Ct
        );
}
