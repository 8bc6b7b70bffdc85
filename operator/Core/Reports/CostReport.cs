using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;

namespace Bursar.Core.Reports;

/// <summary>What a report is to tell. <see cref="Namespace"/> null: the whole cluster, with what no pod had.</summary>
public sealed record ReportQuery(DateTimeOffset From, DateTimeOffset To, ReportBy By, string? Namespace = null);

/// <summary>
/// The bill of an interval: <c>Total = Σ Rows + Unallocated + NodeLost</c>, to the unit. Of one namespace it is the sum of its rows.
/// </summary>
public sealed record CostReport
{
    public required DateTimeOffset From { get; init; }

    public required DateTimeOffset To { get; init; }

    public required ReportBy By { get; init; }

    /// <summary>Up to when the ledger is complete; null for a ledger that an older version wrote.</summary>
    public DateTimeOffset? AsOf { get; init; }

    /// <summary>The dearest first; by day in order.</summary>
    public required IReadOnlyList<ReportRow> Rows { get; init; }

    /// <summary>GPUs that no pod held; null in a namespace's report.</summary>
    public Amount? Unallocated { get; init; }

    /// <summary>GPUs of nodes that were lost, of which nobody can say what they did; null in a namespace's report.</summary>
    public Amount? NodeLost { get; init; }

    /// <summary>What all rows, or the cluster's nodes, cost.</summary>
    public required Amount Total { get; init; }

    /// <param name="ledger">Read, not changed.</param>
    /// <param name="query">What is to be told.</param>
    /// <param name="now">Open work is charged up to now, or up to when the ledger is complete, if that is earlier: what happened since is
    /// not known.</param>
    /// <param name="stepsOf">How far a workload's training has come since it began, by its UID.</param>
    public static CostReport Of(GpuLedger ledger, ReportQuery query, DateTimeOffset now, Func<string, long?> stepsOf)
    {
        if (ledger.AsOf < now)
            now = ledger.AsOf.Value;
        // Time that is not over yet has cost nothing; what was before the installation was never charged.
        var from = ledger.Installed is { } installed && installed > query.From ? installed : query.From;
        var to = query.To < now ? query.To : now;
        if (ledger.SumsSince is { } kept && kept > from)
            from = kept;
        // Days that are sums are told whole.
        if (ledger.DetailSince is { } detail)
        {
            if (from < detail && from > ledger.Installed)
                from = Later(Midnight(from), ledger.Installed.Value);
            if (to < detail && Midnight(to) != to)
                to = Midnight(to).AddDays(1);
        }
        if (to < from)
            to = from;
        var names = query.Namespace is { } one ? [one] : ledger.Namespaces();
        var rows =
            query.By == ReportBy.Day ? ByDay(ledger, names, from, to, now) : Grouped(ledger, names, query.By, from, to, now, stepsOf);
        var sum = rows.Aggregate(Amount.Zero, (total, row) => total + row.Spent);
        var report = new CostReport
        {
            From = from,
            To = to,
            By = query.By,
            Rows = rows,
            Total = sum,
            AsOf = ledger.AsOf,
        };
        if (query.Namespace is not null)
            return report;

        Amount unallocated = Amount.Zero,
            lost = Amount.Zero,
            total = Amount.Zero;
        foreach (var node in ledger.Nodes())
        {
            var bill = ledger.Bill(node, from, to, now);
            unallocated += bill.Unallocated;
            lost += bill.Unattributed.GetValueOrDefault(NodeBill.NodeLost, Amount.Zero);
            total += bill.Total;
        }
        var (summedTotal, summedUnallocated, summedLost) = ledger.SummedNodes(from, to);
        (total, unallocated, lost) = (total + summedTotal, unallocated + summedUnallocated, lost + summedLost);
        return report with { Unallocated = unallocated, NodeLost = lost, Total = total };
    }

    private static DateTimeOffset Later(DateTimeOffset left, DateTimeOffset right) => left > right ? left : right;

    private static DateTimeOffset Midnight(DateTimeOffset at) => new(at.UtcDateTime.Date, TimeSpan.Zero);

    /// <summary>A namespace's work in an interval, of days whose facts are kept and of days that are sums alike.</summary>
    private static IReadOnlyList<WorkloadSpend> Work(
        GpuLedger ledger,
        string ns,
        DateTimeOffset from,
        DateTimeOffset to,
        DateTimeOffset now
    )
    {
        var work = ledger.SpentByWorkload(ns, LabelSelector.Everything, from, to, now);
        if (!(from < ledger.DetailSince))
            return work;
        return
        [
            .. ledger
                .SummedWork(ns, from, to)
                .Concat(work)
                .GroupBy(one => one.Workload)
                .Select(parts =>
                    parts.Aggregate(
                        (sum, one) =>
                            one with
                            {
                                Spent = sum.Spent + one.Spent,
                                ReservedGpuMs = sum.ReservedGpuMs + one.ReservedGpuMs,
                                UnpricedGpuMs = sum.UnpricedGpuMs + one.UnpricedGpuMs,
                                Since = sum.Since,
                                Usage = sum.Usage + one.Usage,
                                DaysSpent = sum.DaysSpent + one.DaysSpent,
                                DaysReservedGpuMs = sum.DaysReservedGpuMs + one.DaysReservedGpuMs,
                            }
                    )
                ),
        ];
    }

    private static string ProductOf(IEnumerable<LedgerEntry> entries, DateTimeOffset to) =>
        entries
            .GroupBy(entry => entry.Share.IsWhole ? PriceClass.ProductOf(entry.Product) : "")
            .OrderByDescending(group => group.Sum(entry => ((entry.To ?? to) - entry.From).Ticks * (double)entry.Gpus))
            .ThenBy(group => group.Key, StringComparer.Ordinal)
            .FirstOrDefault()
            ?.Key
        ?? "";

    private static List<ReportRow> ByDay(
        GpuLedger ledger,
        IReadOnlyList<string> names,
        DateTimeOffset from,
        DateTimeOffset to,
        DateTimeOffset now
    )
    {
        var rows = new List<ReportRow>();
        for (var begin = from; begin < to; )
        {
            var midnight = Midnight(begin).AddDays(1);
            var end = midnight < to ? midnight : to;
            foreach (var ns in names)
            {
                var work = Work(ledger, ns, begin, end, now);
                if (work.Count == 0)
                    continue;
                rows.Add(
                    Row(work) with
                    {
                        Day = begin.UtcDateTime.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture),
                        Namespace = ns,
                    }
                );
            }
            begin = end;
        }
        return rows;
    }

    private static List<ReportRow> Grouped(
        GpuLedger ledger,
        IReadOnlyList<string> names,
        ReportBy by,
        DateTimeOffset from,
        DateTimeOffset to,
        DateTimeOffset now,
        Func<string, long?> stepsOf
    )
    {
        var rows = new List<ReportRow>();
        foreach (var ns in names)
        {
            var work = Work(ledger, ns, from, to, now);
            if (work.Count == 0)
                continue;
            switch (by)
            {
                case ReportBy.Workload:
                    var lives = work.Any(w => stepsOf(w.Workload.Uid) is not null)
                        ? Work(ledger, ns, ledger.Installed ?? from, now, now).ToDictionary(w => w.Workload, w => w.Spent)
                        : [];
                    var products = ledger.Entries(ns, from, to, now).ToLookup(entry => entry.Workload);
                    rows.AddRange(
                        work.Select(w =>
                        {
                            var row = Row([w]) with
                            {
                                Namespace = ns,
                                Kind = w.Workload.Kind,
                                Workload = w.Workload.Name,
                                Product = ProductOf(products[w.Workload], to),
                            };
                            return stepsOf(w.Workload.Uid) is { } steps
                                ? row with
                                {
                                    Done = row.Done with { Training = (steps, lives[w.Workload]) },
                                }
                                : row;
                        })
                    );
                    break;
                case ReportBy.Model:
                    rows.AddRange(ByModel(ns, work));
                    break;
                default:
                    rows.Add(Row(work) with { Namespace = ns });
                    break;
            }
        }
        return
        [
            .. rows.OrderByDescending(row => row.Spent)
                .ThenBy(row => row.Namespace, StringComparer.Ordinal)
                .ThenBy(row => row.Kind, StringComparer.Ordinal)
                .ThenBy(row => row.Workload, StringComparer.Ordinal)
                .ThenBy(row => row.Model, StringComparer.Ordinal),
        ];
    }

    /// <summary>
    /// A namespace's work by model. The cost of a workload that served several is split by their tokens (by their requests, where one has
    /// no tokens), so that the parts sum to it exactly.
    /// </summary>
    public static IEnumerable<ReportRow> ByModel(string ns, IEnumerable<WorkloadSpend> work)
    {
        var parts = new SortedDictionary<string, List<WorkloadSpend>>(StringComparer.Ordinal);
        foreach (var one in work)
        {
            var models = one.Usage.Tokens.Where(t => t.Value.Both > 0 || t.Value.Requests > 0).ToArray();
            if (models.Length == 0)
            {
                Add("", one);
                continue;
            }
            // A server that counts requests alone tells no tokens to split by.
            var byTokens = models.All(t => t.Value.Both > 0);
            long[] weights = [.. models.Select(t => byTokens ? t.Value.Both : Math.Max(1, t.Value.Requests))];
            var (spent, daysSpent) = (one.Spent.Split(weights), one.DaysSpent.Split(weights));
            var (time, unpriced, daysTime) = (
                LargestRemainder.Divide(one.ReservedGpuMs, weights),
                LargestRemainder.Divide(one.UnpricedGpuMs, weights),
                LargestRemainder.Divide(one.DaysReservedGpuMs, weights)
            );
            var (measured, busy) = (
                LargestRemainder.Divide(one.Usage.MeasuredMs, weights),
                LargestRemainder.Divide(one.Usage.BusyMs, weights)
            );
            var (energy, memory) = (
                LargestRemainder.Divide(one.Usage.EnergyMj, weights),
                LargestRemainder.Divide(one.Usage.MemoryMiBMs, weights)
            );
            for (var i = 0; i < models.Length; i++)
            {
                Add(
                    models[i].Key,
                    one with
                    {
                        Spent = spent[i],
                        ReservedGpuMs = time[i],
                        UnpricedGpuMs = unpriced[i],
                        DaysSpent = daysSpent[i],
                        DaysReservedGpuMs = daysTime[i],
                        Usage = new(
                            (long)measured[i],
                            (long)busy[i],
                            (long)energy[i],
                            (long)memory[i],
                            new Dictionary<string, TokenSums> { [models[i].Key] = models[i].Value }
                        )
                        {
                            NeededMiB = one.Usage.NeededMiB,
                        },
                    }
                );
            }
        }
        return parts.Select(part => Row(part.Value) with { Namespace = ns, Model = part.Key });

        void Add(string model, WorkloadSpend part)
        {
            if (!parts.TryGetValue(model, out var list))
                parts.Add(model, list = []);
            list.Add(part);
        }
    }

    private static ReportRow Row(IReadOnlyList<WorkloadSpend> work)
    {
        var row = new ReportRow
        {
            Spent = Amount.Zero,
            ReservedGpuMs = 0,
            UnpricedGpuMs = 0,
            Done = WorkDone.Of(work),
        };
        foreach (var one in work)
            row = row with
            {
                Spent = row.Spent + one.Spent,
                ReservedGpuMs = row.ReservedGpuMs + one.ReservedGpuMs,
                UnpricedGpuMs = row.UnpricedGpuMs + one.UnpricedGpuMs,
            };
        return row;
    }
}
