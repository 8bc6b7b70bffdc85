using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Tracks the leader's own writes until the caches show them. Until then a job that was just suspended looks as if another client had
/// resumed it, so its budget is not evaluated. Thread-safe.
/// </summary>
internal sealed class Expectations(ClusterStores stores, TimeProvider time)
{
    /// <summary>Limit of the wait. A write that another client overwrites at once never appears in the cache.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<(string Uid, string Field), (SuspensionRecord Record, bool Suspended, DateTimeOffset At)> _expected = [];

    public void Expect(SuspensionRecord record, bool suspended)
    {
        lock (_gate)
            _expected[(record.Uid, record.Field.Pointer)] = (record, suspended, time.GetUtcNow());
    }

    /// <summary>Whether a write to a workload of these namespaces is not visible in the caches yet.</summary>
    public bool IsWaiting(IReadOnlyList<string> namespaces)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            foreach (var (key, (record, suspended, at)) in _expected)
                if (now - at > Patience || Shows(record, suspended))
                    _expected.Remove(key);
            return _expected.Values.Any(e => namespaces.Contains(e.Record.Namespace));
        }
    }

    private bool Shows(SuspensionRecord record, bool suspended) =>
        stores.CacheOf(record.Kind)?.Get(record.Namespace, record.Name, record.Uid) is not { } work
        || ManagerAdapters.IsSuspended(record, work, stores) == suspended;
}
