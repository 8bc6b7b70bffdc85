using Bursar.Core.Ledger;
using Bursar.Core.State;
using Bursar.Operator.Cluster;

namespace Bursar.Operator.Suspension;

/// <summary>
/// Between a write and its echo on the watch the cache shows what was, not what is: a job that was just suspended still
/// seems to run, as if someone had undone it. A budget is not judged until its own writes have come back.
/// </summary>
internal sealed class Expectations(ClusterStores stores, TimeProvider time)
{
    /// <summary>A write that someone else overwrote at once never shows; after this the cache is believed.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Dictionary<(string Uid, string Field), (SuspensionRecord Record, bool Suspended, DateTimeOffset At)> _expected = [];

    public void Expect(SuspensionRecord record, bool suspended)
    {
        lock (_gate)
            _expected[(record.Uid, record.Field.Pointer)] = (record, suspended, time.GetUtcNow());
    }

    /// <summary>Whether a write of ours to this namespace's work has not come back yet.</summary>
    public bool IsWaiting(string ns)
    {
        lock (_gate)
        {
            var now = time.GetUtcNow();
            foreach (var (key, (record, suspended, at)) in _expected)
                if (now - at > Patience || Shows(record, suspended))
                    _expected.Remove(key);
            return _expected.Values.Any(e => e.Record.Namespace == ns);
        }
    }

    private bool Shows(SuspensionRecord record, bool suspended) =>
        stores.Of(record.Kind)?.Get(record.Namespace, record.Name, record.Uid) is not { } work
        || ManagerAdapters.IsSuspended(record, work, stores) == suspended;
}
