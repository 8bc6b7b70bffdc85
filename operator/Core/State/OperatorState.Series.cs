using Bursar.Core.Ledger;

namespace Bursar.Core.State;

/// <summary>
/// The completed runs of a series, from which the duration of the next one is forecast. A run may be recorded any number of times, in any order,
/// and counts once.
/// </summary>
public sealed partial class OperatorState
{
    /// <summary>The number of runs that are kept of one series. Older ones say less about the next.</summary>
    public const int KeptRuns = 8;

    /// <summary>The number of series that are kept of a namespace, those that ran last. All of them fit one shard.</summary>
    public const int KeptSeries = 100;

    /// <summary>Records a completed run. Returns false if it is known, or older than those that are kept.</summary>
    public bool RecordRun(string ns, string series, SeriesRun run)
    {
        lock (_gate)
        {
            if (!_series.TryGetValue(ns, out var shard))
                shard = SeriesShard(ns);
            var all = shard.Series;
            if (!all.TryGetValue(series, out var runs))
                all.Add(series, runs = []);
            if (runs.Exists(known => known.Uid == run.Uid))
                return false;
            runs.Add(run);
            runs.Sort((first, second) => (first.EndedAt, first.Uid).CompareTo((second.EndedAt, second.Uid)));
            while (runs.Count > KeptRuns)
                runs.RemoveAt(0);
            var kept = runs.Contains(run);
            if (all.Count > KeptSeries)
            {
                var oldest = all.MinBy(entry => (entry.Value[^1].EndedAt, entry.Key)).Key;
                all.Remove(oldest);
                kept &= oldest != series;
            }
            if (kept)
                shard.Touch();
            return kept;
        }
    }

    /// <summary>Returns the last completed runs of a series, oldest first.</summary>
    public IReadOnlyList<SeriesRun> Runs(string ns, string series)
    {
        lock (_gate)
            return _series.TryGetValue(ns, out var shard) && shard.Series.TryGetValue(series, out var runs) ? [.. runs] : [];
    }

    private StateShard SeriesShard(string ns)
    {
        var shard = Add(new($"series.{ns}", LedgerShard.SeriesKind) { Namespace = ns });
        _series.Add(ns, shard);
        return shard;
    }
}
