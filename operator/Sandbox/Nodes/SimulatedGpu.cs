namespace Bursar.Sandbox.Nodes;

/// <summary>
/// One simulated device. What it did is a sum over the pods that held it, computed when asked for; a board draws its idle
/// power, and the busy share of the rest.
/// </summary>
internal sealed class SimulatedGpu(string uuid, int index, SimulatedGpuModel model, DateTimeOffset since)
{
    private readonly Lock _lock = new();
    private TimeSpan _workOfFormerPods;

    public string Uuid { get; } = uuid;

    public int Index { get; } = index;

    public SimulatedGpuModel Model { get; } = model;

    public SimulatedPod? Holder { get; private set; }

    public void Give(SimulatedPod pod)
    {
        lock (_lock)
        {
            if (Holder is not null)
                throw new InvalidOperationException($"{Uuid} is held by {Holder.Key} already.");
            Holder = pod;
        }
    }

    public void TakeBack()
    {
        lock (_lock)
        {
            _workOfFormerPods += Holder?.Worked(DateTimeOffset.MaxValue) ?? TimeSpan.Zero;
            Holder = null;
        }
    }

    /// <summary>The share of the present moment in which the device works.</summary>
    public double BusyShare(DateTimeOffset now)
    {
        lock (_lock)
            return Holder?.BusyShare(now) ?? 0;
    }

    public long MemoryUsedBytes(DateTimeOffset now)
    {
        // A trainer or server takes most of the memory and keeps it; the driver keeps some for itself.
        var share = BusyShare(now) > 0 ? 0.8 : 0.01;
        return (long)(Model.MemoryMiB * share) * 1024 * 1024;
    }

    public long PowerMilliwatts(DateTimeOffset now) =>
        (long)((Model.IdleWatts + (Model.MaxWatts - Model.IdleWatts) * BusyShare(now)) * 1000);

    /// <summary>Since the simulated driver was loaded.</summary>
    public long EnergyMillijoules(DateTimeOffset now)
    {
        lock (_lock)
        {
            var work = _workOfFormerPods + (Holder?.Worked(now) ?? TimeSpan.Zero);
            var idle = (now - since).TotalMilliseconds * Model.IdleWatts;
            return (long)(idle + work.TotalMilliseconds * (Model.MaxWatts - Model.IdleWatts));
        }
    }
}
