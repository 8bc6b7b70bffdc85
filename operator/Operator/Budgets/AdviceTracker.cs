using Bursar.Concurrency;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Prices;
using Bursar.Core.Reports;
using Bursar.Operator.Billing;

namespace Bursar.Operator.Budgets;

/// <summary>
/// The advice of the report for each workload, from its last seven days. It is computed every ten minutes and not with each evaluation,
/// because it reads all entries of a namespace. Thread-safe.
/// </summary>
internal sealed class AdviceTracker(GpuLedger ledger, PriceList prices, TimeProvider time)
{
    public static readonly TimeSpan Interval = TimeSpan.FromMinutes(10);

    private static readonly TimeSpan Span = TimeSpan.FromDays(7);

    /// <summary>The pause between two namespaces, so that evaluations do not wait for the ledger.</summary>
    private static readonly TimeSpan Spacing = TimeSpan.FromMilliseconds(100);

    private volatile Dictionary<(string Namespace, string Kind, string Name), IReadOnlyList<string>> _advice = [];

    public Task RunAsync(CancellationToken cancellationToken) =>
        PeriodicLoop.RunAsync(time, "advice", PassAsync, cancellationToken, Interval);

    public IReadOnlyList<string> For(WorkloadKey workload) =>
        _advice.GetValueOrDefault((workload.Namespace, workload.Kind, workload.Name), []);

    private async Task<TimeSpan> PassAsync(CancellationToken cancellationToken)
    {
        var (advice, rates) = (
            new Dictionary<(string, string, string), IReadOnlyList<string>>(),
            new Dictionary<GpuModel, GpuHourPrice?>()
        );
        var now = time.GetUtcNow();
        foreach (var ns in ledger.Namespaces())
        {
            foreach (var row in CostReport.Create(ledger, new(now - Span, now, ReportBy.Workload, ns), now, _ => null).Rows)
                if (Advice.For(row, RateOf) is { Count: > 0 } sentences)
                    advice[(row.Namespace, row.Kind, row.Workload)] = sentences;
            await PeriodicLoop.PauseAsync(time, Spacing, cancellationToken);
        }
        _advice = advice;
        return Interval;

        GpuHourPrice? RateOf(GpuModel model)
        {
            if (!rates.TryGetValue(model, out var rate))
                rates.Add(model, rate = Advice.RateOf(ledger, prices.Book, model, now));
            return rate;
        }
    }
}
