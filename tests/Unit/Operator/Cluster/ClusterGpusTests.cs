using Bursar.Core.Ledger;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;

namespace Bursar.Tests.Unit.Operator.Cluster;

/// <summary>GPUs of ResourceClaims, from API objects.</summary>
public sealed class ClusterGpusTests : IDisposable
{
    private readonly KubeClient _client = new(new KubeConfig { Server = new("http://127.0.0.1:1") });
    private readonly ClusterGpus _gpus;

    public ClusterGpusTests()
    {
        _gpus = new(_client, null);
        Put(
            _gpus.Slices,
            """
            {"metadata": {"name": "n1", "uid": "s1"}, "spec": {"driver": "gpu.nvidia.com", "nodeName": "n1", "pool": {"name": "n1", "generation": 2, "resourceSliceCount": 1}, "devices": [
              {"name": "gpu-0", "attributes": {"type": {"string": "gpu"}, "uuid": {"string": "GPU-0"}, "productName": {"string": "NVIDIA H100 80GB HBM3"}}, "capacity": {"memory": {"value": "80Gi"}}},
              {"name": "gpu-1", "attributes": {"type": {"string": "gpu"}, "uuid": {"string": "GPU-1"}, "productName": {"string": "NVIDIA H100 80GB HBM3"}}, "capacity": {"memory": {"value": "80Gi"}}},
              {"name": "gpu-2-mig-1g10gb-0", "attributes": {"type": {"string": "mig"}, "parentUUID": {"string": "GPU-2"}, "profile": {"string": "1g.10gb"}, "productName": {"string": "NVIDIA H100 80GB HBM3"}}}]}}
            """
        );
        // An older generation of the pool does not count.
        Put(
            _gpus.Slices,
            """{"metadata": {"name": "old", "uid": "s0"}, "spec": {"driver": "gpu.nvidia.com", "nodeName": "n1", "pool": {"name": "n1", "generation": 1, "resourceSliceCount": 1}, "devices": [{"name": "gpu-9"}]}}"""
        );
        Put(
            _gpus.Slices,
            """{"metadata": {"name": "nic", "uid": "s2"}, "spec": {"driver": "dra.net", "nodeName": "n1", "pool": {"name": "n1", "generation": 1, "resourceSliceCount": 1}, "devices": [{"name": "eth0"}]}}"""
        );
    }

    public void Dispose() => _client.Dispose();

    [Fact]
    public void Node_cards_are_those_of_its_newest_resource_slices()
    {
        var node = _gpus.DevicesOf(
            new()
            {
                Metadata = new() { Name = "n1", Uid = "n1" },
            }
        );
        (node.Product, node.Cards).Should().Be(("NVIDIA-H100-80GB-HBM3", 3));
        _gpus
            .DevicesOf(
                new()
                {
                    Metadata = new() { Name = "n2", Uid = "n2" },
                }
            )
            .Cards.Should()
            .Be(0);
    }

    [Fact]
    public void Pod_claim_counts_as_it_was_allocated()
    {
        Claim(
            "p-gpu",
            Result("gpu-0"),
            Result("gpu-1"),
            Result("gpu-2-mig-1g10gb-0", """, "adminAccess": true"""),
            """{"request": "nic", "driver": "dra.net", "pool": "n1", "device": "eth0"}"""
        );
        var request = _gpus.OfPod(
            Pod("""{"name": "gpu", "resourceClaimTemplateName": "t"}""", """{"name": "gpu", "resourceClaimName": "p-gpu"}""")
        );
        (request.Units, request.ShareOn(null), request.IsPending, request.Claims).Should().Be((2, DeviceShare.Whole, false, null));
    }

    [Fact]
    public void MIG_device_is_its_part_of_the_card()
    {
        Claim("p-gpu", Result("gpu-2-mig-1g10gb-0"));
        var request = _gpus.OfPod(
            Pod("""{"name": "gpu", "resourceClaimTemplateName": "t"}""", """{"name": "gpu", "resourceClaimName": "p-gpu"}""")
        );
        (request.Units, request.ShareOn(null)).Should().Be((1, new DeviceShare(15, 112)));
    }

    [Fact]
    public void Claim_that_is_named_may_be_shared()
    {
        Claim("shared", Result("gpu-0"), Result("gpu-1"));
        var request = _gpus.OfPod(Pod("""{"name": "gpu", "resourceClaimName": "shared"}"""));
        request.Claims.Should().Equal(new SharedClaim("uid-shared", new(2, 1)));
        (request.Units, request.ShareOn(null)).Should().Be((1, new DeviceShare(0, 1)));
    }

    [Fact]
    public void Share_of_a_device_in_several_claims_is_its_memory()
    {
        Claim("p-gpu", Result("gpu-0", """, "shareID": "a671734a-e8e5-11e4-8fde-42010af09327", "consumedCapacity": {"memory": "20Gi"}"""));
        _gpus
            .OfPod(Pod("""{"name": "gpu", "resourceClaimTemplateName": "t"}""", """{"name": "gpu", "resourceClaimName": "p-gpu"}"""))
            .ShareOn(null)
            .Should()
            .Be(new DeviceShare(1, 4));
    }

    [Theory]
    [InlineData("""{"name": "r", "exactly": {"deviceClassName": "gpu.nvidia.com", "count": 4}}""", 4, "1")]
    [InlineData("""{"name": "r", "exactly": {"deviceClassName": "gpu.nvidia.com"}}""", 1, "1")]
    [InlineData("""{"name": "r", "deviceClassName": "gpu.nvidia.com", "count": 3}""", 3, "1")] // v1beta1
    [InlineData("""{"name": "r", "exactly": {"deviceClassName": "gpu.nvidia.com", "allocationMode": "All"}}""", 2, "1")]
    [InlineData(
        """{"name": "r", "firstAvailable": [{"name": "a", "deviceClassName": "gpu.nvidia.com", "count": 2}, {"name": "b", "deviceClassName": "gpu.nvidia.com", "count": 8}]}""",
        2,
        "1"
    )]
    [InlineData("""{"name": "r", "exactly": {"deviceClassName": "team-gpu"}}""", 1, "1")]
    [InlineData(
        """{"name": "r", "exactly": {"deviceClassName": "mig.nvidia.com", "selectors": [{"cel": {"expression": "device.attributes['gpu.nvidia.com'].profile == '1g.10gb'"}}]}}""",
        1,
        "15/112"
    )]
    [InlineData("""{"name": "r", "exactly": {"deviceClassName": "mig.nvidia.com"}}""", 1, "an unknown part")]
    [InlineData("""{"name": "r", "exactly": {"deviceClassName": "gpu.example.com"}}""", 1, "an unknown part")]
    [InlineData("""{"name": "r", "exactly": {"deviceClassName": "gpu.nvidia.com", "adminAccess": true}}""", 0, "an unknown part")]
    [InlineData("""{"name": "r", "exactly": {"deviceClassName": "nic.example.com"}}""", 0, "an unknown part")]
    public void Claim_template_gives_the_request_of_future_pods(string request, int units, string share)
    {
        Put(
            _gpus.Classes,
            """{"metadata": {"name": "team-gpu", "uid": "k"}, "spec": {"selectors": [{"cel": {"expression": "device.driver == 'gpu.nvidia.com'"}}]}}"""
        );
        Put(
            _gpus.Templates,
            $$$$$$$"""{"metadata": {"name": "t", "namespace": "ns", "uid": "t"}, "spec": {"spec": {"devices": {"requests": [{{{{{{{request}}}}}}}]}}}}"""
        );
        var work = _gpus.Complete(Job("""{"name": "gpu", "resourceClaimTemplateName": "t"}""", 3));
        var node = _gpus.DevicesOf(
            new()
            {
                Metadata = new() { Name = "n1", Uid = "n1" },
            }
        );
        (work.PodSets[0].Request.Units, work.PodSets[0].Request.ShareOn(node).ToString(), work.Gpus).Should().Be((units, share, 3 * units));

        // The same applies to its pods until their claims are allocated.
        var pod = _gpus.OfPod(Pod("""{"name": "gpu", "resourceClaimTemplateName": "t"}"""));
        (pod.Units, pod.ShareOn(node).ToString(), pod.IsPending).Should().Be((units, share, units > 0));
    }

    [Fact]
    public void Claim_that_all_pods_of_a_job_share_counts_once()
    {
        Claim("shared", Result("gpu-0"));
        var work = _gpus.Complete(Job("""{"name": "gpu", "resourceClaimName": "shared"}""", 4));
        (work.PodSets[0].Request.Units, work.PodSets[0].Request.ShareOn(null)).Should().Be((1, new DeviceShare(1, 4)));
    }

    [Fact]
    public void Extended_resources_that_a_claim_stands_for_count_once()
    {
        Claim("special", Result("gpu-2-mig-1g10gb-0"));
        const string limits = """, "resources": {"limits": {"nvidia.com/gpu": "1", "example.com/big": "1"}}""";
        _gpus.OfPod(Pod("", limits: limits)).Units.Should().Be(1, "until then, the resource counts");
        var request = _gpus.OfPod(
            Pod(
                "",
                limits: limits,
                more: """, "extendedResourceClaimStatus": {"resourceClaimName": "special", "requestMappings": [{"containerName": "main", "resourceName": "nvidia.com/gpu", "requestName": "r"}]}"""
            )
        );
        (request.Units, request.ShareOn(null)).Should().Be((1, new DeviceShare(15, 112)));
    }

    [Fact]
    public void Resource_that_a_DeviceClass_of_GPUs_stands_for_is_a_GPU()
    {
        _gpus.Table.IsGpu("example.com/big").Should().BeFalse();
        var table = _gpus.Table.With(["example.com/big"]);
        table.IsGpu("example.com/big").Should().BeTrue();
    }

    [Fact]
    public void Slices_of_v1beta1_are_read()
    {
        Put(
            _gpus.Slices,
            """
            {"metadata": {"name": "n3", "uid": "s3"}, "spec": {"driver": "gpu.nvidia.com", "nodeName": "n3", "pool": {"name": "n3", "generation": 1, "resourceSliceCount": 1}, "devices": [
              {"name": "gpu-0", "basic": {"attributes": {"gpu.nvidia.com/productName": {"string": "Tesla T4"}}, "capacity": {"memory": {"value": "16Gi"}}}}]}}
            """
        );
        _gpus
            .DevicesOf(
                new()
                {
                    Metadata = new() { Name = "n3", Uid = "n3" },
                }
            )
            .Product.Should()
            .Be("Tesla-T4");
    }

    private static void Put<T>(Informer<T> informer, string json)
        where T : class, IKubernetesEntity<T> =>
        ((Store<T>)informer.Store).Put(System.Text.Json.JsonSerializer.Deserialize(json, T.JsonTypeInfo)!);

    private static string Result(string device, string more = "") =>
        $$"""{"request": "r", "driver": "gpu.nvidia.com", "pool": "n1", "device": "{{device}}"{{more}}}""";

    private void Claim(string name, params string[] results) =>
        Put(
            _gpus.Claims,
            $$$$$$$"""
            {"metadata": {"name": "{{{{{{{name}}}}}}}", "namespace": "ns", "uid": "uid-{{{{{{{name}}}}}}}"}, "spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu.nvidia.com"}}]}},
             "status": {"allocation": {"devices": {"results": [{{{{{{{string.Join(", ", results)}}}}}}}]}}}}
            """
        );

    private static V1Pod Pod(string claim, string status = "", string limits = "", string more = "") =>
        System.Text.Json.JsonSerializer.Deserialize(
            $$$$$$$"""
            {"metadata": {"name": "p", "namespace": "ns", "uid": "p"}, "spec": {"nodeName": "n1", "containers": [{"name": "main"{{{{{{{limits}}}}}}}}], "resourceClaims": [{{{{{{{claim}}}}}}}]},
             "status": {"resourceClaimStatuses": [{{{{{{{status}}}}}}}]{{{{{{{more}}}}}}}}}
            """,
            V1Pod.JsonTypeInfo
        )!;

    private static WorkloadObject Job(string claim, int parallelism) =>
        WorkloadKinds
            .Find("Job")!
            .Parse(
                System
                    .Text.Json.JsonDocument.Parse(
                        $$$$$$$"""
                        {"metadata": {"name": "j", "namespace": "ns", "uid": "j"}, "spec": {"parallelism": {{{{{{{parallelism}}}}}}}, "completions": {{{{{{{parallelism}}}}}}}, "template": {"spec": {"containers": [{"name": "main"}], "resourceClaims": [{{{{{{{claim}}}}}}}]}}}}
                        """
                    )
                    .RootElement
            )!;
}
