namespace Bursar.Core.Ledger;

/// <summary>
/// What is remembered of the runs of a series, so that the next one's length can be foreseen. A run is a fact as a pod is: it
/// may be told any number of times, in any order, and counts once.
/// </summary>
public sealed partial class GpuLedger
{
    /// <summary>Runs kept of one series: the last ones, for what a series does changes.</summary>
    public const int KeptRuns = 8;

    /// <summary>Series kept of a namespace: those that ran last. All together fit a shard.</summary>
    public const int KeptSeries = 100;

    /// <summary>Notes a completed run. False when it is known, or older than those that are kept.</summary>
    public bool NoteRun(string ns, string series, SeriesRun run)
    {
        lock (_gate)
        {
            if (!_seriesShards.TryGetValue(ns, out var shard))
                shard = SeriesShard(ns);
            var all = shard.Series!;
            if (!all.TryGetValue(series, out var runs))
                all.Add(series, runs = []);
            if (runs.Exists(known => known.Uid == run.Uid))
                return false;
            runs.Add(run);
            runs.Sort((one, other) => (one.EndedAt, one.Uid).CompareTo((other.EndedAt, other.Uid)));
            while (runs.Count > KeptRuns)
                runs.RemoveAt(0);
            var kept = runs.Contains(run);
            if (all.Count > KeptSeries)
            {
                var oldest = all.MinBy(one => (one.Value[^1].EndedAt, one.Key)).Key;
                all.Remove(oldest);
                kept &= oldest != series;
            }
            if (kept)
                shard.Touch();
            return kept;
        }
    }

    /// <summary>The last completed runs of a series, oldest first.</summary>
    public IReadOnlyList<SeriesRun> Runs(string ns, string series)
    {
        lock (_gate)
            return _seriesShards.TryGetValue(ns, out var shard) && shard.Series!.TryGetValue(series, out var runs) ? [.. runs] : [];
    }

    /// <summary>
    /// For how long any of a workload's pods held GPUs, by a moment: the time between its runs, parked or waiting, is not in it.
    /// Null where the ledger does not reach back to its beginning.
    /// </summary>
    public TimeSpan? HeldTime(string ns, string workloadUid, DateTimeOffset createdAt, DateTimeOffset by)
    {
        lock (_gate)
        {
            if (createdAt.ToUnixTimeMilliseconds() < Counted || !_podsByNamespace.TryGetValue(ns, out var all))
                return null;
            var end = by.ToUnixTimeMilliseconds();
            long held = 0,
                covered = long.MinValue;
            foreach (var pod in all.Where(pod => pod.Workload.Uid == workloadUid).OrderBy(pod => pod.From))
            {
                var (from, to) = (Math.Max(pod.From, covered), Math.Min(pod.End ?? end, end));
                if (to <= from)
                    continue;
                held += to - from;
                covered = to;
            }
            return held > 0 ? TimeSpan.FromMilliseconds(held) : null;
        }
    }

    /// <summary>
    /// The pods of a workload that ended by themselves, in the order of their ends. Takes time in proportion to the namespace's pods.
    /// </summary>
    public IReadOnlyList<EndedPod> EndedPods(string ns, string workloadUid)
    {
        lock (_gate)
        {
            if (!_podsByNamespace.TryGetValue(ns, out var all))
                return [];
            return
            [
                .. all.Where(pod => pod.Workload.Uid == workloadUid && pod is { Succeeded: not null, End: not null })
                    .OrderBy(pod => pod.End)
                    .Select(pod => new EndedPod(
                        pod.Uid,
                        pod.Pod,
                        Moment(pod.From),
                        TimeSpan.FromMilliseconds(Math.Max(0, pod.End!.Value - pod.From)),
                        pod.Succeeded!.Value
                    )),
            ];
        }
    }

    private ShardState SeriesShard(string ns)
    {
        var shard = NewShard(new($"series.{ns}", LedgerShard.SeriesKind) { Namespace = ns, Series = new(StringComparer.Ordinal) });
        _seriesShards.Add(ns, shard);
        return shard;
    }
}
