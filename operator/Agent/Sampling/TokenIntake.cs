using Bursar.Agent.Journal;
using Bursar.Core.Usage;

namespace Bursar.Agent.Sampling;

/// <summary>
/// Journals changed token counters, at most every 15 s per pod and model. Counters are passed on as the pod exposes them. A decrease
/// means that the pod restarted; the operator handles it, because it knows what it has booked. Safe for concurrent use.
/// </summary>
public sealed class TokenIntake(UsageJournal journal, TimeProvider time)
{
    public static readonly TimeSpan Spacing = TimeSpan.FromSeconds(15);

    private readonly Lock _gate = new();
    private readonly Dictionary<(string PodUid, string Model), Known> _known = [];

    public void Record(TokenSample sample)
    {
        lock (_gate)
        {
            var key = (sample.PodUid, sample.Model);
            if (!_known.TryGetValue(key, out var model))
                _known[key] = model = new Known();
            // Write the last value before a decrease, or the tokens since the last write would be lost.
            bool restarted = model.Latest is { } latest && Less(sample, latest);
            if (restarted)
                Write_NeedsLock(model);
            model.Latest = sample;
            if (restarted || model.Written is null || time.GetUtcNow() - model.WrittenAt >= Spacing)
                Write_NeedsLock(model);
        }
    }

    /// <summary>
    /// Journals the latest counters of every pod that is not in <paramref name="podUids"/>, then forgets it. Null means all pods.
    /// </summary>
    public void Retain(IReadOnlySet<string>? podUids)
    {
        lock (_gate)
        {
            foreach (var (key, model) in _known.Where(k => podUids is null || !podUids.Contains(k.Key.PodUid)).ToList())
            {
                Write_NeedsLock(model);
                _known.Remove(key);
            }
        }
    }

    private static bool Less(TokenSample one, TokenSample other) =>
        one.Prompt < other.Prompt || one.Generated < other.Generated || one.Cached < other.Cached || one.Requests < other.Requests;

    private void Write_NeedsLock(Known model)
    {
        if (model.Latest is not { } latest)
            return;
        if (model.Written is { } written && written with { At = latest.At } == latest)
            return;
        model.Written = latest;
        model.WrittenAt = time.GetUtcNow();
        journal.Append([JournalEntry.From(latest)]);
    }

    private sealed class Known
    {
        public TokenSample? Latest;
        public TokenSample? Written;
        public DateTimeOffset WrittenAt;
    }
}
