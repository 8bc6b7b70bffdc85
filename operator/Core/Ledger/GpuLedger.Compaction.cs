using System.Globalization;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Core.Ledger;

/// <summary>
/// Days that no budget's window reaches any more become sums: what each workload cost and did, and what of the nodes no pod had. A day
/// is summed once, from all facts, into objects of its own; then one write says from when on facts are kept; then the facts go. A process
/// that dies in between sums the same day again, or drops the same facts again.
/// </summary>
public sealed partial class GpuLedger
{
    /// <summary>The first call after a long time must not hold the ledger for long.</summary>
    private const int MostDaysAtOnce = 7;

    private const int RowShardBytes = 112 * 1024;

    private readonly SortedDictionary<int, int> _keptDays = [];
    private readonly Dictionary<int, List<DaySums>> _sums = [];
    private readonly SortedDictionary<string, PastSums> _past = new(StringComparer.Ordinal);
    private int? _detailDay;

    /// <summary>From when on every pod's own facts are kept, and any interval can be summed; null before <see cref="Install"/>.</summary>
    public DateTimeOffset? DetailSince
    {
        get
        {
            lock (_gate)
                return _detailDay is { } day ? Moment(UtcDay.Start(day))
                    : _installed is { } at ? Moment(at)
                    : null;
        }
    }

    /// <summary>From when on days' sums are kept, at the latest <see cref="DetailSince"/>.</summary>
    public DateTimeOffset? SumsSince
    {
        get
        {
            lock (_gate)
                return _keptDays.Count > 0
                    ? Moment(Math.Max(UtcDay.Start(_keptDays.First().Key), _installed ?? long.MinValue))
                    : DetailSince;
        }
    }

    /// <summary>
    /// Sums the days before a moment, some at a time, and forgets the facts that only they needed. True when there was one.
    /// </summary>
    /// <param name="before">No window reaches further back. The day of <paramref name="now"/> and the one before are never summed: journals
    /// may tell of them yet.</param>
    /// <param name="now">Now.</param>
    public bool Compact(DateTimeOffset before, DateTimeOffset now)
    {
        lock (_gate)
        {
            if (_installed is not { } since)
                return false;
            var first = _detailDay ?? UtcDay.Of(since);
            var beyond = Math.Min(UtcDay.Of(before.ToUnixTimeMilliseconds()), UtcDay.Of(now.ToUnixTimeMilliseconds()) - 1);
            beyond = Math.Min(beyond, first + MostDaysAtOnce);
            if (beyond <= first)
                return false;
            for (var day = first; day < beyond; day++)
                SumUp(day, now);
            _detailDay = beyond;
            ForgetFacts(UtcDay.Start(beyond), beyond);
            BaseShard().Touch();
            BaseShard().Hurry();
            return true;
        }
    }

    /// <summary>Forgets the sums of days before a moment. True when there was one.</summary>
    public bool ForgetSums(DateTimeOffset before)
    {
        lock (_gate)
        {
            var beyond = UtcDay.Of(before.ToUnixTimeMilliseconds());
            var old = _keptDays.Where(kept => kept.Key < beyond).ToArray();
            foreach (var (day, count) in old)
            {
                _keptDays.Remove(day);
                _sums.Remove(day);
                for (var index = 0; index < count; index++)
                {
                    // Written objects are not held in memory: an empty one in their place is what deletes them.
                    var shard = DayShard(day, index);
                    shard.Rows = null;
                    shard.Touch();
                }
            }
            if (old.Length == 0)
                return false;
            foreach (var (ns, _) in _past.Where(one => one.Value.LastDay < beyond).ToArray())
                _past.Remove(ns);
            BaseShard().Touch();
            return true;
        }
    }

    /// <summary>
    /// What the workloads of a namespace cost and did on summed days, a row a day and workload; empty where the sums were not read.
    /// </summary>
    public IReadOnlyList<WorkloadSpend> SummedWork(string ns, DateTimeOffset from, DateTimeOffset to)
    {
        lock (_gate)
            return [.. SummedDays(from, to).SelectMany(one => one.Work).Where(work => work.Workload.Namespace == ns)];
    }

    /// <summary>What of the nodes no pod had on summed days.</summary>
    public (Amount Total, Amount Unallocated, Amount NodeLost) SummedNodes(DateTimeOffset from, DateTimeOffset to)
    {
        lock (_gate)
        {
            var (total, unallocated, lost) = (Amount.Zero, Amount.Zero, Amount.Zero);
            foreach (var day in SummedDays(from, to))
                (total, unallocated, lost) = (total + day.Total, unallocated + day.Unallocated, lost + day.NodeLost);
            return (total, unallocated, lost);
        }
    }

    /// <summary>What a namespace's work held and did on all days that were ever summed.</summary>
    public (Int128 ReservedGpuMs, UsageSums Usage) PastOf(string ns)
    {
        lock (_gate)
            return _past.TryGetValue(ns, out var one) ? (one.Reserved, one.Usage) : (0, UsageSums.None);
    }

    private IEnumerable<DaySums> SummedDays(DateTimeOffset from, DateTimeOffset to)
    {
        var (first, beyond) = (UtcDay.Of(from.ToUnixTimeMilliseconds()), UtcDay.AtOrAfter(to.ToUnixTimeMilliseconds()));
        return _sums.Where(one => one.Key >= first && one.Key < beyond).SelectMany(one => one.Value);
    }

    private void SumUp(int day, DateTimeOffset now)
    {
        var (from, to) = (Moment(UtcDay.Start(day)), Moment(UtcDay.Start(day + 1)));
        var parts = new List<DaySums> { new() };
        var bytes = 400;
        foreach (var ns in _podsByNamespace.Keys.Order(StringComparer.Ordinal))
        {
            foreach (var work in SpentByWorkload(ns, LabelSelector.Everything, from, to, now))
            {
                if (work.ReservedGpuMs == 0 && work.UnpricedGpuMs == 0 && work.Usage.MeasuredMs == 0 && work.Spent == Amount.Zero)
                    continue;
                var row =
                    420
                    + work.Workload.Namespace.Length
                    + work.Workload.Kind.Length
                    + work.Workload.Name.Length
                    + work.Workload.Uid.Length
                    + TokenBytes(work.Usage.Tokens.Keys);
                if (bytes + row > RowShardBytes)
                {
                    parts.Add(new());
                    bytes = 400;
                }
                bytes += row;
                parts[^1].Work.Add(work with { Gpus = 0, RatePerHour = HourlyCost.Zero, Since = from });
                if (!_past.TryGetValue(ns, out var sum))
                    _past.Add(ns, sum = new());
                sum.LastDay = day;
                sum.Reserved += work.ReservedGpuMs;
                sum.Usage += work.Usage;
            }
        }
        foreach (var node in _nodes.Keys)
        {
            var bill = Bill(node, from, to, now);
            parts[0].Total += bill.Total;
            parts[0].Unallocated += bill.Unallocated;
            parts[0].NodeLost += bill.Unattributed.GetValueOrDefault(NodeBill.NodeLost, Amount.Zero);
        }
        _keptDays[day] = parts.Count;
        _sums[day] = parts;
        for (var index = 0; index < parts.Count; index++)
        {
            var shard = DayShard(day, index);
            shard.Rows = parts[index];
            shard.Touch();
        }
    }

    private BillShard DayShard(int day, int index)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"day.{UtcDay.Text(day)}-{index}");
        return _shards.TryGetValue(name, out var shard)
            ? shard
            : NewShard(new(name, LedgerShard.DayKind) { Day = UtcDay.Text(day), Index = index });
    }

    private void ForgetFacts(long before, int beyond)
    {
        foreach (var pod in _pods.Values.Where(pod => pod.End <= before).ToArray())
        {
            Remove(pod);
            if (_podsByNamespace[pod.Workload.Namespace].Count == 0)
                _podsByNamespace.Remove(pod.Workload.Namespace);
            foreach (var usage in pod.Days)
                usage.Shard?.Days.RemoveAll(one => one.Usage == usage);
        }
        foreach (var pod in _pods.Values)
            pod.Days.RemoveAll(day => day.Day < beyond);
        foreach (var shard in _shards.Values.Where(shard => shard.Kind == LedgerShard.UsageKind && UtcDay.Parse(shard.Day ?? "") < beyond))
        {
            shard.Days.Clear();
            shard.Touch();
        }
        foreach (var node in _nodes.Values.ToArray())
        {
            node.ReadProducts();
            var gone = node.Pods.Count == 0 && node.Capacity is [.., { Gpus: <= 0 } last] && last.At < before;
            if (gone)
                _nodes.Remove(node.Name);
            if (gone)
                node.Shard?.Nodes.Remove(node);
            if (node.Forget(before) || gone)
                node.Shard?.Touch();
        }
        foreach (var timeline in _prices.Values)
            timeline.Forget(before);
    }

    /// <summary>One object's part of a day's sums.</summary>
    internal sealed class DaySums
    {
        public List<WorkloadSpend> Work { get; } = [];

        public Amount Total { get; set; } = Amount.Zero;

        public Amount Unallocated { get; set; } = Amount.Zero;

        public Amount NodeLost { get; set; } = Amount.Zero;
    }

    private sealed class PastSums
    {
        public int LastDay { get; set; }

        public Int128 Reserved { get; set; }

        public UsageSums Usage { get; set; } = UsageSums.None;
    }
}
