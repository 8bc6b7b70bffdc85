using Bursar.Agent.Journal;
using Bursar.Core.Usage;

namespace Bursar.Agent.Sampling;

/// <summary>
/// Journals which pods ask for requests of checkpoints, and which requests they acknowledge. That a pod asks is told when it first
/// does and now and then again: whoever was not ready to hear it the first time hears it later.
/// </summary>
public sealed class CheckpointIntake(UsageJournal journal, TimeProvider time)
{
    private static readonly TimeSpan Again = TimeSpan.FromMinutes(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Known> _known = new(StringComparer.Ordinal);

    /// <summary>The pod asks whether a checkpoint is wanted. True when it has acknowledged this one already.</summary>
    public bool Requested(string podUid, string? id)
    {
        lock (_gate)
        {
            var pod = KnownAs_NeedsLock(podUid);
            var now = time.GetUtcNow();
            if (pod.ReportedAt is not { } told || now - told >= Again)
            {
                pod.ReportedAt = now;
                journal.Append([JournalEntry.Of(new CheckpointSample { PodUid = podUid, At = WireTime.Truncate(now) })]);
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
            journal.Append([JournalEntry.Of(sample)]);
            pod.Acknowledged = sample.Id;
        }
    }

    /// <summary>Forgets pods that are gone.</summary>
    public void Keep(IReadOnlySet<string> podUids)
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
