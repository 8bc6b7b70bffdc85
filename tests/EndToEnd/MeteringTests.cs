using System.Globalization;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>Lost nodes and missing prices are reported, never guessed, never free.</summary>
public sealed class MeteringTests
{
    [Fact]
    public async Task Lost_node_is_billed_to_its_last_heartbeat_and_pauses_forecasts()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("2");
        await scene.JobAsync("runs", declared: "20m");
        await scene.UntilRunsAsync("runs");
        await scene.PassAsync(20);
        world.Nodes.LoseNode("gpu-1");
        await scene.UntilConditionAsync("MeteringFresh", "False", within: TimeSpan.FromMinutes(2));
        (await scene.ConditionAsync("MeteringFresh"))!.Reason.Should().Be("NodeLost");

        var pod = (await world.Client.ListAsync<V1Pod>(new() { Namespace = scene.Team }, CancellationToken.None)).Items.Single();
        var lease = await world.Client.GetAsync<V1Lease>("gpu-1", "kube-node-lease", CancellationToken.None);
        var proven = Scene.V100.For(lease.Spec.RenewTime!.Value - Bursar.Operator.Cluster.PodTimes.ScheduledAt(pod)!.Value).ToString();
        await scene.UntilAsync(
            "it is billed to its last proof of life",
            async () => (await scene.StatusAsync())!.Spent == proven,
            TimeSpan.FromSeconds(90)
        );

        // A forecast would now suspend this; it pauses.
        await scene.SetLimitAsync("0.5");
        await scene.PassAsync(90);
        (await scene.IsSuspendedAsync("runs")).Should().BeFalse();
        (await scene.StatusAsync())!.Spent.Should().Be(proven, "unproven time is not billed");
        (await scene.StatusAsync())!.Workloads!.Single().Reason.Should().StartWith("ForecastPaused");

        world.Nodes.ReturnNode("gpu-1");
        await scene.UntilConditionAsync("MeteringFresh", "True");
        await scene.UntilSuspendedAsync("runs", TimeSpan.FromSeconds(90));
    }

    [Fact]
    public async Task Bare_pod_on_a_lost_node_is_not_called_unpriced()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await scene.CreateAsync(
            $"/api/v1/namespaces/{scene.Team}/pods",
            """
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bare"},
             "spec": {"containers": [{"name": "main", "image": "example/notebook", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}
            """
        );
        await scene.UntilAsync("it costs", async () => (await scene.StatusAsync())?.BurnRatePerHour == "3.06");
        world.Nodes.LoseNode("gpu-1");
        await scene.UntilConditionAsync("MeteringFresh", "False", within: TimeSpan.FromMinutes(2));
        await scene.UntilAsync(
            "it costs nothing",
            async () => (await scene.StatusAsync())?.BurnRatePerHour == "0.00",
            TimeSpan.FromMinutes(2)
        );

        (await scene.StatusAsync())!
            .Workloads!.Single()
            .Reason.Should()
            .StartWith("NotSuspendable")
            .And.Contain("a bare pod has no switch to suspend it");
    }

    [Fact]
    public async Task Lost_node_with_a_fast_clock_is_billed_until_missed_and_after_its_return()
    {
        var scene = await Scene.SandboxAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await scene.JobAsync("runs", declared: "2h");
        await scene.UntilRunsAsync("runs");
        await scene.PassAsync(20);
        world.Nodes.LoseNode("gpu-1");
        var ahead = world.Time.GetUtcNow().AddHours(1);
        await world.Client.PatchAsync<V1Lease>(
            "gpu-1",
            "kube-node-lease",
            Bursar.Kubernetes.Client.KubePatch.Merge(
                new System.Text.Json.Nodes.JsonObject
                {
                    ["spec"] = new System.Text.Json.Nodes.JsonObject
                    {
                        ["renewTime"] = ahead.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture),
                    },
                }
            ),
            CancellationToken.None
        );
        await scene.UntilConditionAsync("MeteringFresh", "False", within: TimeSpan.FromMinutes(5));
        await scene.PassAsync(30);
        var missed = (await scene.StatusAsync())!.Spent;
        await scene.PassAsync(120);
        (await scene.StatusAsync())!.Spent.Should().Be(missed, "an hour to come is no proof of life");

        world.Nodes.ReturnNode("gpu-1");
        await scene.UntilConditionAsync("MeteringFresh", "True");
        await scene.PassAsync(3600);
        var now = world.Time.GetUtcNow();
        world
            .Operator!.Ledger.RatePerHour(scene.Team, Bursar.Core.Text.LabelSelector.Everything, now)
            .Should()
            .Be(Scene.V100, "it is charged beyond the hour that its clock was ahead");
        var bill = world.Operator.Ledger.Bill("gpu-1", now.AddDays(-1), now, now);
        bill.Unattributed.Values.Aggregate(bill.Reserved + bill.Unallocated, (sum, one) => sum + one).Should().Be(bill.Total);
    }

    [Fact]
    public async Task Product_without_a_price_is_reported_and_never_free()
    {
        var scene = await Scene.SandboxAsync(
            "team",
            true,
            new FleetNode
            {
                Name = "gpu-odd",
                Gpu = new("NVIDIA-B999", "NVIDIA B999", 1024, 10, 100),
                Gpus = 8,
            }
        );
        await using var world = scene.World;
        await scene.BudgetAsync("1");
        await scene.CreateAsync(
            $"/apis/batch/v1/namespaces/{scene.Team}/jobs",
            """
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "odd", "annotations": {"bursar.dev/expected-duration": "9h"}},
             "spec": {"template": {"spec": {"restartPolicy": "Never", "nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-B999"},
               "containers": [{"name": "main", "image": "example/trainer", "resources": {"limits": {"nvidia.com/gpu": "1"}}}]}}}}
            """
        );
        await scene.UntilRunsAsync("odd");
        await scene.UntilConditionAsync("PricesTrusted", "False");
        (await scene.ConditionAsync("PricesTrusted"))!.Message.Should().Contain("NVIDIA-B999");
        await scene.PassAsync(60);
        (await scene.IsSuspendedAsync("odd")).Should().BeFalse("no harm on missing data");

        // Given a price it is billed from the beginning of its run at the latest from now on, and judged.
        await world.Client.PatchAsync<Bursar.Api.V1Alpha1GpuPriceBook>(
            "test",
            null,
            Bursar.Kubernetes.Client.KubePatch.Merge(
                System
                    .Text.Json.Nodes.JsonNode.Parse(
                        """
                        {"spec": {"rates": [{"match": {"product": "*V100*"}, "perGpuHour": "3.06"}, {"match": {"product": "*B999*"}, "perGpuHour": "9"}]}}
                        """
                    )!
                    .AsObject()
            ),
            CancellationToken.None
        );
        await scene.UntilConditionAsync("PricesTrusted", "True", within: TimeSpan.FromMinutes(3));
        await scene.UntilSuspendedAsync("odd", TimeSpan.FromMinutes(2));
        decimal.Parse((await scene.StatusAsync())!.Spent!, CultureInfo.InvariantCulture).Should().BePositive();
    }
}
