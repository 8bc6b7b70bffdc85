using System.Runtime.InteropServices;
using Bursar.Agent.Nvml;

namespace Bursar.Tests.Unit.Agent;

public sealed class NvmlLayoutTests
{
    [Fact]
    public void Sizes_of_structs_equal_those_of_the_NVML_header()
    {
        Marshal.SizeOf<NvmlUtilization>().Should().Be(8);
        Marshal.SizeOf<NvmlMemory>().Should().Be(24);
        Marshal.SizeOf<NvmlMemoryV2>().Should().Be(40);
        Marshal.SizeOf<NvmlProcessInfo>().Should().Be(24);
        Marshal.SizeOf<NvmlProcessDetail>().Should().Be(32);
        Marshal.SizeOf<NvmlProcessUtilizationSample>().Should().Be(32);
        Marshal.SizeOf<NvmlDeviceAttributes>().Should().Be(40);
        NvmlMemoryV2.PackedVersion.Should().Be(40u | (2u << 24));
    }

    [Theory]
    [InlineData(typeof(NvmlUtilization), "Memory", 4)]
    [InlineData(typeof(NvmlMemory), "Used", 16)]
    [InlineData(typeof(NvmlMemoryV2), "Total", 8)]
    [InlineData(typeof(NvmlMemoryV2), "Reserved", 16)]
    [InlineData(typeof(NvmlMemoryV2), "Used", 32)]
    [InlineData(typeof(NvmlProcessInfo), "UsedGpuMemory", 8)]
    [InlineData(typeof(NvmlProcessInfo), "GpuInstanceId", 16)]
    [InlineData(typeof(NvmlProcessInfo), "ComputeInstanceId", 20)]
    [InlineData(typeof(NvmlProcessDetail), "UsedGpuCcProtectedMemory", 24)]
    [InlineData(typeof(NvmlDeviceAttributes), "GpuInstanceSliceCount", 24)]
    [InlineData(typeof(NvmlDeviceAttributes), "ComputeInstanceSliceCount", 28)]
    [InlineData(typeof(NvmlDeviceAttributes), "MemorySizeMB", 32)]
    [InlineData(typeof(NvmlProcessUtilizationSample), "TimeStamp", 8)]
    [InlineData(typeof(NvmlProcessUtilizationSample), "SmUtil", 16)]
    [InlineData(typeof(NvmlProcessUtilizationSample), "DecUtil", 28)]
    public void Offsets_of_fields_equal_those_of_the_NVML_header(Type type, string field, int offset) =>
        Marshal.OffsetOf(type, field).ToInt32().Should().Be(offset);
}
