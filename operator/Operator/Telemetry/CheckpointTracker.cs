using Bursar.Core.Decisions;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// The requests for checkpoints that stand, for whoever tells the nodes' agents. A mirror of the budgets' memories, in memory alone.
/// </summary>
internal sealed class CheckpointTracker
{
    private static readonly Dictionary<string, CheckpointRequest> Nothing = [];

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Dictionary<string, CheckpointRequest>> _budgets = new(StringComparer.Ordinal);

    /// <summary>What agents are to be told is different now.</summary>
    public event Action? Changed;

    /// <summary>All that a budget asks for, by workload UID.</summary>
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

    /// <summary>One more of a budget's.</summary>
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

    /// <summary>What is asked of a workload; where two budgets ask, the one that waits less long: a checkpoint answers both.</summary>
    public CheckpointRequest? Of(string workloadUid)
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
