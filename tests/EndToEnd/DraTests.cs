using System.Text.Json.Nodes;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;
using Bursar.Tests.TestKit;

namespace Bursar.Tests.EndToEnd;

/// <summary>GPUs that DRA drivers give out: counted, priced by the one book, and a shared claim once.</summary>
public sealed class DraTests
{
    private static CancellationToken Ct => CancellationToken.None;

    [Fact]
    public async Task Claims_are_billed_and_a_shared_one_is_divided_between_its_pods()
    {
        var scene = await OpenAsync();
        await using var world = scene.World;
        await ShareAsync(scene, step: 600);
    }

    /// <summary>The trial: two pods with a claim each, two pods that share one, one MIG device.</summary>
    internal static async Task ShareAsync(Scene scene, double step)
    {
        var world = scene.World;
        await scene.BudgetAsync("100");
        foreach (var (pod, device) in ((string, string)[])[("own-1", "gpu-0"), ("own-2", "gpu-1"), ("slice", "gpu-3-mig-1g10gb-0")])
        {
            await ClaimAsync(world, $"{pod}-gpu", device);
            await PodAsync(world, pod, """{"name": "gpu", "resourceClaimTemplateName": "h100"}""");
            await world.Client.RequestAsync(
                HttpMethod.Patch,
                $"/api/v1/namespaces/team/pods/{pod}/status",
                Merge($$$$$$$"""{"status": {"resourceClaimStatuses": [{"name": "gpu", "resourceClaimName": "{{{{{{{pod}}}}}}}-gpu"}]}}"""),
                Ct
            );
        }
        await ClaimAsync(world, "shared", "gpu-2");
        await PodAsync(world, "shared-1", """{"name": "gpu", "resourceClaimName": "shared"}""");
        await scene.UntilAsync("four are billed", async () =>
            (await scene.StatusAsync())?.Workloads?.Count(w => w.RatePerHour is { Length: > 0 } rate && rate != "0.00") == 4
        );
        // 6.88 × 15/112 = 0.921428571…
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("21.561428571", "three cards and a slice");
        await scene.PassAsync(step);
        await PodAsync(world, "shared-2", """{"name": "gpu", "resourceClaimName": "shared"}""");
        await scene.UntilAsync("the second has its part", async () =>
            (await scene.StatusAsync())?.Workloads?.FirstOrDefault(w => w.Name == "shared-2")?.RatePerHour == "3.44"
        );
        (await scene.StatusAsync())!.Workloads!.Single(w => w.Name == "shared-1").RatePerHour.Should().Be("3.44");
        (await scene.StatusAsync())!.BurnRatePerHour.Should().Be("21.561428571", "the claim costs once");
        (await scene.ConditionAsync("PricesTrusted"))!.Status.Should().Be("True");
        await scene.PassAsync(step);
        await world.Client.DeleteAsync<V1Pod>("shared-1", "team", null, Ct);
        await scene.UntilAsync("the other has all of it", async () =>
            (await scene.StatusAsync())?.Workloads?.FirstOrDefault(w => w.Name == "shared-2")?.RatePerHour == "6.88"
        );
        await scene.PassAsync(step / 2);

        var now = world.Time.GetUtcNow();
        var (ledger, begun) = (world.Operator!.Ledger, world.Operator.Ledger.Installed!.Value);
        void Check(GpuLedger one)
        {
            var bill = one.Bill("dra-1", begun, now, now);
            (bill.Reserved + bill.Unallocated).Should().Be(bill.Total, "and nothing is unattributed");
            bill.Reserved.Should().Be(one.Spent("team", LabelSelector.Everything, begun, now, now));
            var last = one.Bill("dra-1", now.AddSeconds(-1), now, now);
            last.Total.Should()
                .Be((GpuHourPrice.FromDecimal(6.88m) * 4).For(TimeSpan.FromSeconds(1)), "the fourth card stands behind the MIG device");
            last.Reserved.Should().Be(HourlyCost.FromDecimal(21.561428571m).For(TimeSpan.FromSeconds(1)));
        }
        Check(ledger);
        await world.StopOperatorAsync();
        await world.StartOperatorAsync(Ct, restart: true);
        await scene.PassAsync(10);
        Check(world.Operator.Ledger);
    }

    [Fact]
    public async Task Job_is_forecast_by_the_devices_its_claims_will_request()
    {
        var scene = await OpenAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("10");
        await scene.CreateAsync(
            "/apis/batch/v1/namespaces/team/jobs",
            """
            {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "train", "annotations": {"bursar.dev/expected-duration": "2h"}},
             "spec": {"template": {"spec": {"restartPolicy": "Never", "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "h100"}],
               "containers": [{"name": "main", "image": "i", "resources": {"claims": [{"name": "gpu"}]}}]}}}}
            """
        );
        await scene.UntilSuspendedAsync("train");
        (await scene.EventsAsync("Suspended", "train")).Single().Note.Should().Contain("13.76", "two hours of a card at 6.88");
        await scene.SetLimitAsync("20");
        await scene.UntilResumedAsync("train", TimeSpan.FromMinutes(5));
    }

    /// <summary>Parts that run one after another are not added up, however they request GPUs.</summary>
    [Theory]
    [InlineData("", """, "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "h100"}]""", """{"claims": [{"name": "gpu"}]}""")]
    [InlineData("example.com/card", "", """{"limits": {"example.com/card": "1"}}""")]
    public async Task Parts_of_a_JobSet_that_wait_for_each_other_are_not_added_up(string resources, string claims, string asked)
    {
        var scene = await OpenAsync(resources: resources);
        await using var world = scene.World;
        await Kinds.ServeAsync(world, "JobSet");
        await scene.BudgetAsync("100");
        var part =
            $$$$$$"""{"spec": {"template": {"spec": {"restartPolicy": "Never"{{{{{{claims}}}}}}, "containers": [{"name": "main", "image": "i", "resources": {{{{{{asked}}}}}}}]}}}}""";
        await Kinds.CreateAsync(
            scene,
            "JobSet",
            "chain",
            $$"""{"replicatedJobs": [{"name": "data", "template": {{part}} }, {"name": "train", "dependsOn": [{"name": "data", "status": "Complete"}], "template": {{part}} }]}"""
        );
        await scene.UntilAsync(
            "it is seen",
            async () => (await scene.StatusAsync())?.Workloads is [{ Kind: "JobSet", Name: "chain" }],
            TimeSpan.FromMinutes(2)
        );
        await scene.PassAsync(12);
        (await scene.StatusAsync())!.Workloads.Should().ContainSingle().Which.Gpus.Should().Be(1);
    }

    /// <summary>
    /// The chart's gpuResources may name a DeviceClass with an unknown driver: its devices are GPUs also once they are allocated.
    /// </summary>
    [Fact]
    public async Task Devices_of_a_DeviceClass_that_the_user_added_are_billed()
    {
        var scene = await OpenAsync(resources: "cards");
        await using var world = scene.World;
        await scene.CreateAsync(
            "/api/v1/nodes",
            """{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "h100", "labels": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}}}"""
        );
        await scene.BudgetAsync("100");
        await ClaimAsync(world, "ours", "card-0", "accel.example.com", deviceClass: "cards");
        await PodAsync(world, "ours", """{"name": "gpu", "resourceClaimName": "ours"}""", node: "h100");
        await scene.UntilAsync("it costs", async () => (await scene.StatusAsync())?.BurnRatePerHour == "6.88");
    }

    [Fact]
    public async Task GPU_of_an_unknown_driver_is_unpriced_and_reported()
    {
        var scene = await OpenAsync();
        await using var world = scene.World;
        await scene.BudgetAsync("100");
        await ClaimAsync(world, "odd", "gpu-0", "gpu.example.com");
        await PodAsync(world, "odd", """{"name": "gpu", "resourceClaimName": "odd"}""");
        await scene.UntilConditionAsync("PricesTrusted", "False");
        var condition = (await scene.ConditionAsync("PricesTrusted"))!;
        condition.Reason.Should().Be("Unpriced");
        condition.Message.Should().Contain("gpu.example.com");
        (await scene.StatusAsync())!.Workloads!.Single().Name.Should().Be("odd");
    }

    /// <summary>Field report F2: a renamed resource, AMD's partitions, and one that looks like a GPU.</summary>
    [Fact]
    public async Task Every_GPU_resource_is_counted_or_reported()
    {
        await using var world = await ClusterWorld.StartAsync(real: false, Ct, new FleetNode { Name = "plain", Gpus = 0 });
        await world.CreateBookAsync("*A100*", "2.80", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        foreach (
            var (node, label, product, resource, units) in ((string, string, string, string, int)[])
                [
                    ("nvidia", "nvidia.com/gpu.product", "NVIDIA-A100-SXM4-40GB", "nvidia.com/a100", 8),
                    ("amd", "amd.com/gpu.product-name", "AMD_Instinct_MI300X_OAM", "amd.com/cpx_nps4", 64),
                    ("other", "x", "y", "example.com/gpu", 4),
                ]
        )
        {
            await scene.CreateAsync(
                "/api/v1/nodes",
                $$$$$$$"""{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "{{{{{{{node}}}}}}}", "labels": {"{{{{{{{label}}}}}}}": "{{{{{{{product}}}}}}}"}}}"""
            );
            await world.Client.RequestAsync(
                HttpMethod.Patch,
                $"/api/v1/nodes/{node}/status",
                Merge(
                    $$$$$$$"""{"status": {"capacity": {"{{{{{{{resource}}}}}}}": "{{{{{{{units}}}}}}}"}, "conditions": [{"type": "Ready", "status": "True"}]}}"""
                ),
                Ct
            );
        }
        await world.StartOperatorAsync(Ct);
        await world.Client.PatchAsync<Bursar.Api.V1Alpha1GpuPriceBook>(
            "test",
            null,
            KubePatch.Merge(
                JsonNode
                    .Parse(
                        """{"spec": {"rates": [{"match": {"product": "*A100*"}, "perGpuHour": "2.80"}, {"match": {"product": "*MI300X*"}, "perGpuHour": "6.00"}]}}"""
                    )!
                    .AsObject()
            ),
            Ct
        );
        await scene.BudgetAsync("100");
        foreach (
            var (node, resource, units) in ((string, string, int)[])
                [("nvidia", "nvidia.com/a100", 2), ("amd", "amd.com/cpx_nps4", 4), ("other", "example.com/gpu", 1)]
        )
            await scene.CreateAsync(
                "/api/v1/namespaces/team/pods",
                $$$$$$$"""
                {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "{{{{{{{node}}}}}}}", "namespace": "team"},
                 "spec": {"nodeName": "{{{{{{{node}}}}}}}", "containers": [{"name": "main", "image": "i", "resources": {"limits": {"{{{{{{{resource}}}}}}}": "{{{{{{{units}}}}}}}"}}}]}}
                """
            );
        await scene.UntilAsync(
            "two have a price",
            async () => (await scene.StatusAsync())?.BurnRatePerHour == "8.60",
            TimeSpan.FromMinutes(2)
        ); // 2 × 2.80 + 4/8 × 6.00
        await scene.UntilConditionAsync("PricesTrusted", "False");
        (await scene.ConditionAsync("PricesTrusted"))!.Message.Should().Contain("example.com/gpu").And.Contain("gpuResources");
        (await scene.StatusAsync())!.Workloads!.Select(w => w.Name).Should().BeEquivalentTo("nvidia", "amd", "other");
        (await world.EventsAsync("default", Ct))
            .Should()
            .ContainSingle(e => e.Reason == "UnknownGpuResource")
            .Which.Note.Should()
            .Contain("example.com/gpu");
    }

    internal static async Task<Scene> OpenAsync(bool real = false, string resources = "")
    {
        var world = await ClusterWorld.StartAsync(real, Ct, new FleetNode { Name = "dra-1", Gpus = 0 });
        await world.CreateBookAsync("*H100*", "6.88", Ct);
        var scene = await Scene.OpenAsync(world, "team");
        string Card(int index) =>
            $$$$$$$"""{"name": "gpu-{{{{{{{index}}}}}}}", "attributes": {"type": {"string": "gpu"}, "uuid": {"string": "GPU-{{{{{{{index}}}}}}}"}, "productName": {"string": "NVIDIA H100 80GB HBM3"}}, "capacity": {"memory": {"value": "80Gi"}}}""";
        await scene.CreateAsync(
            "/apis/resource.k8s.io/v1/resourceslices",
            $$$$$$$"""
            {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": "dra-1"}, "spec": {"driver": "gpu.nvidia.com", "nodeName": "dra-1", "pool": {"name": "dra-1", "generation": 1, "resourceSliceCount": 1},
             "devices": [{{{{{{{Card(0)}}}}}}}, {{{{{{{Card(1)}}}}}}}, {{{{{{{Card(
                2
            )}}}}}}}, {"name": "gpu-3-mig-1g10gb-0", "attributes": {"type": {"string": "mig"}, "parentUUID": {"string": "GPU-3"}, "profile": {"string": "1g.10gb"}, "productName": {"string": "NVIDIA H100 80GB HBM3"}}}]}}
            """
        );
        await scene.CreateAsync(
            "/apis/resource.k8s.io/v1/deviceclasses",
            """
            {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": "gpu.nvidia.com"}, "spec": {"selectors": [{"cel": {"expression": "device.driver == 'gpu.nvidia.com'"}}]}}
            """
        );
        await scene.CreateAsync(
            "/apis/resource.k8s.io/v1/namespaces/team/resourceclaimtemplates",
            """
            {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate", "metadata": {"name": "h100", "namespace": "team"},
             "spec": {"spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.nvidia.com"}}]}}}}
            """
        );
        await world.StartOperatorAsync(Ct, new() { Gpus = GpuResources.Parse(resources) });
        return scene;
    }

    private static async Task ClaimAsync(
        ClusterWorld world,
        string name,
        string device,
        string driver = "gpu.nvidia.com",
        string? deviceClass = null
    )
    {
        await world.PostJsonAsync(
            "/apis/resource.k8s.io/v1/namespaces/team/resourceclaims",
            JsonNode
                .Parse(
                    $$$$$$$"""
                    {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": {"name": "{{{{{{{name}}}}}}}", "namespace": "team"},
                     "spec": {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "{{{{{{{deviceClass
                        ?? driver}}}}}}}"}}]}}}
                    """
                )!
                .AsObject(),
            Ct
        );
        await world.Client.RequestAsync(
            HttpMethod.Patch,
            $"/apis/resource.k8s.io/v1/namespaces/team/resourceclaims/{name}/status",
            Merge(
                $$$$$$$"""{"status": {"allocation": {"devices": {"results": [{"request": "gpu", "driver": "{{{{{{{driver}}}}}}}", "pool": "dra-1", "device": "{{{{{{{device}}}}}}}"}]}}}}"""
            ),
            Ct
        );
    }

    private static Task PodAsync(ClusterWorld world, string name, string claim, string node = "dra-1") =>
        world.PostJsonAsync(
            "/api/v1/namespaces/team/pods",
            JsonNode
                .Parse(
                    $$$$$$$"""
                    {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "{{{{{{{name}}}}}}}", "namespace": "team"},
                     "spec": {"nodeName": "{{{{{{{node}}}}}}}", "terminationGracePeriodSeconds": 1, "resourceClaims": [{{{{{{{claim}}}}}}}], "containers": [{"name": "main", "image": "i", "resources": {"claims": [{"name": "gpu"}]}}]}}
                    """
                )!
                .AsObject(),
            Ct
        );

    private static StringContent Merge(string json) => new(json, System.Text.Encoding.UTF8, "application/merge-patch+json");
}

/// <summary>The same with the objects of a real API server.</summary>
public sealed class RealDraTests
{
    [SkippableFact]
    public async Task Claims_are_billed_and_a_shared_one_is_divided_between_its_pods()
    {
        Skip.IfNot(ControlPlane.IsPresent, ControlPlane.Absent);
        var scene = await DraTests.OpenAsync(real: true);
        await using var world = scene.World;
        await DraTests.ShareAsync(scene, step: 4);
    }
}
