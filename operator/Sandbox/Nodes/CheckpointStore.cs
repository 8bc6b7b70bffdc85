using System.Collections.Concurrent;

namespace Bursar.Sandbox.Nodes;

/// <summary>The last checkpoint of each workload, which survives its pods like a file on a shared file system.</summary>
internal sealed class CheckpointStore
{
    private readonly ConcurrentDictionary<string, long> _steps = new(StringComparer.Ordinal);

    public long Step(string workload) => _steps.GetValueOrDefault(workload);

    public void Save(string workload, long step) => _steps.AddOrUpdate(workload, step, (_, before) => Math.Max(before, step));
}
