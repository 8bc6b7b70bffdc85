using Bursar.Core.Money;
using Bursar.Core.Usage;

namespace Bursar.Core.Ledger;

/// <summary>
/// Where the money went: exact, idempotent, and without any I/O of its own. It holds facts (when a pod held how many
/// devices of which node, what a product cost when, when a node was away) and computes every amount from them, so that
/// the order of what is seen, repetition, a restart and a price that changes cannot alter a sum. Times are cut to whole
/// milliseconds on the way in. Every member may be called from any thread.
/// </summary>
public sealed partial class GpuLedger
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, PodAccount> _pods = [];
    private readonly Dictionary<string, List<PodAccount>> _podsByNamespace = [];
    private readonly Dictionary<string, NodeAccount> _nodes = [];
    private readonly Dictionary<string, PriceTimeline> _prices = [];
    private readonly Dictionary<string, BillShard> _shards = [];
    private long? _installed;
    private long? _asOf;
    private string? _currency;

    /// <summary>From when on is counted. Null until <see cref="Install"/>.</summary>
    public DateTimeOffset? Installed
    {
        get
        {
            lock (_gate)
                return _installed is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at) : null;
        }
    }

    /// <summary>
    /// Says when Bursar came to the cluster; only the first word counts. Nothing before its second is ever charged: the API tells a
    /// pod's times in whole seconds, and one that came in the same second did not come before.
    /// </summary>
    public bool Install(DateTimeOffset at)
    {
        lock (_gate)
        {
            if (_installed is not null)
                return false;
            _installed = at.ToUnixTimeSeconds() * 1000;
            BaseShard().Touch();
            return true;
        }
    }

    /// <summary>
    /// The price of a product from <paramref name="at"/> on; what ran before keeps its price. The first price of a
    /// product also covers the time before, for unpriced was never free. A product that loses its price keeps the last.
    /// </summary>
    /// <param name="product">The product, or whatever else is one price: to the ledger it is a name.</param>
    /// <param name="rate">Its price.</param>
    /// <param name="at">From when on.</param>
    /// <param name="planned">What it will be later, in the order of time, in the place of all that was planned before; null leaves
    /// that.</param>
    public bool Reprice(
        string product,
        GpuHourPrice rate,
        DateTimeOffset at,
        IReadOnlyList<(DateTimeOffset At, GpuHourPrice Rate)>? planned = null
    )
    {
        lock (_gate)
        {
            if (!_prices.TryGetValue(product, out var timeline))
                _prices.Add(product, timeline = new());
            var changed = timeline.State(at.ToUnixTimeMilliseconds(), rate.NanoPerGpuHour);
            if (planned is not null)
                changed |= timeline.Plan(
                    at.ToUnixTimeMilliseconds(),
                    [.. planned.Select(one => (one.At.ToUnixTimeMilliseconds(), one.Rate.NanoPerGpuHour))]
                );
            if (changed)
                BaseShard().Touch();
            return changed;
        }
    }

    /// <summary>The currency of every amount; null until a book said one.</summary>
    public string? Currency
    {
        get
        {
            lock (_gate)
                return _currency;
        }
    }

    public bool SetCurrency(string code)
    {
        lock (_gate)
        {
            if (_currency == code)
                return false;
            _currency = code;
            BaseShard().Touch();
            return true;
        }
    }

    /// <summary>Takes in what the API says of a scheduled pod. True when it was news.</summary>
    public bool Observe(PodObservation seen)
    {
        if (seen.Gpus <= 0)
            return false;
        lock (_gate)
        {
            var node = NodeNamed(seen.Node);
            if (!_pods.TryGetValue(seen.Uid, out var pod))
            {
                // Its days are sums by now, whether it was in them or not.
                if (_detailDay is { } day && (seen.FinishedAt ?? seen.GoneAt)?.ToUnixTimeMilliseconds() <= UtcDay.Start(day))
                    return false;
                pod = new PodAccount(seen.Uid) { Workload = seen.Workload, Node = node };
                pod.Observe(seen, node);
                Add(pod);
                if (seen.IsGone)
                    pod.Shard!.Hurry();
                return true;
            }
            var before = pod.Node;
            if (!pod.Observe(seen, node))
            {
                if (seen.IsGone)
                    pod.Shard!.Hurry();
                return false;
            }
            if (before != pod.Node)
            {
                before.Pods.Remove(pod);
                before.ReadProducts();
                pod.Node.Add(pod);
            }
            pod.Node.ReadProducts();
            pod.Node.Changed();
            before.Changed();
            pod.Shard!.Touch();
            if (seen.IsGone)
                pod.Shard.Hurry();
            return true;
        }
    }

    /// <summary>What a node has from <paramref name="at"/> on. An empty product means: not yet told.</summary>
    public bool ObserveNode(string node, string product, int gpus, DateTimeOffset at)
    {
        lock (_gate)
        {
            var account = NodeNamed(node);
            if (gpus == 0 && account.Capacity.Count == 0 || !account.State(at.ToUnixTimeMilliseconds(), gpus, product))
                return false;
            ShardOf(account).Touch();
            return true;
        }
    }

    /// <summary>The node's object is gone: it has no devices any more, and its pods are not charged beyond this.</summary>
    public bool ObserveNodeGone(string node, DateTimeOffset at)
    {
        lock (_gate)
        {
            if (
                !_nodes.TryGetValue(node, out var account)
                || account.Capacity.Count == 0
                || !account.State(at.ToUnixTimeMilliseconds(), NodeAccount.Gone, "")
            )
                return false;
            ShardOf(account).Touch();
            return true;
        }
    }

    /// <summary>
    /// When a node was last known to be there, where it went unseen: the latest of the stored ledger's time, of the beginnings and ends of
    /// its pods before a moment, and of what its agent told.
    /// </summary>
    public DateTimeOffset LastHeartbeatOf(string node, DateTimeOffset before)
    {
        lock (_gate)
        {
            var (latest, limit) = (_asOf ?? _installed ?? 0, before.ToUnixTimeMilliseconds());
            if (_nodes.TryGetValue(node, out var account))
                foreach (var pod in account.Pods)
                foreach (var sign in (long?[])[pod.From, pod.End, pod.JournalTo])
                    if (sign > latest && sign < limit)
                        latest = sign.Value;
            return Moment(Math.Min(latest, limit));
        }
    }

    /// <summary>
    /// The node gives no sign: its pods are charged up to the last proof of life, and what follows is
    /// <see cref="NodeBill.NodeLost"/> until <see cref="MarkNodeBack"/>.
    /// </summary>
    public bool MarkNodeLost(string node, DateTimeOffset lastProofOfLife)
    {
        lock (_gate)
        {
            var account = NodeNamed(node);
            if (!account.Lose(lastProofOfLife.ToUnixTimeMilliseconds()))
                return false;
            ShardOf(account).Touch();
            return true;
        }
    }

    public bool MarkNodeBack(string node, DateTimeOffset at)
    {
        lock (_gate)
        {
            if (!_nodes.TryGetValue(node, out var account) || !account.Return(at.ToUnixTimeMilliseconds()))
                return false;
            ShardOf(account).Touch();
            return true;
        }
    }

    /// <summary>
    /// Takes in an agent's report. Each pod remembers how far of its node's journal is in its sums, in the same stored
    /// record, so that a report read twice (or half stored, then read again) counts once.
    /// </summary>
    /// <param name="report">The agent's answer.</param>
    /// <param name="after">What it was asked for; an answer to a question beyond the ledger's cursor is refused.</param>
    public UsageOutcome Record(UsageReport report, JournalCursor? after)
    {
        lock (_gate)
        {
            var node = NodeNamed(report.Node);
            var known = node.Journal.Cursor;
            var sameEpoch = known is not null && known.Epoch == report.Epoch;
            if (after is not null && after.Epoch == report.Epoch && after.Seq > (sameEpoch ? known!.Seq : 0))
                return new() { Refused = true };
            var entries = report.Intervals.Count + report.Tokens.Count + report.Checkpoints.Count;
            if (!sameEpoch && node.Journal.PastEpochs.Contains(report.Epoch))
                return new() { Repeated = entries };

            string? gap = null;
            if (known is not null && !sameEpoch)
                gap = "the journal was reset";
            else if (known is not null && report.First > known.Seq + 1)
                gap = $"the journal no longer holds entries {known.Seq + 1} to {report.First - 1}";
            var journal = node.Journal;
            var read = sameEpoch ? known!.Seq : 0;

            int applied = 0,
                repeated = 0,
                unattributed = 0;
            // All lists carry one sequence, and a pod's cursor moves over all: they are taken in by that order.
            var order = new List<(long Seq, UsageInterval? Interval, TokenSample? Tokens, CheckpointSample? Checkpoint)>(entries);
            foreach (var interval in report.Intervals)
                order.Add((interval.Seq, interval, null, null));
            foreach (var sample in report.Tokens)
                order.Add((sample.Seq, null, sample, null));
            foreach (var sample in report.Checkpoints)
                order.Add((sample.Seq, null, null, sample));
            order.Sort((a, b) => a.Seq.CompareTo(b.Seq));
            foreach (var (seq, interval, sample, checkpoint) in order)
            {
                if (seq <= read)
                {
                    repeated++;
                    continue;
                }
                var uid = interval is not null ? interval.PodUid : sample?.PodUid ?? checkpoint!.PodUid;
                PodAccount? pod = null;
                if (!string.IsNullOrEmpty(uid) && !_pods.TryGetValue(uid, out pod) && interval is not null && interval.Namespace.Length > 0)
                    pod = FromJournal(uid, interval, node);
                if (pod is null || pod.Node != node)
                {
                    // No pod, or one that is not bound to the node that speaks: an agent is believed for its own only.
                    unattributed++;
                    if (interval is null)
                        continue;
                    var reason = pod is not null ? "foreign-pod" : Known(interval.Reason);
                    journal = journal.Unattributed(reason, Math.Max(0, (interval.To - interval.From).Ticks / TimeSpan.TicksPerMillisecond));
                    continue;
                }
                if (pod.Knows(report.Epoch, seq))
                {
                    repeated++;
                    continue;
                }
                if (interval is not null)
                    pod.Add(interval);
                else if (sample is not null)
                    pod.Add(sample);
                else
                {
                    if (pod.Checkpoint is null)
                        pod.Shard!.EstimatedBytes += CheckpointBytes;
                    pod.Add(checkpoint!);
                }
                CloseDays(pod);
                node.Changed();
                pod.Cursor = new(report.Epoch, seq);
                pod.Shard!.TouchMeasured();
                applied++;
            }
            journal = journal.At(new(report.Epoch, Math.Max(read, report.Next - 1)));
            if (journal != node.Journal)
            {
                node.Journal = journal;
                ShardOf(node).TouchMeasured();
            }
            return new()
            {
                Applied = applied,
                Repeated = repeated,
                Unattributed = unattributed,
                Gap = gap,
            };
        }
    }

    /// <summary>What a pod said about checkpoints; null when it never asked for requests.</summary>
    public PodCheckpoint? CheckpointOf(string podUid)
    {
        lock (_gate)
            return _pods.TryGetValue(podUid, out var pod) ? pod.Checkpoint : null;
    }

    /// <summary>How far the node's journal is in the ledger.</summary>
    public JournalCursor? Cursor(string node)
    {
        lock (_gate)
            return _nodes.TryGetValue(node, out var account) ? account.Journal.Cursor : null;
    }

    /// <summary>How far it is in what has been written: the agent may forget up to here, and is asked from here.</summary>
    public JournalCursor? DurableCursor(string node)
    {
        lock (_gate)
            return _nodes.TryGetValue(node, out var account) ? account.Durable.Cursor : null;
    }

    private static string Known(string? reason) => reason is { Length: > 0 and <= 63 } ? reason : "unknown-pod";

    private PodAccount FromJournal(string uid, UsageInterval interval, NodeAccount node)
    {
        var pod = new PodAccount(uid)
        {
            Pod = interval.Pod,
            Workload = new(interval.Namespace, "Pod", interval.Pod, uid),
            Class = WorkloadClass.Interactive,
            Node = node,
            From = interval.From.ToUnixTimeMilliseconds(),
        };
        Add(pod);
        return pod;
    }

    private void Add(PodAccount pod)
    {
        _pods.Add(pod.Uid, pod);
        var ns = pod.Workload.Namespace;
        if (!_podsByNamespace.TryGetValue(ns, out var list))
            _podsByNamespace.Add(ns, list = []);
        list.Add(pod);
        pod.Node.Add(pod);
        if (pod.Shard is not null)
            return;
        PlacePod(pod);
        pod.Shard!.Arrive();
    }

    private NodeAccount NodeNamed(string name)
    {
        if (!_nodes.TryGetValue(name, out var node))
            _nodes.Add(name, node = new(name));
        return node;
    }
}
