using Bursar.Core.Ledger;
using Bursar.Core.Reports;
using Bursar.Core.Text;

namespace Bursar.Operator.Http;

/// <summary>Metrics computed from the ledger at each scrape, summed since the installation.</summary>
internal sealed class LedgerFigures
{
    private readonly TimeProvider _time;
    private readonly ObservedFamily _gpuSeconds;
    private readonly ObservedFamily _energy;
    private readonly ObservedFamily _tokens;
    private readonly ObservedFamily _unbudgeted;
    private readonly ObservedFamily _perThousandTokens;
    private readonly ObservedFamily _perRequest;
    private readonly ObservedFamily _joulesPerToken;
    private readonly ObservedFamily _perGpuHour;
    private readonly ObservedFamily _unreadable;
    private readonly ObservedFamily _unpriced;
    private volatile Source? _source;

    public LedgerFigures(ScrapeRegistry registry, TimeProvider time)
    {
        _time = time;
        _gpuSeconds = registry.Counter(
            "bursar_gpu_seconds_total",
            "GPU time by namespace and basis: reserved is billed, busy and idle are measured, unattributed is measured and belongs to no pod.",
            "namespace",
            "basis"
        );
        _energy = registry.Counter("bursar_energy_joules_total", "Energy that agents measured for the namespace's pods.", "namespace");
        _tokens = registry.Counter(
            "bursar_tokens_total",
            "Tokens by model and direction: prompt, cached (a part of prompt) and generated.",
            "namespace",
            "model",
            "direction"
        );
        _unbudgeted = registry.Gauge(
            "bursar_unbudgeted_cost",
            "Cost of GPU workloads that no budget of their namespace selects, over the days that the ledger keeps pod by pod, in the currency.",
            "namespace",
            "currency"
        );
        _perThousandTokens = registry.Gauge(
            "bursar_cost_per_thousand_tokens",
            "What 1,000 tokens of a model, prompt and generated together, cost today and yesterday (UTC), idle time included, in the currency.",
            "namespace",
            "model",
            "currency"
        );
        _perRequest = registry.Gauge(
            "bursar_cost_per_request",
            "What a request to a model cost today and yesterday (UTC), idle time included, in the currency.",
            "namespace",
            "model",
            "currency"
        );
        _joulesPerToken = registry.Gauge(
            "bursar_energy_joules_per_token",
            "Energy that a token of a model took today and yesterday (UTC).",
            "namespace",
            "model"
        );
        _perGpuHour = registry.Gauge(
            "bursar_cost_per_gpu_hour",
            "Cost of a GPU-hour of the namespace's workloads today and yesterday (UTC), in the currency.",
            "namespace",
            "currency"
        );
        _unreadable = registry.Gauge(
            "bursar_ledger_unreadable_objects",
            "GpuLedger objects that this version cannot read; no sum includes them."
        );
        _unpriced = registry.Gauge("bursar_unpriced_products", "GPU products in use that no rate of the price book matches.");
        registry.BeforeScrape(Report);
    }

    public void Attach(GpuLedger ledger, Func<string, IReadOnlyList<LabelSelector>> selectorsOf, Func<string> currency) =>
        _source = new(ledger, selectorsOf, currency);

    public void Detach() => _source = null;

    private void Report()
    {
        if (_source is not { Ledger.Installed: { } installed } source)
            return;
        var (ledger, selectorsOf, currency) = (source.Ledger, source.SelectorsOf, source.Currency());
        var now = _time.GetUtcNow();
        var yesterday = new DateTimeOffset(now.UtcDateTime.Date.AddDays(-1), TimeSpan.Zero);
        foreach (var ns in ledger.Namespaces())
        {
            // Counters continue where facts were compacted to sums.
            var (past, usage) = ledger.PastOf(ns);
            var reserved = (double)past / 1000;
            var work = ledger.SpentByWorkload(ns, LabelSelector.Everything, installed, now, now);
            var recent = ledger.SpentByWorkload(ns, LabelSelector.Everything, yesterday, now, now);
            if (UnitCosts.PerGpuHour(WholeDayUsage.From(recent)) is { } perHour)
                _perGpuHour.Report(perHour.ToDouble(), ns, currency);
            foreach (var row in CostReport.ByModel(ns, recent).Where(row => row.Model.Length > 0))
            {
                if (UnitCosts.PerThousandTokens(row.WholeDays) is { } cost)
                    _perThousandTokens.Report(cost.ToDouble(), ns, row.Model, currency);
                if (UnitCosts.PerRequest(row.WholeDays) is { } perRequest)
                    _perRequest.Report(perRequest.ToDouble(), ns, row.Model, currency);
                if (UnitCosts.JoulesPerToken(row.WholeDays) is { } joules)
                    _joulesPerToken.Report(joules, ns, row.Model);
            }
            foreach (var spend in work)
            {
                reserved += (double)spend.ReservedGpuMs / 1000;
                usage += spend.Usage;
            }
            // A sum may fall, because the last minutes of a node's pods are removed if the node turns out to have been lost. The counter
            // keeps its highest value.
            _gpuSeconds.Report(reserved, ns, "reserved");
            _gpuSeconds.Report(usage.BusyMs / 1000.0, ns, "busy");
            _gpuSeconds.Report(usage.IdleMs / 1000.0, ns, "idle");
            _energy.Report(usage.EnergyMj / 1000.0, ns);
            foreach (var (model, count) in usage.Tokens)
            {
                _tokens.Report(count.Prompt, ns, model, "prompt");
                _tokens.Report(count.Cached, ns, model, "cached");
                _tokens.Report(count.Generated, ns, model, "generated");
            }
            _unbudgeted.Report(ledger.OutsideSelectors(ns, selectorsOf(ns), installed, now, now).ToDouble(), ns, currency);
        }
        _gpuSeconds.Report(ledger.Nodes().Sum(node => ledger.UnattributedMs(node).Values.Sum()) / 1000.0, "", "unattributed");
        _unreadable.Report(ledger.Unreadable);
        _unpriced.Report(ledger.UnpricedProducts().Count);
    }

    private sealed record Source(GpuLedger Ledger, Func<string, IReadOnlyList<LabelSelector>> SelectorsOf, Func<string> Currency);
}
