namespace Bursar.Core.Ledger;

/// <summary>How long the pods of one workload had GPUs.</summary>
public sealed partial class GpuLedger
{
    /// <summary>
    /// Returns for how long any pod of the workload had GPUs, without the time between its runs. Null if the workload is older than the
    /// kept facts, or had no GPU yet.
    /// </summary>
    public TimeSpan? HeldTime(string ns, string workloadUid, DateTimeOffset createdAt, DateTimeOffset by)
    {
        lock (_gate)
        {
            if (createdAt.ToUnixTimeMilliseconds() < CountedFrom || !_podsByNamespace.TryGetValue(ns, out var all))
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

    /// <summary>Returns the pods of a workload that ended by themselves, ordered by end. O(pods of the namespace).</summary>
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
}
