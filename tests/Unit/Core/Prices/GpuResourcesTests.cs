using Bursar.Core.Ledger;
using Bursar.Core.Prices;

namespace Bursar.Tests.Unit.Core.Prices;

public sealed class GpuResourcesTests
{
    [Theory]
    [InlineData("nvidia.com/gpu", GpuResourceKind.Gpu)]
    [InlineData("nvidia.com/gpu.shared", GpuResourceKind.Gpu)]
    [InlineData("nvidia.com/mig-1g.5gb", GpuResourceKind.Gpu)]
    [InlineData("nvidia.com/a100", GpuResourceKind.Gpu)]
    [InlineData("nvidia.com/a100.shared", GpuResourceKind.Gpu)]
    [InlineData("nvidia.com/h100-80gb", GpuResourceKind.Gpu)]
    [InlineData("nvidia.com/tesla-v100", GpuResourceKind.Gpu)]
    [InlineData("nvidia.com/rtx4090", GpuResourceKind.Gpu)]
    [InlineData("nvidia.com/GA102GL_A10", GpuResourceKind.Gpu)]
    [InlineData("nvidia.com/GRID_T4-4Q", GpuResourceKind.Gpu)]
    [InlineData("amd.com/gpu", GpuResourceKind.Gpu)]
    [InlineData("amd.com/cpx_nps4", GpuResourceKind.Gpu)]
    [InlineData("amd.com/spx_nps1", GpuResourceKind.Gpu)]
    [InlineData("gpu.intel.com/i915", GpuResourceKind.Gpu)]
    [InlineData("gpu.intel.com/xe", GpuResourceKind.Gpu)]
    [InlineData("habana.ai/gaudi", GpuResourceKind.Gpu)]
    [InlineData("nvidia.com/something", GpuResourceKind.Unknown)]
    [InlineData("nvidia.com/gpumem", GpuResourceKind.Unknown)]
    [InlineData("aliyun.com/gpu-mem", GpuResourceKind.Unknown)]
    [InlineData("example.com/gpu", GpuResourceKind.Unknown)]
    [InlineData("gpu.example.com/card", GpuResourceKind.Unknown)]
    [InlineData("volcano.sh/vgpu-number", GpuResourceKind.Unknown)]
    [InlineData("example.com/accelerator", GpuResourceKind.Unknown)]
    [InlineData("example.com/mig-2", GpuResourceKind.Unknown)]
    [InlineData("cpu", GpuResourceKind.None)]
    [InlineData("hugepages-2Mi", GpuResourceKind.None)]
    [InlineData("nvidia.com/hostdev", GpuResourceKind.None)]
    [InlineData("nvidia.com/mlnxnics", GpuResourceKind.None)]
    [InlineData("amd.com/vnic", GpuResourceKind.None)]
    [InlineData("rdma/hca_shared_devices_a", GpuResourceKind.None)]
    [InlineData("gpu.intel.com/i915_monitoring", GpuResourceKind.None)]
    [InlineData("example.com/migration-slots", GpuResourceKind.None)]
    [InlineData("smarter-devices/fuse", GpuResourceKind.None)]
    [InlineData("vpc.amazonaws.com/pod-eni", GpuResourceKind.None)]
    public void Resources_are_known_unknown_or_none(string resource, GpuResourceKind expected) =>
        GpuResources.BuiltIn.KindOf(resource).Should().Be(expected);

    [Fact]
    public void Users_add_and_remove_resource_names()
    {
        var table = GpuResources.Parse("example.com/*-card, gpu.example.com, !nvidia.com/something,!example.com/fake-card");
        table.IsGpu("example.com/big-card").Should().BeTrue();
        table.IsGpu("example.com/fake-card").Should().BeFalse();
        table.KindOf("nvidia.com/something").Should().Be(GpuResourceKind.None);
        table.IsDriver("gpu.example.com").Should().BeTrue();
        table.IsDriver("gpu.nvidia.com").Should().BeTrue();
        GpuResources.BuiltIn.IsDriver("gpu.example.com").Should().BeFalse();
        GpuResources.BuiltIn.LooksLikeGpus("gpu.example.com").Should().BeTrue();
        GpuResources.BuiltIn.LooksLikeGpus("dra.net.example.com").Should().BeFalse();
    }

    [Theory]
    [InlineData("gpu.nvidia.com", "", true)]
    [InlineData("mig.nvidia.com", "", true)]
    [InlineData("gpu.amd.com", "", true)]
    [InlineData("team-h100", "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].productName == 'NVIDIA H100'", true)]
    [InlineData("team-big", "device.attributes['gpu.nvidia.com'].productName.matches('H100')", true)]
    [InlineData("team-any", "device.driver in ['gpu.amd.com', 'gpu.nvidia.com']", true)]
    [InlineData("team-turned", "\"gpu.nvidia.com\" == device.driver", true)]
    [InlineData("team-other", "device.driver != 'gpu.nvidia.com'", false)]
    [InlineData("team-nic", "device.driver == \"dra.net\"", false)]
    [InlineData("compute-domain-daemon.nvidia.com", "device.driver == 'compute-domain.nvidia.com'", false)]
    public void DeviceClass_is_of_GPUs_by_its_name_or_its_driver(string name, string selector, bool expected) =>
        GpuResources.BuiltIn.IsDeviceClass(name, selector.Length == 0 ? [] : [selector]).Should().Be(expected);

    [Theory]
    [InlineData("spx_nps1", "AMD_Instinct_MI300X_OAM", 1, 1)]
    [InlineData("dpx_nps2", "AMD_Instinct_MI300X_OAM", 1, 2)]
    [InlineData("qpx_nps4", "AMD_Instinct_MI300X_OAM", 1, 4)]
    [InlineData("cpx_nps4", "AMD_Instinct_MI300X_OAM", 1, 8)]
    [InlineData("cpx_nps1", "AMD_Instinct_MI300A", 1, 6)]
    [InlineData("tpx_nps1", "AMD_Instinct_MI300A", 1, 3)]
    public void AMD_partition_is_its_part_of_the_card(string profile, string product, int parts, int of) =>
        AmdPartition.Parse(profile, product).Should().Be(new DeviceShare(parts, of));
}
