using Bursar.Core.Decisions;

namespace Bursar.Operator.Telemetry;

/// <summary>The current checkpoint requests for agents, copied from the budgets' memories. In memory only. Thread-safe.</summary>
internal sealed class CheckpointTracker
{
    private static readonly Dictionary<string, CheckpointRequest> Nothing = [];

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Dictionary<string, CheckpointRequest>> _budgets = new(StringComparer.Ordinal);

    public event Action? Changed;

    /// <summary>Replaces a budget's requests, by workload UID.</summary>
    public void Set(string budgetUid, IEnumerable<KeyValuePair<string, CheckpointRequest>> requests)
    {
        var now = new Dictionary<string, CheckpointRequest>(requests, StringComparer.Ordinal);
        lock (_gate)
        {
            var before = _budgets.GetValueOrDefault(budgetUid, Nothing);
            if (before.Count == now.Count && now.All(one => before.TryGetValue(one.Key, out var known) && known.Id == one.Value.Id))
                return;
            if (now.Count == 0)
                _budgets.Remove(budgetUid);
            else
                _budgets[budgetUid] = now;
        }
        Changed?.Invoke();
    }

    public void Add(string budgetUid, string workloadUid, CheckpointRequest request)
    {
        lock (_gate)
        {
            if (!_budgets.TryGetValue(budgetUid, out var all))
                _budgets.Add(budgetUid, all = new(StringComparer.Ordinal));
            if (all.TryGetValue(workloadUid, out var known) && known.Id == request.Id)
                return;
            all[workloadUid] = request;
        }
        Changed?.Invoke();
    }

    /// <summary>
    /// Returns the request for a workload; null if there is none. If several budgets request one, the earliest deadline applies, because
    /// one checkpoint satisfies all.
    /// </summary>
    public CheckpointRequest? Get(string workloadUid)
    {
        lock (_gate)
        {
            CheckpointRequest? first = null;
            foreach (var budget in _budgets.Values)
                if (
                    budget.TryGetValue(workloadUid, out var request)
                    && (first is null || (request.Deadline, request.Id).CompareTo((first.Deadline, first.Id)) < 0)
                )
                    first = request;
            return first;
        }
    }
}
