using Bursar.Core.Usage;

namespace Bursar.Core.Ledger;

public sealed partial class GpuLedger
{
    /// <summary>
    /// Records what this process itself observed on a node without an agent. It is not read again, so it has no cursor, and the cursor of
    /// an agent's journal stays where it is. Whatever is not written when the process ends is lost.
    /// </summary>
    /// <param name="name">The node of the source, which is trusted for pods bound to it only.</param>
    /// <param name="intervals">The usage of pods. Intervals are cut to the lifetime of their pod.</param>
    public UsageOutcome RecordSeen(string name, IReadOnlyList<UsageInterval> intervals)
    {
        lock (_gate)
        {
            var node = GetOrAddNode(name);
            var journal = node.Journal;
            int applied = 0,
                unattributed = 0;
            foreach (var interval in intervals)
            {
                PodAccount? pod = null;
                if (string.IsNullOrEmpty(interval.PodUid) || !_pods.TryGetValue(interval.PodUid, out pod) || pod.Node != node)
                {
                    unattributed++;
                    journal = journal.Unattributed(
                        pod is not null ? "foreign-pod" : ReasonOrDefault(interval.Reason),
                        Math.Max(0, (interval.To - interval.From).Ticks / TimeSpan.TicksPerMillisecond)
                    );
                    continue;
                }
                // A source that is polled every 15 seconds sees the end of a pod late.
                if (CutToPod(interval, pod) is not { } own)
                    continue;
                pod.Add(own, _measuring);
                CloseDays(pod);
                // The stored form has no usage for a pod without a cursor. This cursor belongs to no agent's journal.
                pod.Cursor ??= new("", 0);
                pod.Shard!.TouchMeasured();
                applied++;
            }
            if (journal != node.Journal)
            {
                node.Journal = journal;
                ShardOf(node).TouchMeasured();
            }
            return new() { Applied = applied, Unattributed = unattributed };
        }
    }

    private static UsageInterval? CutToPod(UsageInterval interval, PodAccount pod)
    {
        var from = Math.Max(interval.From.ToUnixTimeMilliseconds(), pod.From);
        var to = Math.Min(interval.To.ToUnixTimeMilliseconds(), pod.End ?? long.MaxValue);
        return to <= from ? null : interval with { From = Moment(from), To = Moment(to), BusyMs = Math.Min(interval.BusyMs, to - from) };
    }
}
