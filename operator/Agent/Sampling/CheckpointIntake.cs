using Bursar.Agent.Journal;
using Bursar.Core.Usage;

namespace Bursar.Agent.Sampling;

/// <summary>
/// Journals which pods poll for checkpoint requests, and which requests they acknowledge. A pod's polling is journaled again every
/// five minutes, so that an operator that missed the first entry still learns of it. Safe for concurrent use.
/// </summary>
public sealed class CheckpointIntake(UsageJournal journal, TimeProvider time)
{
    private static readonly TimeSpan RepeatInterval = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Known> _known = new(StringComparer.Ordinal);

    /// <summary>Records that the pod polled. Returns true if the pod has already acknowledged request <paramref name="id"/>.</summary>
    public bool Requested(string podUid, string? id)
    {
        lock (_gate)
        {
            var pod = KnownAs_NeedsLock(podUid);
            var now = time.GetUtcNow();
            if (pod.ReportedAt is not { } reported || now - reported >= RepeatInterval)
            {
                pod.ReportedAt = now;
                journal.Append([JournalEntry.From(new CheckpointSample { PodUid = podUid, At = WireTime.Truncate(now) })]);
            }
            return id is not null && pod.Acknowledged == id;
        }
    }

    public void Acknowledged(CheckpointSample sample)
    {
        lock (_gate)
        {
            var pod = KnownAs_NeedsLock(sample.PodUid);
            if (pod.Acknowledged == sample.Id)
                return;
            journal.Append([JournalEntry.From(sample)]);
            pod.Acknowledged = sample.Id;
        }
    }

    /// <summary>Forgets every pod that is not in <paramref name="podUids"/>.</summary>
    public void Retain(IReadOnlySet<string> podUids)
    {
        lock (_gate)
        {
            foreach (string uid in _known.Keys.Where(u => !podUids.Contains(u)).ToList())
                _known.Remove(uid);
        }
    }

    private Known KnownAs_NeedsLock(string podUid)
    {
        if (!_known.TryGetValue(podUid, out var pod))
            _known[podUid] = pod = new Known();
        return pod;
    }

    private sealed class Known
    {
        public DateTimeOffset? ReportedAt;
        public string? Acknowledged;
    }
}
