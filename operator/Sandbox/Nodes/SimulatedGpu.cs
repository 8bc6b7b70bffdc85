namespace Bursar.Sandbox.Nodes;

/// <summary>
/// A simulated device. Its activity is a sum over the pods that held it, computed on demand. Its power is the idle power plus the busy
/// share of the difference to the maximum.
/// </summary>
internal sealed class SimulatedGpu(string uuid, int index, SimulatedGpuModel model, DateTimeOffset since)
{
    private readonly Lock _lock = new();
    private TimeSpan _workOfFormerPods;

    public string Uuid { get; } = uuid;

    public int Index { get; } = index;

    public SimulatedGpuModel Model { get; } = model;

    public SimulatedPod? Holder { get; private set; }

    public void Allocate(SimulatedPod pod)
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

    /// <summary>Returns the utilization, 0 to 1.</summary>
    public double BusyShare(DateTimeOffset now)
    {
        lock (_lock)
            return Holder?.BusyShare(now) ?? 0;
    }

    public long MemoryUsedBytes(DateTimeOffset now)
    {
        // A trainer or server reserves most of the memory; the driver reserves a little.
        var share = BusyShare(now) > 0 ? 0.8 : 0.01;
        return (long)(Model.MemoryMiB * share) * 1024 * 1024;
    }

    public long PowerMilliwatts(DateTimeOffset now) =>
        (long)((Model.IdleWatts + (Model.MaxWatts - Model.IdleWatts) * BusyShare(now)) * 1000);

    /// <summary>Returns the energy since the simulated driver was loaded.</summary>
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
