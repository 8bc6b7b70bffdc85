using Bursar.Core.Forecast;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// The progress of training workloads, from the workload's annotation or from the agents' reports on its pods. With reports of pods, the
/// slowest rank counts. Thread-safe.
/// </summary>
internal sealed class ProgressTracker
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Reports> _workloads = new(StringComparer.Ordinal);

    /// <summary>Records progress from the workload's annotation. Returns whether it was new.</summary>
    public bool Report(string workloadUid, ProgressPoint point)
    {
        lock (_gate)
        {
            var reports = Get(workloadUid);
            var series = reports.Own.With(point);
            if (ReferenceEquals(series, reports.Own))
                return false;
            reports.Own = series;
            return true;
        }
    }

    /// <summary>Records progress of one of its pods. Returns whether it was new.</summary>
    public bool Report(string workloadUid, string podUid, ProgressPoint point)
    {
        lock (_gate)
        {
            var pods = Get(workloadUid).Pods;
            var before = pods.GetValueOrDefault(podUid, ProgressSeries.Empty);
            var series = before.With(point);
            if (ReferenceEquals(series, before))
                return false;
            pods[podUid] = series;
            return true;
        }
    }

    /// <summary>Removes a pod that ended, so that it no longer counts as the slowest rank.</summary>
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

    public void Restore(string workloadUid, ProgressSeries series)
    {
        lock (_gate)
        {
            var reports = Get(workloadUid);
            // The first point read after a restart is the annotation's latest value, of unknown time. Added to the stored series it would
            // make the steps look as slow as the downtime was long. Keep it only if the run restarted.
            var seen = reports.Own.Points;
            var since = seen.Count > 0 && seen[0].Step >= series.Last?.Step ? seen.Skip(1) : seen;
            reports.Own = since.Aggregate(series, (known, point) => known.With(point));
        }
    }

    public ProgressSeries Series(string workloadUid) => Latest(workloadUid).Series;

    /// <summary>Returns the workload's progress, and whether an agent reported it.</summary>
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
            // The source with the latest report wins, so an annotation that is no longer updated does not hide the agent's reports.
            return slowest is null || reports.Own.Last?.At > slowest.Last?.At ? (reports.Own, false) : (slowest, true);
        }
    }

    private Reports Get(string workloadUid)
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
