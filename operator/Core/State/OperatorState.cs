using Bursar.Core.Ledger;

namespace Bursar.Core.State;

/// <summary>
/// The operator's state besides the bill: suspensions, fields of other objects that scalers set, decisions, budget memories, completed
/// runs. Without I/O. Stored in <see cref="LedgerShard"/>s like the bill. Thread-safe.
/// </summary>
public sealed partial class OperatorState
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, StateShard> _shards = new(StringComparer.Ordinal);
    private readonly HashSet<string> _unreadableNames = new(StringComparer.Ordinal);
    private readonly Dictionary<string, StateShard> _budgets = new(StringComparer.Ordinal);

    /// <summary>The shards of GpuBudgets by their namespace, and those of all ClusterGpuBudgets under "".</summary>
    private readonly Dictionary<string, List<StateShard>> _budgetsByNamespace = new(StringComparer.Ordinal);

    /// <summary>The budgets that have borrowed, by the UID of the lender, because each pass of each budget asks for its loans.</summary>
    private readonly Dictionary<string, HashSet<StateShard>> _borrowersByLender = new(StringComparer.Ordinal);
    private readonly Dictionary<string, StateShard> _series = new(StringComparer.Ordinal);

    public bool IsDirty
    {
        get
        {
            lock (_gate)
                return _shards.Values.Any(shard => shard.IsDirty);
        }
    }

    /// <summary>Returns the shards that changed since they were written, in the order of writing.</summary>
    public IReadOnlyList<LedgerShard> DirtyShards()
    {
        lock (_gate)
            return Dirty(_shards.Values.OrderBy(shard => shard.Name, StringComparer.Ordinal));
    }

    /// <summary>Records that the shard's object has this revision. An empty shard is forgotten once its object is deleted.</summary>
    public void MarkWritten(string name, long revision)
    {
        lock (_gate)
        {
            if (!_shards.TryGetValue(name, out var shard))
                return;
            shard.MarkWritten(revision);
            if (!shard.IsDirty && shard.IsEmpty)
                Forget(shard);
        }
    }

    /// <summary>Loads the state from stored shards in any order. Shards of the bill are skipped.</summary>
    /// <param name="unreadable">Names of objects that cannot be read. No shard uses their names.</param>
    public static OperatorState Load(IEnumerable<LedgerShard> stored, IEnumerable<string>? unreadable = null)
    {
        var state = new OperatorState();
        state._unreadableNames.UnionWith(unreadable ?? []);
        foreach (var shard in stored.Where(shard => shard.IsState).OrderBy(shard => shard.Name, StringComparer.Ordinal))
            state.Restore(shard);
        return state;
    }

    private void Restore(LedgerShard stored)
    {
        switch (stored.Kind)
        {
            case LedgerShard.BudgetKind:
                RestoreBudget(stored);
                break;
            case LedgerShard.ScaledKind:
                RestoreScalers(stored);
                break;
            default:
                var series = SeriesShard(stored.Namespace ?? "");
                foreach (var runs in stored.Series ?? [])
                    series.Series.Add(runs.Series, [.. runs.Runs]);
                series.Restore(stored.Revision);
                break;
        }
    }

    private static IReadOnlyList<LedgerShard> Dirty(IEnumerable<StateShard> shards) =>
        [.. shards.Where(shard => shard.IsDirty).Select(ToStored)];

    private static LedgerShard ToStored(StateShard shard)
    {
        var stored = shard.ToStored();
        switch (shard.Kind)
        {
            case LedgerShard.BudgetKind:
                var budget = (shard.PartOf ?? shard).Budget!;
                stored = stored with
                {
                    BudgetUid = budget.Uid,
                    BudgetName = budget.Name,
                    Suspensions = [.. shard.Suspensions.Select(StoredForm.From)],
                };
                return shard.PartOf is not null
                    ? stored
                    : stored with
                    {
                        Memory = StoredForm.From(budget.Memory),
                        Decisions = [.. budget.Decisions.Select(StoredForm.From)],
                        Window = budget.Open,
                        Windows = budget.Closed.Count == 0 ? null : [.. budget.Closed],
                        Grants = budget.Grants.Count == 0 ? null : budget.Grants,
                        Loans = budget.Loans.Count == 0 ? null : budget.Loans,
                        Spending = budget.Spending,
                    };
            case LedgerShard.ScaledKind:
                return stored with { Scaled = [.. shard.Scalers.Select(StoredForm.From)] };
            default:
                return stored with { Series = [.. shard.Series.Select(runs => new ShardSeries(runs.Key, [.. runs.Value]))] };
        }
    }

    private StateShard Add(StateShard shard)
    {
        _shards.Add(shard.Name, shard);
        return shard;
    }

    private void Forget(StateShard shard)
    {
        _shards.Remove(shard.Name);
        if (shard.Budget is { } budget)
        {
            _budgets.Remove(budget.Uid);
            if (_budgetsByNamespace.TryGetValue(shard.Namespace!, out var beside) && beside.Remove(shard) && beside.Count == 0)
                _budgetsByNamespace.Remove(shard.Namespace!);
        }
        // A budget without any other state goes with its last part.
        if (shard.PartOf is { } whole && whole.Budget!.Parts.Remove(shard) && whole.IsEmpty)
            whole.Touch();
        if (shard.Kind == LedgerShard.SeriesKind)
            _series.Remove(shard.Namespace!);
        if (shard.Kind == LedgerShard.ScaledKind)
            ForgetScalers(shard);
    }

    private bool IsTaken(string name) => _shards.ContainsKey(name) || _unreadableNames.Contains(name);
}
