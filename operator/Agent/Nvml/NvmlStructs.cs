using System.Runtime.InteropServices;

namespace Bursar.Agent.Nvml;

// Natural C alignment on a 64-bit little-endian machine. Sizes and offsets are pinned by tests: a wrong one does not
// crash, it reads another field.

/// <summary>nvmlUtilization_t: percent of the last sample period.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NvmlUtilization
{
    public uint Gpu;
    public uint Memory;
}

/// <summary>nvmlMemory_t: <see cref="Used"/> contains what the driver reserves.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NvmlMemory
{
    public ulong Total;
    public ulong Free;
    public ulong Used;
}

/// <summary>nvmlMemory_v2_t: reserved memory apart.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NvmlMemoryV2
{
    /// <summary>The size of the record with the version in the top byte; the driver refuses the bare 2.</summary>
    public const uint PackedVersion = 0x02000028;

    public uint Version;
    public ulong Total;
    public ulong Reserved;
    public ulong Free;
    public ulong Used;
}

/// <summary>nvmlProcessInfo_t, version 2 and 3.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NvmlProcessInfo
{
    public uint Pid;
    public ulong UsedGpuMemory;
    public uint GpuInstanceId;
    public uint ComputeInstanceId;
}

/// <summary>nvmlProcessDetail_v1_t; early 535 drivers write this record where <see cref="NvmlProcessInfo"/> was asked.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NvmlProcessDetail
{
    public uint Pid;
    public ulong UsedGpuMemory;
    public uint GpuInstanceId;
    public uint ComputeInstanceId;
    public ulong UsedGpuCcProtectedMemory;
}

/// <summary>nvmlProcessUtilizationSample_t.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NvmlProcessUtilizationSample
{
    public uint Pid;

    /// <summary>Microseconds since 1970.</summary>
    public ulong TimeStamp;
    public uint SmUtil;
    public uint MemUtil;
    public uint EncUtil;
    public uint DecUtil;
}

/// <summary>nvmlDeviceAttributes_t: how much of its GPU a MIG device is.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NvmlDeviceAttributes
{
    public uint MultiprocessorCount;
    public uint SharedCopyEngineCount;
    public uint SharedDecoderCount;
    public uint SharedEncoderCount;
    public uint SharedJpegCount;
    public uint SharedOfaCount;
    public uint GpuInstanceSliceCount;
    public uint ComputeInstanceSliceCount;
    public ulong MemorySizeMB;
}
