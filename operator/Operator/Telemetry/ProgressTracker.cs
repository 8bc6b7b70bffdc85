using Bursar.Core.Forecast;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// What is known of each training workload's progress, from whichever side spoke: the annotation on the workload, or
/// its pods through their node's agent. Pods that report make the workload's progress their slowest rank's.
/// </summary>
internal sealed class ProgressTracker
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Reports> _workloads = new(StringComparer.Ordinal);

    /// <summary>A report on the workload itself. True when it was news.</summary>
    public bool Report(string workloadUid, ProgressPoint point)
    {
        lock (_gate)
        {
            var reports = Of(workloadUid);
            var series = reports.Own.With(point);
            if (ReferenceEquals(series, reports.Own))
                return false;
            reports.Own = series;
            return true;
        }
    }

    /// <summary>A report of one of its pods.</summary>
    public bool Report(string workloadUid, string podUid, ProgressPoint point)
    {
        lock (_gate)
        {
            var pods = Of(workloadUid).Pods;
            var before = pods.GetValueOrDefault(podUid, ProgressSeries.Empty);
            var series = before.With(point);
            if (ReferenceEquals(series, before))
                return false;
            pods[podUid] = series;
            return true;
        }
    }

    /// <summary>A pod that ended no longer holds its gang back.</summary>
    public void Forget(string workloadUid, string podUid)
    {
        lock (_gate)
            if (_workloads.TryGetValue(workloadUid, out var reports) && reports.Pods.Count > 1)
                reports.Pods.Remove(podUid);
    }

    public void Forget(string workloadUid)
    {
        lock (_gate)
            _workloads.Remove(workloadUid);
    }

    /// <summary>What a restart of the operator must not forget, from the ledger.</summary>
    public void Restore(string workloadUid, ProgressSeries series)
    {
        lock (_gate)
        {
            var reports = Of(workloadUid);
            // What was read at the start is the annotation's last word, of an unknown time: joined to what was known it would
            // make the steps since seem as slow as the restart was long. Only a run that began anew is told by it.
            var seen = reports.Own.Points;
            var since = seen.Count > 0 && seen[0].Step >= series.Last?.Step ? seen.Skip(1) : seen;
            reports.Own = since.Aggregate(series, (known, point) => known.With(point));
        }
    }

    public ProgressSeries Series(string workloadUid) => Latest(workloadUid).Series;

    /// <summary>The workload's progress, and whether an agent told it.</summary>
    public (ProgressSeries Series, bool ByAgent) Latest(string workloadUid)
    {
        lock (_gate)
        {
            if (!_workloads.TryGetValue(workloadUid, out var reports))
                return (ProgressSeries.Empty, false);
            ProgressSeries? slowest = null;
            foreach (var series in reports.Pods.Values)
                if (slowest is null || series.Last?.Step < slowest.Last?.Step)
                    slowest = series;
            // The side that spoke last knows best; an annotation that stopped moving must not hide the agent's word.
            return slowest is null || reports.Own.Last?.At > slowest.Last?.At ? (reports.Own, false) : (slowest, true);
        }
    }

    private Reports Of(string workloadUid)
    {
        if (!_workloads.TryGetValue(workloadUid, out var reports))
            _workloads.Add(workloadUid, reports = new());
        return reports;
    }

    private sealed class Reports
    {
        public ProgressSeries Own { get; set; } = ProgressSeries.Empty;

        public Dictionary<string, ProgressSeries> Pods { get; } = new(StringComparer.Ordinal);
    }
}
