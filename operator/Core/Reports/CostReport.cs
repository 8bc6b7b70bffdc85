using Bursar.Core.Ledger;
using Bursar.Core.Money;
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
    /// <param name="now">Open work is charged up to now.</param>
    /// <param name="stepsOf">How far a workload's training has come, by its UID.</param>
    public static CostReport Of(GpuLedger ledger, ReportQuery query, DateTimeOffset now, Func<string, long?> stepsOf)
    {
        // Time that is not over yet has cost nothing; what was before the installation was never charged.
        var from = ledger.Installed is { } installed && installed > query.From ? installed : query.From;
        var to = query.To < now ? query.To : now;
        if (to < from) to = from;
        var names = query.Namespace is { } one ? [one] : ledger.Namespaces();
        var rows = query.By == ReportBy.Day ? ByDay(ledger, names, from, to, now) : Grouped(ledger, names, query.By, from, to, now, stepsOf);
        var sum = rows.Aggregate(Amount.Zero, (total, row) => total + row.Spent);
        var report = new CostReport { From = from, To = to, By = query.By, Rows = rows, Total = sum };
        if (query.Namespace is not null) return report;

        Amount unallocated = Amount.Zero, lost = Amount.Zero, total = Amount.Zero;
        foreach (var node in ledger.Nodes())
        {
            var bill = ledger.Bill(node, from, to, now);
            unallocated += bill.Unallocated;
            lost += bill.Unattributed.GetValueOrDefault(NodeBill.NodeLost, Amount.Zero);
            total += bill.Total;
        }
        return report with { Unallocated = unallocated, NodeLost = lost, Total = total };
    }

    private static List<ReportRow> ByDay(GpuLedger ledger, IReadOnlyList<string> names, DateTimeOffset from, DateTimeOffset to, DateTimeOffset now)
    {
        var rows = new List<ReportRow>();
        for (var begin = from; begin < to;)
        {
            var midnight = new DateTimeOffset(begin.UtcDateTime.Date.AddDays(1), TimeSpan.Zero);
            var end = midnight < to ? midnight : to;
            foreach (var ns in names)
            {
                var work = ledger.SpentByWorkload(ns, LabelSelector.Everything, begin, end, now);
                if (work.Count == 0) continue;
                rows.Add(Row(work) with { Day = begin.UtcDateTime.ToString("yyyy-MM-dd", System.Globalization.CultureInfo.InvariantCulture), Namespace = ns });
            }
            begin = end;
        }
        return rows;
    }

    private static List<ReportRow> Grouped(GpuLedger ledger, IReadOnlyList<string> names, ReportBy by, DateTimeOffset from, DateTimeOffset to, DateTimeOffset now, Func<string, long?> stepsOf)
    {
        var rows = new List<ReportRow>();
        foreach (var ns in names)
        {
            var work = ledger.SpentByWorkload(ns, LabelSelector.Everything, from, to, now);
            if (work.Count == 0) continue;
            var lives = ledger.SpentByWorkload(ns, LabelSelector.Everything, DateTimeOffset.MinValue, now, now).ToDictionary(w => w.Workload);
            rows.AddRange(by switch
            {
                ReportBy.Workload => work.Select(w => Row([w]) with
                {
                    Namespace = ns,
                    Kind = w.Workload.Kind,
                    Workload = w.Workload.Name,
                    Life = Life([lives[w.Workload]]) with { Steps = stepsOf(w.Workload.Uid) },
                }),
                ReportBy.Model => ByModel(ns, work, lives),
                _ => [Row(work) with { Namespace = ns, Life = Life(work.Select(w => lives[w.Workload])) }],
            });
        }
        return [.. rows.OrderByDescending(row => row.Spent).ThenBy(row => row.Namespace, StringComparer.Ordinal).ThenBy(row => row.Kind, StringComparer.Ordinal)
            .ThenBy(row => row.Workload, StringComparer.Ordinal).ThenBy(row => row.Model, StringComparer.Ordinal)];
    }

    /// <summary>
    /// A namespace's work, in an interval and in its life, by model. The cost of a workload that served several is split by their tokens,
    /// so that the parts sum to it exactly.
    /// </summary>
    public static IEnumerable<ReportRow> ByModel(string ns, IReadOnlyList<WorkloadSpend> work, IReadOnlyDictionary<WorkloadKey, WorkloadSpend> lives)
    {
        var parts = new SortedDictionary<string, List<(WorkloadSpend InInterval, WorkloadSpend InLife)>>(StringComparer.Ordinal);
        foreach (var one in work)
        {
            var life = lives[one.Workload];
            var models = life.Usage.Tokens.Where(t => t.Value.Prompt + t.Value.Generated > 0).ToArray();
            if (models.Length == 0) Add("", (one, life with { Usage = life.Usage with { Tokens = UsageSums.None.Tokens } }));
            else
            {
                long[] weights = [.. models.Select(t => t.Value.Prompt + t.Value.Generated)];
                var (cost, lifeCost) = (one.Spent.Split(weights), life.Spent.Split(weights));
                var (time, unpriced, lifeTime) = (LargestRemainder.Divide(one.ReservedGpuMs, weights), LargestRemainder.Divide(one.UnpricedGpuMs, weights), LargestRemainder.Divide(life.ReservedGpuMs, weights));
                var (measured, busy, energy) = (LargestRemainder.Divide(life.Usage.MeasuredMs, weights), LargestRemainder.Divide(life.Usage.BusyMs, weights), LargestRemainder.Divide(life.Usage.EnergyMj, weights));
                for (var i = 0; i < models.Length; i++)
                {
                    var usage = new UsageSums((long)measured[i], (long)busy[i], (long)energy[i], new Dictionary<string, TokenSums> { [models[i].Key] = models[i].Value });
                    Add(models[i].Key, (one with { Spent = cost[i], ReservedGpuMs = time[i], UnpricedGpuMs = unpriced[i] }, life with { Spent = lifeCost[i], ReservedGpuMs = lifeTime[i], Usage = usage }));
                }
            }
        }
        return parts.Select(part => Row(part.Value.Select(p => p.InInterval)) with { Namespace = ns, Model = part.Key, Life = Life(part.Value.Select(p => p.InLife)) });

        void Add(string model, (WorkloadSpend, WorkloadSpend) part)
        {
            if (!parts.TryGetValue(model, out var list)) parts.Add(model, list = []);
            list.Add(part);
        }
    }

    private static ReportRow Row(IEnumerable<WorkloadSpend> work)
    {
        var row = new ReportRow { Spent = Amount.Zero, ReservedGpuMs = 0, UnpricedGpuMs = 0 };
        foreach (var one in work)
            row = row with { Spent = row.Spent + one.Spent, ReservedGpuMs = row.ReservedGpuMs + one.ReservedGpuMs, UnpricedGpuMs = row.UnpricedGpuMs + one.UnpricedGpuMs };
        return row;
    }

    private static LifeUsage Life(IEnumerable<WorkloadSpend> lives)
    {
        var life = new LifeUsage { Spent = Amount.Zero, ReservedGpuMs = 0, MeasuredMs = 0, BusyMs = 0, EnergyMj = 0, Tokens = new(0, 0, 0) };
        foreach (var one in lives)
        {
            life = life with
            {
                Spent = life.Spent + one.Spent,
                ReservedGpuMs = life.ReservedGpuMs + one.ReservedGpuMs,
                MeasuredMs = life.MeasuredMs + one.Usage.MeasuredMs,
                BusyMs = life.BusyMs + one.Usage.BusyMs,
                EnergyMj = life.EnergyMj + one.Usage.EnergyMj,
                Tokens = one.Usage.Tokens.Values.Aggregate(life.Tokens, (sum, t) => new(sum.Prompt + t.Prompt, sum.Cached + t.Cached, sum.Generated + t.Generated)),
            };
        }
        return life;
    }
}
