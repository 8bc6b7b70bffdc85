using System.Net;

namespace Bursar.Sandbox.Nodes;

/// <summary>A node of the fleet with its devices and state.</summary>
internal sealed class SimulatedNode
{
    private readonly Lock _lock = new();

    public SimulatedNode(FleetNode fleet, IPAddress address, int seed, DateTimeOffset now)
    {
        Fleet = fleet;
        Address = address;
        var noise = new DeterministicNoise(seed, fleet.Name);
        Gpus = [.. Enumerable.Range(0, fleet.Gpus).Select(index => new SimulatedGpu(Uuid(noise, index), index, fleet.Gpu, now))];
        ReadySince = now;
    }

    public FleetNode Fleet { get; }

    public string Name => Fleet.Name;

    public IPAddress Address { get; }

    public IReadOnlyList<SimulatedGpu> Gpus { get; }

    /// <summary>When the node was disconnected; null while it is connected.</summary>
    public DateTimeOffset? LostAt { get; set; }

    public DateTimeOffset ReadySince { get; set; }

    public DateTimeOffset? StatusWritten { get; set; }

    public bool LeaseKnown { get; set; }

    public bool MarkedLost { get; set; }

    /// <summary>Allocates the lowest free devices to a pod. Null if there are not enough.</summary>
    public IReadOnlyList<SimulatedGpu>? Allocate(SimulatedPod pod, int count)
    {
        lock (_lock)
        {
            var free = Gpus.Where(static gpu => gpu.Holder is null).Take(count).ToList();
            if (free.Count < count)
                return null;
            foreach (var gpu in free)
                gpu.Allocate(pod);
            return free;
        }
    }

    public void TakeBack(SimulatedPod pod)
    {
        lock (_lock)
        {
            foreach (var gpu in Gpus.Where(gpu => gpu.Holder == pod))
                gpu.TakeBack();
        }
    }

    private static string Uuid(DeterministicNoise noise, int index)
    {
        Span<byte> bytes = stackalloc byte[16];
        for (var i = 0; i < bytes.Length; i++)
            bytes[i] = (byte)(noise.At(index * 16L + i) * 256);
        return $"GPU-{new Guid(bytes)}";
    }
}
