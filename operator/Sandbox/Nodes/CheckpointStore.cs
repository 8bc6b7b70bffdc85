using System.Collections.Concurrent;

namespace Bursar.Sandbox.Nodes;

/// <summary>The shared file system of the simulation: the last checkpoint of every workload, which outlives its pods.</summary>
internal sealed class CheckpointStore
{
    private readonly ConcurrentDictionary<string, long> _steps = new(StringComparer.Ordinal);

    public long Step(string workload) => _steps.GetValueOrDefault(workload);

    public void Save(string workload, long step) => _steps.AddOrUpdate(workload, step, (_, before) => Math.Max(before, step));
}
