using Bursar.Core.Ledger;

namespace Bursar.Core.State;

/// <summary>
/// Everything that the operator remembers besides the bill: suspensions, fields of other objects that scalers set, decisions, the memory of budgets,
/// completed runs. It does no I/O. It is stored in <see cref="LedgerShard"/>s as the bill is. Every member may be called from any thread.
/// </summary>
public sealed partial class OperatorState
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, StateShard> _shards = new(StringComparer.Ordinal);
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);
    private readonly Dictionary<string, StateShard> _budgets = new(StringComparer.Ordinal);
    private readonly Dictionary<string, StateShard> _series = new(StringComparer.Ordinal);

    public bool IsDirty
    {
        get
        {
            lock (_gate)
                return _shards.Values.Any(shard => shard.IsDirty);
        }
    }

    /// <summary>Returns what has changed since it was written, as it is now, in the order in which it is to be written.</summary>
    public IReadOnlyList<LedgerShard> DirtyShards()
    {
        lock (_gate)
            return Dirty(_shards.Values.OrderBy(shard => shard.Name, StringComparer.Ordinal));
    }

    /// <summary>Records that the shard's object holds this revision. An empty shard is forgotten: its object has been deleted.</summary>
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

    /// <summary>Loads the state from stored shards in any order; those of the bill are skipped.</summary>
    /// <param name="stored">The shards.</param>
    /// <param name="unreadable">Names of objects that hold something else. No shard takes their names.</param>
    public static OperatorState Load(IEnumerable<LedgerShard> stored, IEnumerable<string>? unreadable = null)
    {
        var state = new OperatorState();
        state._taken.UnionWith(unreadable ?? []);
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
                foreach (var one in stored.Series ?? [])
                    series.Series.Add(one.Series, [.. one.Runs]);
                series.Restore(stored.Revision);
                break;
        }
    }

    private static IReadOnlyList<LedgerShard> Dirty(IEnumerable<StateShard> shards) =>
        [.. shards.Where(shard => shard.IsDirty).Select(ToStored)];

    private static LedgerShard ToStored(StateShard shard)
    {
        var stored = shard.Stored();
        switch (shard.Kind)
        {
            case LedgerShard.BudgetKind:
                var budget = (shard.PartOf ?? shard).Budget!;
                stored = stored with
                {
                    BudgetUid = budget.Uid,
                    BudgetName = budget.Name,
                    Suspensions = [.. shard.Suspensions.Select(StoredForm.Of)],
                };
                return shard.PartOf is not null
                    ? stored
                    : stored with
                    {
                        Memory = StoredForm.Of(budget.Memory),
                        Decisions = [.. budget.Decisions.Select(StoredForm.Of)],
                        Window = budget.Open,
                        Windows = budget.Closed.Count == 0 ? null : [.. budget.Closed],
                    };
            case LedgerShard.ScaledKind:
                return stored with { Scaled = [.. shard.Scalers.Select(StoredForm.Of)] };
            default:
                return stored with { Series = [.. shard.Series.Select(one => new ShardSeries(one.Key, [.. one.Value]))] };
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
            _budgets.Remove(budget.Uid);
        // With its last part a budget of which nothing else is remembered goes too.
        if (shard.PartOf is { } whole && whole.Budget!.Parts.Remove(shard) && whole.IsEmpty)
            whole.Touch();
        if (shard.Kind == LedgerShard.SeriesKind)
            _series.Remove(shard.Namespace!);
        if (shard.Kind == LedgerShard.ScaledKind)
            ForgetScalers(shard);
    }

    private bool IsTaken(string name) => _shards.ContainsKey(name) || _taken.Contains(name);
}
