using System.Globalization;
using Bursar.Core.Money;
using Bursar.Core.Text;

namespace Bursar.Core.Ledger;

/// <summary>
/// Compaction: days that no budget's window reaches any more are reduced to sums of what each workload cost and did, and of the unallocated
/// cost of the nodes. A day is summed once, from all facts, into objects of its own. Then the base shard records the first day with facts,
/// and then the facts are deleted. A process that dies in between sums the same day again, or deletes the same facts again.
/// </summary>
public sealed partial class GpuLedger
{
    /// <summary>Bounds the time that the first call after a long pause locks the ledger.</summary>
    private const int MostDaysAtOnce = 7;

    private const int RowShardBytes = 112 * 1024;

    private readonly SortedDictionary<int, int> _keptDays = [];
    private readonly Dictionary<int, List<DaySums>> _sums = [];
    private readonly SortedDictionary<string, PastSums> _past = new(StringComparer.Ordinal);
    private int? _detailDay;

    /// <summary>The time from which all facts are kept, so that any interval can be summed. Null before <see cref="Install"/>.</summary>
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

    /// <summary>The time from which daily sums are kept, at the latest <see cref="DetailSince"/>.</summary>
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
    /// Sums the days before a time, at most seven per call, and deletes the facts that only they needed. Returns whether there were any.
    /// </summary>
    /// <param name="before">No window reaches further back. The day of <paramref name="now"/> and the day before it are never summed,
    /// because journals may still report about them.</param>
    public bool Compact(DateTimeOffset before, DateTimeOffset now)
    {
        lock (_gate)
        {
            if (_installed is not { } since)
                return false;
            var first = _detailDay ?? UtcDay.From(since);
            var beyond = Math.Min(UtcDay.From(before.ToUnixTimeMilliseconds()), UtcDay.From(now.ToUnixTimeMilliseconds()) - 1);
            beyond = Math.Min(beyond, first + MostDaysAtOnce);
            if (beyond <= first)
                return false;
            for (var day = first; day < beyond; day++)
                SumDay(day, now);
            _detailDay = beyond;
            ForgetFacts(UtcDay.Start(beyond), beyond);
            BaseShard().Touch();
            BaseShard().MarkUrgent();
            return true;
        }
    }

    /// <summary>Deletes the sums of days before a time. Returns whether there were any.</summary>
    public bool ForgetSums(DateTimeOffset before)
    {
        lock (_gate)
        {
            var beyond = UtcDay.From(before.ToUnixTimeMilliseconds());
            var old = _keptDays.Where(kept => kept.Key < beyond).ToArray();
            foreach (var (day, count) in old)
            {
                _keptDays.Remove(day);
                _sums.Remove(day);
                for (var index = 0; index < count; index++)
                {
                    // Written objects are not in memory. An empty shard in their place deletes them.
                    var shard = DayShard(day, index);
                    shard.Rows = null;
                    shard.Touch();
                }
            }
            if (old.Length == 0)
                return false;
            foreach (var (ns, _) in _past.Where(past => past.Value.LastDay < beyond).ToArray())
                _past.Remove(ns);
            BaseShard().Touch();
            return true;
        }
    }

    /// <summary>
    /// Returns the cost and usage of a namespace's workloads on summed days, one row per day and workload. Empty if the sums were not
    /// loaded.
    /// </summary>
    public IReadOnlyList<WorkloadSpend> SummedWork(string ns, DateTimeOffset from, DateTimeOffset to)
    {
        lock (_gate)
            return [.. SummedDays(from, to).SelectMany(day => day.Work).Where(work => work.Workload.Namespace == ns)];
    }

    /// <summary>Returns the node costs on summed days.</summary>
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

    /// <summary>Returns the reserved time and usage of a namespace on all days that were ever summed.</summary>
    public (Int128 ReservedGpuMs, UsageSums Usage) PastOf(string ns)
    {
        lock (_gate)
            return _past.TryGetValue(ns, out var past) ? (past.Reserved, past.Usage) : (0, UsageSums.None);
    }

    private IEnumerable<DaySums> SummedDays(DateTimeOffset from, DateTimeOffset to)
    {
        var (first, beyond) = (UtcDay.From(from.ToUnixTimeMilliseconds()), UtcDay.AtOrAfter(to.ToUnixTimeMilliseconds()));
        return _sums.Where(day => day.Key >= first && day.Key < beyond).SelectMany(day => day.Value);
    }

    private void SumDay(int day, DateTimeOffset now)
    {
        var (from, to) = (Moment(UtcDay.Start(day)), Moment(UtcDay.Start(day + 1)));
        var parts = new List<DaySums> { new() };
        var bytes = 400;
        foreach (var ns in _podsByNamespace.Keys.Order(StringComparer.Ordinal))
        {
            foreach (var spend in SpentByWorkload(ns, LabelSelector.Everything, from, to, now))
            {
                if (spend.ReservedGpuMs == 0 && spend.UnpricedGpuMs == 0 && spend.Usage.MeasuredMs == 0 && spend.Spent == Amount.Zero)
                    continue;
                var row =
                    420
                    + spend.Workload.Namespace.Length
                    + spend.Workload.Kind.Length
                    + spend.Workload.Name.Length
                    + spend.Workload.Uid.Length
                    + TokenBytes(spend.Usage.Tokens.Keys);
                if (bytes + row > RowShardBytes)
                {
                    parts.Add(new());
                    bytes = 400;
                }
                bytes += row;
                parts[^1].Work.Add(spend with { Gpus = 0, RatePerHour = HourlyCost.Zero, Since = from });
                if (!_past.TryGetValue(ns, out var sum))
                    _past.Add(ns, sum = new());
                sum.LastDay = day;
                sum.Reserved += spend.ReservedGpuMs;
                sum.Usage += spend.Usage;
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
                usage.Shard?.Days.RemoveAll(day => day.Usage == usage);
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

    /// <summary>The part of a day's sums in one object.</summary>
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
