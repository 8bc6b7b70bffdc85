using Bursar.Core.Money;
using Bursar.Core.Usage;

namespace Bursar.Core.Ledger;

/// <summary>
/// The bill: exact, idempotent, without I/O. It stores facts (when a pod had how many devices of which node, the price of a product over
/// time, when a node was unreachable) and computes every amount from them. Order, repetition, restarts and price changes therefore cannot
/// alter a sum. Times are truncated to milliseconds. Thread-safe.
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

    /// <summary>The start of billing. Null until <see cref="Install"/>.</summary>
    public DateTimeOffset? Installed
    {
        get
        {
            lock (_gate)
                return _installed is { } at ? DateTimeOffset.FromUnixTimeMilliseconds(at) : null;
        }
    }

    /// <summary>
    /// Sets the start of billing. Only the first call has an effect. Nothing before that second is charged: the API server truncates times
    /// to seconds, so a pod of the same second may have come later.
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
    /// Sets the price of a product from <paramref name="at"/> on; what ran before keeps its price. The first price also covers the time
    /// before it, because an unpriced product was never free. A product that loses its price keeps the last.
    /// </summary>
    /// <param name="product">The product, or any other name with one price.</param>
    /// <param name="planned">Later prices, ordered by time, which replace all planned before. Null leaves those.</param>
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
            var changed = timeline.Set(at.ToUnixTimeMilliseconds(), rate.NanoPerGpuHour);
            if (planned is not null)
                changed |= timeline.Plan(
                    at.ToUnixTimeMilliseconds(),
                    [.. planned.Select(change => (change.At.ToUnixTimeMilliseconds(), change.Rate.NanoPerGpuHour))]
                );
            if (changed)
                BaseShard().Touch();
            return changed;
        }
    }

    /// <summary>The currency of every amount. Null until a price book has set it.</summary>
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

    /// <summary>Records a scheduled pod as the API shows it. Returns whether anything changed.</summary>
    public bool Observe(PodObservation observation)
    {
        if (observation.Gpus <= 0)
            return false;
        lock (_gate)
        {
            var node = GetOrAddNode(observation.Node);
            if (!_pods.TryGetValue(observation.Uid, out var pod))
            {
                // The pod's days are already summed, with or without it.
                if (_detailDay is { } day && (observation.FinishedAt ?? observation.GoneAt)?.ToUnixTimeMilliseconds() <= UtcDay.Start(day))
                    return false;
                pod = new PodAccount(observation.Uid) { Workload = observation.Workload, Node = node };
                pod.Observe(observation, node);
                Add(pod);
                if (observation.IsGone)
                    pod.Shard!.MarkUrgent();
                return true;
            }
            var previous = pod.Node;
            if (!pod.Observe(observation, node))
            {
                if (observation.IsGone)
                    pod.Shard!.MarkUrgent();
                return false;
            }
            if (previous != pod.Node)
            {
                previous.Pods.Remove(pod);
                previous.ReadProducts();
                pod.Node.Add(pod);
            }
            pod.Node.ReadProducts();
            pod.Node.Changed();
            previous.Changed();
            pod.Shard!.Touch();
            if (observation.IsGone)
                pod.Shard.MarkUrgent();
            return true;
        }
    }

    /// <summary>Records the devices of a node from <paramref name="at"/> on. An empty product or capacity type is unknown.</summary>
    public bool ObserveNode(string node, string product, int gpus, DateTimeOffset at, string capacityType = "")
    {
        lock (_gate)
        {
            var account = GetOrAddNode(node);
            if (gpus == 0 && account.Capacity.Count == 0 || !account.SetCapacity(at.ToUnixTimeMilliseconds(), gpus, product, capacityType))
                return false;
            ShardOf(account).Touch();
            return true;
        }
    }

    /// <summary>Records that the node's object is gone: it has no devices any more, and its pods are not charged after this.</summary>
    public bool ObserveNodeGone(string node, DateTimeOffset at)
    {
        lock (_gate)
        {
            if (
                !_nodes.TryGetValue(node, out var account)
                || account.Capacity.Count == 0
                || !account.SetCapacity(at.ToUnixTimeMilliseconds(), NodeAccount.Gone, "", "")
            )
                return false;
            ShardOf(account).Touch();
            return true;
        }
    }

    /// <summary>
    /// Returns when a node that was not watched was last known to exist: the latest of the stored ledger's time, the starts and ends of its
    /// pods before <paramref name="before"/>, and its agent's reports.
    /// </summary>
    public DateTimeOffset LastHeartbeatOf(string node, DateTimeOffset before)
    {
        lock (_gate)
        {
            var (latest, limit) = (_asOf ?? _installed ?? 0, before.ToUnixTimeMilliseconds());
            if (_nodes.TryGetValue(node, out var account))
                foreach (var pod in account.Pods)
                foreach (var time in (long?[])[pod.From, pod.End, pod.JournalTo])
                    if (time > latest && time < limit)
                        latest = time.Value;
            return Moment(Math.Min(latest, limit));
        }
    }

    /// <summary>
    /// Records an unreachable node. Its pods are charged up to the last heartbeat. The time after it is <see cref="NodeBill.NodeLost"/>
    /// until <see cref="MarkNodeBack"/>.
    /// </summary>
    public bool MarkNodeLost(string node, DateTimeOffset lastHeartbeat)
    {
        lock (_gate)
        {
            var account = GetOrAddNode(node);
            if (!account.MarkLost(lastHeartbeat.ToUnixTimeMilliseconds()))
                return false;
            ShardOf(account).Touch();
            return true;
        }
    }

    public bool MarkNodeBack(string node, DateTimeOffset at)
    {
        lock (_gate)
        {
            if (!_nodes.TryGetValue(node, out var account) || !account.MarkBack(at.ToUnixTimeMilliseconds()))
                return false;
            ShardOf(account).Touch();
            return true;
        }
    }

    /// <summary>
    /// Records an agent's report. Each pod stores its position in the node's journal together with its sums, so a report that is read
    /// twice, or stored half and read again, counts once.
    /// </summary>
    /// <param name="after">The cursor of the request. A report beyond the ledger's own cursor is refused.</param>
    public UsageOutcome Record(UsageReport report, JournalCursor? after)
    {
        lock (_gate)
        {
            var node = GetOrAddNode(report.Node);
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
            // All lists share one sequence, and a pod's cursor covers all, so entries are processed in that order.
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
                    // No such pod, or one on another node. An agent is trusted for pods of its own node only.
                    unattributed++;
                    if (interval is null)
                        continue;
                    var reason = pod is not null ? "foreign-pod" : ReasonOrDefault(interval.Reason);
                    journal = journal.Unattributed(reason, Math.Max(0, (interval.To - interval.From).Ticks / TimeSpan.TicksPerMillisecond));
                    continue;
                }
                if (pod.Knows(report.Epoch, seq))
                {
                    repeated++;
                    continue;
                }
                if (interval is not null)
                    pod.Add(interval, _measuring);
                else if (sample is not null)
                    pod.Add(sample, _measuring);
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

    /// <summary>Returns a pod's last report about checkpoints. Null: it never queried for requests.</summary>
    public PodCheckpoint? CheckpointOf(string podUid)
    {
        lock (_gate)
            return _pods.TryGetValue(podUid, out var pod) ? pod.Checkpoint : null;
    }

    /// <summary>Returns how far the node's journal has been read.</summary>
    public JournalCursor? Cursor(string node)
    {
        lock (_gate)
            return _nodes.TryGetValue(node, out var account) ? account.Journal.Cursor : null;
    }

    /// <summary>
    /// Returns how far the node's journal is in written shards. The agent may delete entries up to here and is read from here.
    /// </summary>
    public JournalCursor? DurableCursor(string node)
    {
        lock (_gate)
            return _nodes.TryGetValue(node, out var account) ? account.Durable.Cursor : null;
    }

    private static string ReasonOrDefault(string? reason) => reason is { Length: > 0 and <= 63 } ? reason : "unknown-pod";

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
        AssignShard(pod);
        pod.Shard!.TouchArrival();
    }

    private NodeAccount GetOrAddNode(string name)
    {
        if (!_nodes.TryGetValue(name, out var node))
            _nodes.Add(name, node = new(name));
        return node;
    }
}
