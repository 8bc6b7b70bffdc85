using System.Diagnostics.Metrics;
using Bursar.Core.Ledger;
using Bursar.Core.Reports;
using Bursar.Core.Text;

namespace Bursar.Operator.Serving;

/// <summary>Sums over the ledger since Bursar came to the cluster, made anew at each scrape.</summary>
internal sealed class LedgerFigures(TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(string, string, string), double> _highest = [];
    private Source? _source;
    private Sums? _read;

    public void Attach(GpuLedger ledger, Func<string, IReadOnlyList<LabelSelector>> selectorsOf, Func<string> currency)
    {
        lock (_gate)
        {
            _source = new(ledger, selectorsOf, currency);
            _read = null;
        }
    }

    public void Detach()
    {
        lock (_gate)
        {
            _source = null;
            _read = null;
            _highest.Clear();
        }
    }

    public void Show(Meter meter)
    {
        meter.CreateObservableCounter("bursar_gpu_seconds_total", () => Read().GpuSeconds,
            description: "GPU time by namespace and basis: reserved is billed, busy and idle are measured, unattributed is measured and nobody's.");
        meter.CreateObservableCounter("bursar_energy_joules_total", () => Read().Energy, description: "Energy that agents measured for the namespace's pods.");
        meter.CreateObservableCounter("bursar_tokens_total", () => Read().Tokens, description: "Tokens by model and direction: prompt, cached (a part of prompt) and generated.");
        meter.CreateObservableGauge("bursar_unbudgeted_cost", () => Read().Unbudgeted, description: "Cost of GPU work that no budget of its namespace selects, over the days that the ledger keeps pod by pod, in the currency.");
        meter.CreateObservableGauge("bursar_cost_per_thousand_tokens", () => Read().PerThousandTokens,
            description: "What 1,000 tokens of a model, prompt and generated together, cost today and yesterday (UTC), idle time included, in the currency.");
        meter.CreateObservableGauge("bursar_cost_per_request", () => Read().PerRequest,
            description: "What a request to a model cost today and yesterday (UTC), idle time included, in the currency.");
        meter.CreateObservableGauge("bursar_energy_joules_per_token", () => Read().JoulesPerToken, description: "Energy that a token of a model took today and yesterday (UTC).");
        meter.CreateObservableGauge("bursar_cost_per_gpu_hour", () => Read().PerGpuHour,
            description: "What an hour of a GPU cost the namespace's work today and yesterday (UTC), in the currency.");
        meter.CreateObservableGauge("bursar_ledger_unreadable_objects", () => Read().Unreadable, description: "GpuLedger objects that this version cannot read; what is in them is in no sum.");
        meter.CreateObservableGauge("bursar_unpriced_products", () => Read().Unpriced, description: "GPU products in use that no rate of the price book matches.");
    }

    /// <summary>Before a scrape: its instruments share one reading of the ledger.</summary>
    public void Refresh()
    {
        lock (_gate) _read = _source is { Ledger.Installed: { } installed } source ? Add(source, installed, time.GetUtcNow()) : null;
    }

    private Sums Read()
    {
        lock (_gate) return _read ?? new();
    }

    private Sums Add(Source source, DateTimeOffset installed, DateTimeOffset now)
    {
        var (ledger, selectorsOf, currency) = source;
        var sums = new Sums();
        var yesterday = new DateTimeOffset(now.UtcDateTime.Date.AddDays(-1), TimeSpan.Zero);
        foreach (var ns in ledger.Namespaces())
        {
            // Counters go on where facts have become sums.
            var (past, usage) = ledger.PastOf(ns);
            var reserved = (double)past / 1000;
            var work = ledger.SpentByWorkload(ns, LabelSelector.Everything, installed, now, now);
            var recent = ledger.SpentByWorkload(ns, LabelSelector.Everything, yesterday, now, now);
            if (UnitCosts.PerGpuHour(WorkDone.Of(recent)) is { } perHour) sums.PerGpuHour.Add(new(perHour.ToDouble(), new("namespace", ns), new KeyValuePair<string, object?>("currency", currency())));
            foreach (var row in CostReport.ByModel(ns, recent).Where(row => row.Model.Length > 0))
            {
                if (UnitCosts.PerThousandTokens(row.Done) is { } cost) sums.PerThousandTokens.Add(new(cost.ToDouble(), new("namespace", ns), new("model", row.Model), new("currency", currency())));
                if (UnitCosts.PerRequest(row.Done) is { } perRequest) sums.PerRequest.Add(new(perRequest.ToDouble(), new("namespace", ns), new("model", row.Model), new("currency", currency())));
                if (UnitCosts.JoulesPerToken(row.Done) is { } joules) sums.JoulesPerToken.Add(new(joules, new("namespace", ns), new KeyValuePair<string, object?>("model", row.Model)));
            }
            foreach (var spend in work)
            {
                reserved += (double)spend.ReservedGpuMs / 1000;
                usage += spend.Usage;
            }
            Gpu(sums, ns, "reserved", reserved);
            Gpu(sums, ns, "busy", usage.BusyMs / 1000.0);
            Gpu(sums, ns, "idle", usage.IdleMs / 1000.0);
            sums.Energy.Add(new(Counted("joules", ns, "", usage.EnergyMj / 1000.0), new KeyValuePair<string, object?>("namespace", ns)));
            foreach (var (model, count) in usage.Tokens)
            {
                Token(sums, ns, model, "prompt", count.Prompt);
                Token(sums, ns, model, "cached", count.Cached);
                Token(sums, ns, model, "generated", count.Generated);
            }
            sums.Unbudgeted.Add(new(ledger.OutsideSelectors(ns, selectorsOf(ns), installed, now, now).ToDouble(), new("namespace", ns), new KeyValuePair<string, object?>("currency", currency())));
        }
        Gpu(sums, "", "unattributed", ledger.Nodes().Sum(node => ledger.UnattributedMs(node).Values.Sum()) / 1000.0);
        sums.Unreadable.Add(new(ledger.Unreadable));
        sums.Unpriced.Add(new(ledger.UnpricedProducts().Count));
        return sums;
    }

    private void Gpu(Sums sums, string ns, string basis, double seconds) =>
        sums.GpuSeconds.Add(new(Counted("gpu", ns, basis, seconds), new("namespace", ns), new KeyValuePair<string, object?>("basis", basis)));

    private void Token(Sums sums, string ns, string model, string direction, long count) =>
        sums.Tokens.Add(new(Counted(direction, ns, model, count), new("namespace", ns), new("model", model), new("direction", direction)));

    /// <summary>
    /// A counter must not go back, or the whole of it is taken for an increase. The ledger's sums may: a node that turns
    /// out to have been lost takes its pods' last minutes with it.
    /// </summary>
    private double Counted(string what, string ns, string which, double value)
    {
        var key = (what, ns, which);
        if (_highest.TryGetValue(key, out var highest) && highest > value) return highest;
        return _highest[key] = value;
    }

    private sealed record Source(GpuLedger Ledger, Func<string, IReadOnlyList<LabelSelector>> SelectorsOf, Func<string> Currency);

    private sealed class Sums
    {
        public List<Measurement<double>> GpuSeconds { get; } = [];

        public List<Measurement<double>> Energy { get; } = [];

        public List<Measurement<double>> Tokens { get; } = [];

        public List<Measurement<double>> Unbudgeted { get; } = [];

        public List<Measurement<double>> PerThousandTokens { get; } = [];

        public List<Measurement<double>> PerRequest { get; } = [];

        public List<Measurement<double>> JoulesPerToken { get; } = [];

        public List<Measurement<double>> PerGpuHour { get; } = [];

        public List<Measurement<int>> Unreadable { get; } = [];

        public List<Measurement<int>> Unpriced { get; } = [];
    }
}
