using Bursar.Agent.Journal;
using Bursar.Core.Usage;

namespace Bursar.Agent.Sampling;

/// <summary>
/// Journals changed progress from posts and scrapes, at most once per second and pod. Only the newest sample of a second is written,
/// at its end. A reported total or checkpoint is kept until a new one is reported. Safe for concurrent use.
/// </summary>
public sealed class ProgressIntake(UsageJournal journal, TimeProvider time) : IDisposable
{
    public static readonly TimeSpan Spacing = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Known> _known = new(StringComparer.Ordinal);
    private ITimer? _timer;
    private bool _disposed;

    public void Record(ProgressSample sample)
    {
        lock (_gate)
        {
            if (!_known.TryGetValue(sample.PodUid, out var pod))
                _known[sample.PodUid] = pod = new Known();
            var before = pod.Pending ?? pod.Written;
            sample = sample with { Total = sample.Total ?? before?.Total, CheckpointAt = sample.CheckpointAt ?? before?.CheckpointAt };
            if (
                before is not null
                && before.Step == sample.Step
                && before.Total == sample.Total
                && before.CheckpointAt == sample.CheckpointAt
            )
                return;
            if (pod.Written is null || time.GetUtcNow() - pod.WrittenAt >= Spacing)
            {
                Write_NeedsLock(pod, sample);
                return;
            }
            pod.Pending = sample;
            if (_disposed)
                return;
            _timer ??= time.CreateTimer(_ => Flush(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            _timer.Change(Spacing, Timeout.InfiniteTimeSpan);
        }
    }

    /// <summary>Journals the pending samples without waiting for their second to end.</summary>
    public void Flush()
    {
        lock (_gate)
        {
            foreach (var pod in _known.Values)
            {
                if (pod.Pending is { } sample)
                    Write_NeedsLock(pod, sample);
            }
        }
    }

    /// <summary>Journals the pending samples, then forgets every pod that is not in <paramref name="podUids"/>.</summary>
    public void Retain(IReadOnlySet<string> podUids)
    {
        Flush();
        lock (_gate)
        {
            foreach (string uid in _known.Keys.Where(u => !podUids.Contains(u)).ToList())
                _known.Remove(uid);
        }
    }

    public void Dispose()
    {
        Flush();
        lock (_gate)
        {
            _disposed = true;
            _timer?.Dispose();
        }
    }

    private void Write_NeedsLock(Known pod, ProgressSample sample)
    {
        pod.Pending = null;
        pod.Written = sample;
        pod.WrittenAt = time.GetUtcNow();
        journal.Append([JournalEntry.From(sample)]);
    }

    private sealed class Known
    {
        public ProgressSample? Written;
        public ProgressSample? Pending;
        public DateTimeOffset WrittenAt;
    }
}
