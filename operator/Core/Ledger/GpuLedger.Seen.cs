using Bursar.Core.Usage;

namespace Bursar.Core.Ledger;

public sealed partial class GpuLedger
{
    /// <summary>
    /// Takes in what this process itself saw of a node that has no agent, once. It is not asked for again, so it has no cursor, and an
    /// agent's cursor is left alone: its journal goes on where it was read to, also after another source has served. What was not
    /// written when the process ends is a gap.
    /// </summary>
    /// <param name="name">The node that the source speaks for; it is believed for pods bound to it only.</param>
    /// <param name="intervals">What pods did; an interval beyond a pod's own time is cut to it.</param>
    public UsageOutcome RecordSeen(string name, IReadOnlyList<UsageInterval> intervals)
    {
        lock (_gate)
        {
            var node = NodeNamed(name);
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
                        pod is not null ? "foreign-pod" : Known(interval.Reason),
                        Math.Max(0, (interval.To - interval.From).Ticks / TimeSpan.TicksPerMillisecond)
                    );
                    continue;
                }
                // A source that is asked every quarter of a minute sees a pod's end late.
                if (Within(interval, pod) is not { } own)
                    continue;
                pod.Add(own);
                CloseDays(pod);
                // A pod without a cursor has nothing measured in what is written of it; this one is no agent's.
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

    private static UsageInterval? Within(UsageInterval interval, PodAccount pod)
    {
        var from = Math.Max(interval.From.ToUnixTimeMilliseconds(), pod.From);
        var to = Math.Min(interval.To.ToUnixTimeMilliseconds(), pod.End ?? long.MaxValue);
        return to <= from ? null : interval with { From = Moment(from), To = Moment(to), BusyMs = Math.Min(interval.BusyMs, to - from) };
    }
}
