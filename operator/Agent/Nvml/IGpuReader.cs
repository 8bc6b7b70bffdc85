namespace Bursar.Agent.Nvml;

/// <summary>Reads the node's GPUs, through NVML or on a simulated node. Called by one thread at a time.</summary>
public interface IGpuReader : IDisposable
{
    /// <summary>Reads all devices. Does not throw for a missing library, driver or device; the snapshot has their state.</summary>
    GpuSnapshot Read();
}

/// <summary>Whether the GPUs can be read.</summary>
public enum NvmlState
{
    /// <summary>The management library is not installed: no driver in this container, or no GPU on this node.</summary>
    NoLibrary,

    /// <summary>The library is installed, but the driver does not answer (not loaded, or another version).</summary>
    NoDriver,

    Ready,
}

/// <param name="State">Whether the GPUs can be read.</param>
/// <param name="StateText">For people: the source of the readings, or why there are none.</param>
/// <param name="Devices">The devices; empty unless <paramref name="State"/> is <see cref="NvmlState.Ready"/>.</param>
public sealed record GpuSnapshot(NvmlState State, string StateText, IReadOnlyList<GpuReading> Devices)
{
    /// <summary>The name of the reader; reported to the operator.</summary>
    public string Source { get; init; } = "nvml";

    /// <summary>Lines of the dcgm-exporter's pages that could not be parsed since the agent started.</summary>
    public long SkippedLines { get; init; }
}

/// <summary>The readings of one device. A figure that the device does not support is null, never zero.</summary>
public sealed record GpuReading
{
    public string Uuid { get; init; } = "";

    public string Name { get; init; } = "";

    /// <summary>The device fell off the bus; its figures are absent.</summary>
    public bool Lost { get; init; }

    /// <summary>The GPU is in MIG mode. Its MIG devices are readings of their own, and NVML reports no utilization.</summary>
    public bool Mig { get; init; }

    /// <summary>The UUID of a MIG device's GPU, else null. Power, energy and temperature are read on the GPU only.</summary>
    public string? ParentUuid { get; init; }

    /// <summary>The number in <c>/dev/nvidia0</c> (of a MIG device, its GPU's), by which GKE and the DRA driver name devices.</summary>
    public int? Minor { get; init; }

    /// <summary>The GPU instance of a MIG device, else null.</summary>
    public int? GpuInstance { get; init; }

    /// <summary>The compute instance of a MIG device, else null.</summary>
    public int? ComputeInstance { get; init; }

    /// <summary>The compute slices of a MIG device; for a GPU in MIG mode, its total number of slices; else null.</summary>
    public int? Slices { get; init; }

    public long? MemoryTotalBytes { get; init; }

    public long? MemoryUsedBytes { get; init; }

    /// <summary>Percent of the last sample period in which a kernel ran, 0 to 100.</summary>
    public int? UtilizationPercent { get; init; }

    public int? TemperatureCelsius { get; init; }

    public long? PowerMilliwatts { get; init; }

    /// <summary>Energy since the driver was loaded; a decrease is a reset.</summary>
    public long? EnergyMillijoules { get; init; }

    public IReadOnlyList<GpuProcess> Processes { get; init; } = [];

    /// <summary>Utilization of each process since the last reading; empty when idle.</summary>
    public IReadOnlyList<GpuProcessUse> ProcessUse { get; init; } = [];

    /// <summary>
    /// Utilization of each pod, from a source that reports pods instead of processes; it takes precedence over processes.
    /// </summary>
    public IReadOnlyList<GpuPodUse> PodUse { get; init; } = [];
}

/// <summary>Utilization of one pod, in percent of the streaming multiprocessors' time.</summary>
public readonly record struct GpuPodUse(string Namespace, string Pod, int SmPercent);

/// <param name="Pid">The process in the host's pid namespace.</param>
/// <param name="MemoryBytes">Null if the driver does not report it.</param>
public readonly record struct GpuProcess(int Pid, long? MemoryBytes);

/// <param name="Pid">The process in the host's pid namespace.</param>
/// <param name="SmPercent">Percent of the streaming multiprocessors' time.</param>
/// <param name="At">When the driver took the sample.</param>
public readonly record struct GpuProcessUse(int Pid, int SmPercent, DateTimeOffset At);
