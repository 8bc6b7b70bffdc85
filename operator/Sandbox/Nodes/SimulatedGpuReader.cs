using Bursar.Agent.Nvml;

namespace Bursar.Sandbox.Nodes;

/// <summary>Returns the readings that NVML would return on a simulated node.</summary>
internal sealed class SimulatedGpuReader(SimulatedNode node, TimeProvider time) : IGpuReader
{
    public GpuSnapshot Read()
    {
        if (node.Gpus.Count == 0)
            return new GpuSnapshot(NvmlState.NoLibrary, "simulated node without GPUs", []);
        var now = time.GetUtcNow();
        return new GpuSnapshot(NvmlState.Ready, $"simulated, {node.Gpus.Count} devices", [.. node.Gpus.Select(gpu => Reading(gpu, now))]);
    }

    public void Dispose()
    {
        // The devices belong to the node.
    }

    private static GpuReading Reading(SimulatedGpu gpu, DateTimeOffset now)
    {
        var busy = gpu.BusyShare(now);
        var memory = gpu.MemoryUsedBytes(now);
        var processes = busy > 0 && gpu.Holder is { } holder ? new[] { new GpuProcess(Pid(holder), memory) } : [];
        return new GpuReading
        {
            Uuid = gpu.Uuid,
            Name = gpu.Model.NvmlName,
            MemoryTotalBytes = gpu.Model.MemoryMiB * 1024L * 1024,
            MemoryUsedBytes = memory,
            UtilizationPercent = (int)Math.Round(busy * 100),
            TemperatureCelsius = 30 + (int)Math.Round(busy * 45),
            PowerMilliwatts = gpu.PowerMilliwatts(now),
            EnergyMillijoules = gpu.EnergyMillijoules(now),
            Processes = processes,
            ProcessUse = [.. processes.Select(process => new GpuProcessUse(process.Pid, (int)Math.Round(busy * 100), now))],
        };
    }

    /// <summary>Returns a stable process id for the pod. No such process exists.</summary>
    private static int Pid(SimulatedPod pod) => 100_000 + (int)(new DeterministicNoise(0, pod.Uid).At(0) * 900_000);
}
