using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Text;

namespace Bursar.Core.Reports;

/// <summary>A report to compute. A null <see cref="Namespace"/> is the whole cluster, including unallocated GPUs.</summary>
public sealed record ReportQuery(DateTimeOffset From, DateTimeOffset To, ReportBy By, string? Namespace = null);

/// <summary>
/// The bill of an interval: <c>Total = Σ Rows + Unallocated + NodeLost</c>, exactly. For one namespace it is the sum of its rows.
/// </summary>
public sealed record CostReport
{
    public required DateTimeOffset From { get; init; }

    public required DateTimeOffset To { get; init; }

    public required ReportBy By { get; init; }

    /// <summary>The time up to which the ledger is complete. Null if an older version wrote it.</summary>
    public DateTimeOffset? AsOf { get; init; }

    /// <summary>The most expensive first, days in order.</summary>
    public required IReadOnlyList<ReportRow> Rows { get; init; }

    /// <summary>The cost of GPUs without a pod. Null in the report of a namespace.</summary>
    public Amount? Unallocated { get; init; }

    /// <summary>The cost of GPUs on unreachable nodes. Null in the report of a namespace.</summary>
    public Amount? NodeLost { get; init; }

    /// <summary>The cost of all rows, or of the cluster's nodes.</summary>
    public required Amount Total { get; init; }

    /// <param name="ledger">Not changed.</param>
    /// <param name="now">Open workloads are charged up to now, or up to the time at which the ledger is complete if that is
    /// earlier.</param>
    /// <param name="stepsOf">Returns the steps of a workload's training since it began, by UID. Null: unknown.</param>
    public static CostReport Create(GpuLedger ledger, ReportQuery query, DateTimeOffset now, Func<string, long?> stepsOf)
    {
        if (ledger.AsOf < now)
            now = ledger.AsOf.Value;
        // Future time has cost nothing, and time before the installation was never charged.
        var from = ledger.Installed is { } installed && installed > query.From ? installed : query.From;
        var to = query.To < now ? query.To : now;
        if (ledger.SumsSince is { } kept && kept > from)
            from = kept;
        // Summed days are reported as a whole.
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

    /// <summary>Returns the cost and usage of a namespace's workloads, from kept facts and from summed days.</summary>
    private static IReadOnlyList<WorkloadSpend> WorkloadsOf(
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
                .GroupBy(spend => spend.Workload)
                .Select(parts =>
                    parts.Aggregate(
                        (sum, spend) =>
                            spend with
                            {
                                Spent = sum.Spent + spend.Spent,
                                ReservedGpuMs = sum.ReservedGpuMs + spend.ReservedGpuMs,
                                UnpricedGpuMs = sum.UnpricedGpuMs + spend.UnpricedGpuMs,
                                Since = sum.Since,
                                Usage = sum.Usage + spend.Usage,
                                DaysSpent = sum.DaysSpent + spend.DaysSpent,
                                DaysReservedGpuMs = sum.DaysReservedGpuMs + spend.DaysReservedGpuMs,
                            }
                    )
                ),
        ];
    }

    private static string ProductOf(IEnumerable<LedgerEntry> entries, DateTimeOffset to) =>
        entries
            .GroupBy(entry => entry.Share.IsWhole ? PriceClassName.ProductOf(entry.Product) : "")
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
                var work = WorkloadsOf(ledger, ns, begin, end, now);
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
            var work = WorkloadsOf(ledger, ns, from, to, now);
            if (work.Count == 0)
                continue;
            switch (by)
            {
                case ReportBy.Workload:
                    var sinceBegin = work.Any(spend => stepsOf(spend.Workload.Uid) is not null)
                        ? WorkloadsOf(ledger, ns, ledger.Installed ?? from, now, now)
                            .ToDictionary(spend => spend.Workload, spend => spend.Spent)
                        : [];
                    var products = ledger.Entries(ns, from, to, now).ToLookup(entry => entry.Workload);
                    rows.AddRange(
                        work.Select(spend =>
                        {
                            var row = Row([spend]) with
                            {
                                Namespace = ns,
                                Kind = spend.Workload.Kind,
                                Workload = spend.Workload.Name,
                                Product = ProductOf(products[spend.Workload], to),
                            };
                            return stepsOf(spend.Workload.Uid) is { } steps
                                ? row with
                                {
                                    WholeDays = row.WholeDays with { Training = (steps, sinceBegin[spend.Workload]) },
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
    /// Returns the rows of a namespace by model. The cost of a workload that served several models is split by their tokens (by requests,
    /// if one of them has no tokens), so that the parts sum to it exactly.
    /// </summary>
    public static IEnumerable<ReportRow> ByModel(string ns, IEnumerable<WorkloadSpend> work)
    {
        var parts = new SortedDictionary<string, List<WorkloadSpend>>(StringComparer.Ordinal);
        foreach (var spend in work)
        {
            var models = spend.Usage.Tokens.Where(t => t.Value.Both > 0 || t.Value.Requests > 0).ToArray();
            if (models.Length == 0)
            {
                Add("", spend);
                continue;
            }
            // A server that counts only requests has no tokens to split by.
            var byTokens = models.All(t => t.Value.Both > 0);
            long[] weights = [.. models.Select(t => byTokens ? t.Value.Both : Math.Max(1, t.Value.Requests))];
            var (spent, daysSpent) = (spend.Spent.Split(weights), spend.DaysSpent.Split(weights));
            var (time, unpriced, daysTime) = (
                LargestRemainder.Divide(spend.ReservedGpuMs, weights),
                LargestRemainder.Divide(spend.UnpricedGpuMs, weights),
                LargestRemainder.Divide(spend.DaysReservedGpuMs, weights)
            );
            var (measured, busy) = (
                LargestRemainder.Divide(spend.Usage.MeasuredMs, weights),
                LargestRemainder.Divide(spend.Usage.BusyMs, weights)
            );
            var (energy, memory) = (
                LargestRemainder.Divide(spend.Usage.EnergyMj, weights),
                LargestRemainder.Divide(spend.Usage.MemoryMiBMs, weights)
            );
            for (var i = 0; i < models.Length; i++)
            {
                Add(
                    models[i].Key,
                    spend with
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
                            NeededMiB = spend.Usage.NeededMiB,
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
            WholeDays = WholeDayUsage.From(work),
        };
        foreach (var spend in work)
            row = row with
            {
                Spent = row.Spent + spend.Spent,
                ReservedGpuMs = row.ReservedGpuMs + spend.ReservedGpuMs,
                UnpricedGpuMs = row.UnpricedGpuMs + spend.UnpricedGpuMs,
            };
        return row;
    }
}
