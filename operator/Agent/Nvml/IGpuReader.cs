namespace Bursar.Agent.Nvml;

/// <summary>Reads the node's GPUs. The real one speaks NVML; a simulated node gives its own.</summary>
public interface IGpuReader : IDisposable
{
    /// <summary>
    /// Everything there is to know about the devices at this moment. Never throws for a missing library, driver or device:
    /// those are states of the answer. Called by one thread at a time.
    /// </summary>
    GpuSnapshot Read();
}

/// <summary>Whether the GPUs can be read at all.</summary>
public enum NvmlState
{
    /// <summary>The management library is not installed: no driver in this container, or no GPU on this node.</summary>
    NoLibrary,

    /// <summary>The library is there, but the driver does not answer (not loaded, or of another version).</summary>
    NoDriver,

    Ready,
}

/// <param name="State">Whether the GPUs can be read.</param>
/// <param name="StateText">One clear sentence for people: why not, or what answers.</param>
/// <param name="Devices">The devices; empty unless <paramref name="State"/> is <see cref="NvmlState.Ready"/>.</param>
public sealed record GpuSnapshot(NvmlState State, string StateText, IReadOnlyList<GpuReading> Devices)
{
    /// <summary>Which reader served, in one word.</summary>
    public string Source { get; init; } = "nvml";

    /// <summary>Lines of a dcgm-exporter's pages that could not be read, since the agent started.</summary>
    public long SkippedLines { get; init; }
}

/// <summary>One device. A figure the device does not give is null, never zero.</summary>
public sealed record GpuReading
{
    public string Uuid { get; init; } = "";

    public string Name { get; init; } = "";

    /// <summary>The device fell off the bus; its figures are absent.</summary>
    public bool Lost { get; init; }

    /// <summary>The device is cut into MIG devices, which are readings of their own; NVML tells no utilisation then.</summary>
    public bool Mig { get; init; }

    /// <summary>Of a MIG device: the UUID of the GPU that it is a slice of. Power, energy and temperature are that GPU's.</summary>
    public string? ParentUuid { get; init; }

    /// <summary>The number in <c>/dev/nvidia0</c>, of a MIG device its parent's: how GKE and the DRA driver name devices.</summary>
    public int? Minor { get; init; }

    /// <summary>Of a MIG device: its GPU instance.</summary>
    public int? GpuInstance { get; init; }

    /// <summary>Of a MIG device: its compute instance.</summary>
    public int? ComputeInstance { get; init; }

    /// <summary>Of a MIG device: its compute slices. Of a GPU that is cut: how many there are to be had in all.</summary>
    public int? Slices { get; init; }

    public long? MemoryTotalBytes { get; init; }

    public long? MemoryUsedBytes { get; init; }

    /// <summary>Percent of the last sample period in which a kernel ran, 0 to 100.</summary>
    public int? UtilizationPercent { get; init; }

    public int? TemperatureCelsius { get; init; }

    public long? PowerMilliwatts { get; init; }

    /// <summary>Since the driver was loaded; a decrease is a reset.</summary>
    public long? EnergyMillijoules { get; init; }

    public IReadOnlyList<GpuProcess> Processes { get; init; } = [];

    /// <summary>Processes that used the device since the last reading; empty when idle.</summary>
    public IReadOnlyList<GpuProcessUse> ProcessUse { get; init; } = [];

    /// <summary>What pods used, from a source that tells pods and no processes; it then goes before the processes.</summary>
    public IReadOnlyList<GpuPodUse> PodUse { get; init; } = [];
}

/// <param name="Namespace">The pod's namespace.</param>
/// <param name="Pod">The pod's name.</param>
/// <param name="SmPercent">Percent of the streaming multiprocessors' time.</param>
public readonly record struct GpuPodUse(string Namespace, string Pod, int SmPercent);

/// <param name="Pid">The process in the host's pid namespace.</param>
/// <param name="MemoryBytes">Null when the driver does not tell.</param>
public readonly record struct GpuProcess(int Pid, long? MemoryBytes);

/// <param name="Pid">The process in the host's pid namespace.</param>
/// <param name="SmPercent">Percent of the streaming multiprocessors' time.</param>
/// <param name="At">When the driver took the sample.</param>
public readonly record struct GpuProcessUse(int Pid, int SmPercent, DateTimeOffset At);
