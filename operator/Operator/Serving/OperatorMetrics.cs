using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Reports;
using Bursar.Core.Scaling;
using Bursar.Core.Text;

namespace Bursar.Operator.Serving;

/// <summary>
/// What the operator shows of itself: budgets and their work as last decided, sums pulled from the ledger at each scrape,
/// and counts of what it does. Budgets' figures come from the decision alone, so they agree with status and Events.
/// Amounts are floats here, because the format knows nothing else, and only here.
/// </summary>
public sealed class OperatorMetrics : IDisposable
{
    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly Meter _meter = new("bursar");
    private readonly ApiTraffic? _api;
    private readonly Counter<long> _decisions;
    private readonly Histogram<double> _reconcile;
    private readonly Counter<long> _reconcileFailures;
    private readonly Counter<long> _agentFailures;
    private readonly Counter<long> _agentGaps;
    private readonly Counter<long> _exporterFailures;
    private readonly Counter<long> _exporterSkippedLines;
    private readonly Dictionary<(string Namespace, string Name), BudgetDecision> _budgets = [];
    private readonly Dictionary<(string Namespace, string Name), ScalerDecision> _scalers = [];
    private readonly Histogram<double> _demandToScale;
    private readonly Dictionary<string, DateTimeOffset> _agents = new(StringComparer.Ordinal);
    private readonly LedgerFigures _ledger;
    private readonly PrometheusEndpoint _endpoint;
    private volatile Func<IEnumerable<MeteringSource>>? _nodes;
    private volatile Func<int>? _untrusted;
    private volatile Func<IEnumerable<InvalidObject>>? _invalid;
    private volatile Func<IEnumerable<(string Kind, int Count)>>? _unreadable;
    private volatile Func<string?>? _ledgerFault;
    private volatile int _missing;
    private volatile bool _leads;

    /// <param name="time">The clock of the ages that are shown.</param>
    /// <param name="apiServer">The API server whose answers are timed; null times none.</param>
    public OperatorMetrics(TimeProvider time, Uri? apiServer = null)
    {
        _time = time;
        _ledger = new LedgerFigures(time);

        Budget("bursar_budget_limit", "Limit of the current window with its top-ups, in the currency.", d => d.Limit.ToDouble());
        Budget("bursar_budget_spent", "Spent in the current window, in the currency.", d => d.Spent.ToDouble());
        Budget("bursar_budget_projected", "Spending at the end of the current window on the present course, in the currency.", d => d.Projected.ToDouble());
        Budget("bursar_budget_remaining", "Left of the limit, in the currency; negative when overspent.", d => d.Remaining.ToDouble());
        Budget("bursar_budget_burn_rate", "What the budget's running work costs at this moment, in the currency per hour.", d => (double)d.BurnRate.NanoPerGpuHour / 1e9);
        _meter.CreateObservableGauge("bursar_suspensions_not_followed", () => OfBudgets(d => d.Workloads.Count(w => w.Reason == Reasons.SuspensionNotFollowed)), description: "Workloads that are suspended and whose pods run on.");
        Budget("bursar_budget_overspent", "Spent beyond the limit while work of the budget keeps running, in the currency; 0 otherwise.", d => d.Overspent.ToDouble());
        _meter.CreateObservableGauge("bursar_budget_exhausted_timestamp_seconds", () => OfBudgets(d => d.ExhaustedAt is { } at ? at.ToUnixTimeMilliseconds() / 1000.0 : null), description: "When the budget is or was used up, as Unix time; absent where the window ends first.");
        _meter.CreateObservableGauge("bursar_budget_state", () => OfBudgets(_ => 1, state: true), description: "1 for the state of the budget, the reason of its condition Ready.");
        _meter.CreateObservableGauge("bursar_budget_spent_ratio", () => OfBudgets(d => Ratio(d.Spent.ToDouble(), d.Limit.ToDouble())), description: "Spent, as a share of the limit.");
        _meter.CreateObservableGauge("bursar_budget_projected_ratio", () => OfBudgets(d => Ratio(d.Projected.ToDouble(), d.Limit.ToDouble())), description: "Projected spending, as a share of the limit.");
        _meter.CreateObservableGauge("bursar_budget_condition", Conditions, description: "The budget's conditions: 1 is True, 0 is False, -1 is Unknown.");
        _meter.CreateObservableGauge("bursar_workload_cost", () => OfWorkloads(w => w.Spent.ToDouble()), description: "Spent by the workload in its budget's window, in the currency.");
        _meter.CreateObservableGauge("bursar_workload_cost_to_finish", () => OfWorkloads(w => w.CostToFinish.ToDouble()), description: "Likely cost of the workload to its end or the window's, in the currency.");

        Units("bursar_workload_cost_per_thousand_tokens", "What 1,000 tokens of the workload cost in its budget's window, prompt and generated together, idle time included, in the currency.", c => c.ThousandTokens?.ToDouble());
        Units("bursar_workload_cost_per_request", "What a request to the workload cost in its budget's window, idle time included, in the currency.", c => c.Request?.ToDouble());
        Units("bursar_workload_cost_per_step", "What a training step of the workload costs at its present pace and rate, in the currency.", c => c.Step?.ToDouble());

        Scaler("bursar_scaler_replicas", "Replicas asked of the scaler's target.", d => d.Replicas);
        Scaler("bursar_scaler_wanted_replicas", "Replicas that demand asks for.", d => d.Wanted);
        Scaler("bursar_scaler_affordable_replicas", "Replicas that the money carries; absent where no money limits them.", d => d.Affordable);
        Scaler("bursar_scaler_missing_cost", "What the replicas would cost that demand asks for and the money does not carry, in the currency per hour.", d => d.IsCapped ? (double)(d.MissingPerHour?.NanoPerGpuHour ?? 0) / 1e9 : 0);
        Scaler("bursar_scaler_active", "1 while a trigger of the scaler is active.", d => d.IsActive ? 1 : 0);

        _ledger.Show(_meter);

        _decisions = _meter.CreateCounter<long>("bursar_decisions_total", description: "Actions that were decided, by action and reason.");
        _reconcile = _meter.CreateHistogram<double>("bursar_reconcile_duration_seconds", description: "Time of one reconcile, by controller.");
        _demandToScale = _meter.CreateHistogram("bursar_scaler_demand_to_scale_seconds", unit: null, "Time from the measurement that asked for more replicas to the scale call that was made.", tags: null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 15, 30, 60] });
        _reconcileFailures = _meter.CreateCounter<long>("bursar_reconcile_failures_total", description: "Reconciles that ended in an error, by controller.");
        _agentFailures = _meter.CreateCounter<long>("bursar_agent_failures_total", description: "Requests to agents that failed, and reports that were not believed, by node and reason.");
        _agentGaps = _meter.CreateCounter<long>("bursar_agent_gaps_total", description: "Gaps in agents' journals, by node.");
        _exporterSkippedLines = _meter.CreateCounter<long>("bursar_exporter_skipped_lines_total", description: "Lines of dcgm-exporters' pages that could not be read, by node. The other lines were used.");
        _exporterFailures = _meter.CreateCounter<long>("bursar_exporter_failures_total", description: "Pages of dcgm-exporters, of nodes without an agent, that could not be read or told of no pods, by node.");
        _meter.CreateObservableGauge("bursar_agent_lag_seconds", AgentLags, description: "Time since the node's agent last answered.");
        _meter.CreateObservableGauge("bursar_agents_missing", () => _missing, description: "Nodes with GPU pods and no agent that answers.");
        _meter.CreateObservableGauge("bursar_gpu_nodes", NodesBySource, description: "Nodes with GPU pods, by who measures there: agent, dcgm-exporter, or none; awaited for the minute in which that is not settled.");
        _meter.CreateObservableGauge("bursar_untrusted_price_nodes", () => _untrusted?.Invoke() ?? 0, description: "Nodes whose price is not the price book's, because it cannot be trusted or there is none.");
        _meter.CreateObservableGauge("bursar_invalid_spec", () => (_invalid?.Invoke() ?? []).Select(one => new Measurement<int>(1, new("kind", one.Kind), new("namespace", one.Namespace), new("name", one.Name))),
            description: "1 for each budget, price book and scaler whose spec is invalid; it has no effect until it is corrected.");
        _meter.CreateObservableGauge("bursar_unreadable_objects", UnreadableByKind, description: "Objects with a field of an unexpected JSON type, which reads as absent, by kind.");
        _meter.CreateObservableGauge("bursar_ledger_write_fault", () => _ledgerFault?.Invoke() is null ? 0 : 1, description: "1 while the API server refuses what is to be written to the ledger; nothing is suspended or resumed meanwhile.");
        _meter.CreateObservableGauge("bursar_leader", () => _leads ? 1 : 0, description: "1 while this operator leads.");
        _meter.CreateObservableGauge("bursar_build_info", () => new Measurement<int>(1, new("component", "operator"), new("version", Version)), description: "The version that runs.");
        if (apiServer is not null) _api = new ApiTraffic(apiServer, _meter);
        _endpoint = new PrometheusEndpoint(_meter);
    }

    public static string Version { get; } = typeof(OperatorMetrics).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0";

    /// <summary>Whether this operator leads.</summary>
    public bool Leads
    {
        get => _leads;
        set => _leads = value;
    }

    /// <summary>Shows the ledger's sums from now on. It is this leader's own; without one nothing is shown of it.</summary>
    /// <param name="ledger">The ledger as loaded.</param>
    /// <param name="selectorsOf">The selectors of a namespace's budgets: what none of them selects is unbudgeted.</param>
    /// <param name="currency">The price book's currency.</param>
    public void Attach(GpuLedger ledger, Func<string, IReadOnlyList<LabelSelector>> selectorsOf, Func<string> currency) => _ledger.Attach(ledger, selectorsOf, currency);

    /// <summary>Shows, from now on, the objects whose spec is invalid.</summary>
    internal void WatchInvalid(Func<IEnumerable<InvalidObject>> invalid) => _invalid = invalid;

    /// <summary>Shows, from now on, who measures on each node with GPU pods, and how many nodes have a price that is not trusted.</summary>
    public void Watch(Func<IEnumerable<MeteringSource>> nodes, Func<int> untrusted) => (_nodes, _untrusted) = (nodes, untrusted);

    /// <summary>Shows, from now on, how many objects of each kind have a field that cannot be read.</summary>
    public void WatchUnreadable(Func<IEnumerable<(string Kind, int Count)>> counts) => _unreadable = counts;

    /// <summary>Shows, from now on, whether the ledger can be written.</summary>
    /// <param name="fault">Why it cannot; null where it can.</param>
    public void WatchLedger(Func<string?> fault) => _ledgerFault = fault;

    /// <summary>This operator leads no more: what another one now decides and books is the other's to show.</summary>
    public void Detach()
    {
        _ledger.Detach();
        lock (_gate)
        {
            _budgets.Clear();
            _scalers.Clear();
            _agents.Clear();
        }
        (_nodes, _untrusted, _invalid, _unreadable, _ledgerFault) = (null, null, null, null, null);
        _missing = 0;
        _leads = false;
    }

    /// <summary>Takes an evaluation's outcome. An action counts once however often it is decided again before it is done.</summary>
    public void Record(string ns, string name, BudgetDecision decision)
    {
        BudgetDecision? before;
        lock (_gate)
        {
            _budgets.TryGetValue((ns, name), out before);
            _budgets[(ns, name)] = decision;
        }
        foreach (var action in decision.Actions)
        {
            if (before is not null && before.Actions.Any(a => a.Kind == action.Kind && a.Reason == action.Reason && a.Workload.Uid == action.Workload.Uid)) continue;
            _decisions.Add(1, new("action", Word(action.Kind)), new("reason", action.Reason));
        }
    }

    /// <summary>Takes a look at a scaler in.</summary>
    public void Record(string ns, string name, ScalerDecision decision)
    {
        lock (_gate) _scalers[(ns, name)] = decision;
    }

    public void ForgetScaler(string ns, string name)
    {
        lock (_gate) _scalers.Remove((ns, name));
    }

    /// <summary>A scale call that added replicas was made, so long after they were first asked for.</summary>
    public void ScaledUp(TimeSpan sinceDemand) => _demandToScale.Record(Math.Max(0, sinceDemand.TotalSeconds));

    /// <summary>The page of <c>/metrics</c>, in <see cref="PrometheusWriter.ContentType"/>.</summary>
    public byte[] Scrape()
    {
        _ledger.Refresh();
        return _endpoint.Scrape();
    }

    /// <summary>The budget is no more: a figure of it would stand for ever.</summary>
    public void Forget(string ns, string name)
    {
        lock (_gate) _budgets.Remove((ns, name));
    }

    public void Reconciled(string controller, TimeSpan took, bool failed)
    {
        _reconcile.Record(took.TotalSeconds, new KeyValuePair<string, object?>("controller", controller));
        if (failed) _reconcileFailures.Add(1, new KeyValuePair<string, object?>("controller", controller));
    }

    public void AgentAnswered(string node)
    {
        lock (_gate) _agents[node] = _time.GetUtcNow();
    }

    public void AgentFailed(string node, string reason) => _agentFailures.Add(1, new("node", node), new("reason", reason));

    public void AgentGap(string node) => _agentGaps.Add(1, new KeyValuePair<string, object?>("node", node));

    public void ExporterLinesSkipped(string node, int lines)
    {
        if (lines > 0) _exporterSkippedLines.Add(lines, new KeyValuePair<string, object?>("node", node));
    }

    public void ExporterFailed(string node) => _exporterFailures.Add(1, new KeyValuePair<string, object?>("node", node));

    public void AgentGone(string node)
    {
        lock (_gate) _agents.Remove(node);
    }

    public void AgentsMissing(int nodes) => _missing = nodes;

    public void Dispose()
    {
        _endpoint.Dispose();
        _api?.Dispose();
        _meter.Dispose();
    }

    private static string Word(ActionKind kind) => kind switch
    {
        ActionKind.Park => "park",
        ActionKind.Resume => "resume",
        ActionKind.RequestCheckpoint => "request-checkpoint",
        _ => "withdraw-checkpoint",
    };

    /// <summary>Of a limit of nothing any spending is all of it, as a person would read it.</summary>
    private static double Ratio(double part, double whole) => whole > 0 ? part / whole : part > 0 ? 1 : 0;

    private void Budget(string name, string help, Func<BudgetDecision, double?> value) =>
        _meter.CreateObservableGauge(name, () => OfBudgets(value, withCurrency: true), description: help);

    private List<Measurement<double>> OfBudgets(Func<BudgetDecision, double?> value, bool withCurrency = false, bool state = false)
    {
        var measurements = new List<Measurement<double>>();
        lock (_gate)
        {
            foreach (var ((ns, name), decision) in _budgets)
            {
                if (value(decision) is not { } figure) continue;
                var tags = new TagList { { "namespace", ns }, { "budget", name } };
                if (withCurrency) tags.Add("currency", decision.Currency);
                if (state) tags.Add("state", decision.State);
                measurements.Add(new(figure, [.. tags]));
            }
        }
        return measurements;
    }

    private List<Measurement<int>> Conditions()
    {
        var measurements = new List<Measurement<int>>();
        lock (_gate)
        {
            foreach (var ((ns, name), decision) in _budgets)
                foreach (var condition in decision.Conditions)
                    measurements.Add(new(condition.Status is not { } status ? -1 : status ? 1 : 0, new("namespace", ns), new("budget", name), new("condition", condition.Type)));
        }
        return measurements;
    }

    private void Units(string name, string help, Func<UnitCosts, double?> value) =>
        _meter.CreateObservableGauge(name, () => OfWorkloads(w => w.UnitCosts is { } costs ? value(costs) : null), description: help);

    private void Scaler(string name, string help, Func<ScalerDecision, double?> value) => _meter.CreateObservableGauge(name, () =>
    {
        var measurements = new List<Measurement<double>>();
        lock (_gate)
            foreach (var ((ns, scaler), decision) in _scalers)
                if (value(decision) is { } figure) measurements.Add(new(figure, new("namespace", ns), new KeyValuePair<string, object?>("scaler", scaler)));
        return measurements;
    }, description: help);

    private List<Measurement<double>> OfWorkloads(Func<WorkloadVerdict, double?> value)
    {
        var measurements = new List<Measurement<double>>();
        lock (_gate)
        {
            foreach (var ((ns, name), decision) in _budgets)
                foreach (var work in decision.Workloads)
                    if (value(work) is { } figure)
                        measurements.Add(new(figure, new("namespace", ns), new("budget", name), new("kind", work.Key.Kind), new("workload", work.Key.Name), new("currency", decision.Currency)));
        }
        return measurements;
    }

    private List<Measurement<int>> NodesBySource()
    {
        if (_nodes is not { } nodes) return [];
        var sources = nodes().CountBy(source => source).ToDictionary();
        return [.. Enum.GetValues<MeteringSource>().Select(source => new Measurement<int>(sources.GetValueOrDefault(source), new KeyValuePair<string, object?>("source", source switch
        {
            MeteringSource.Agent => "agent",
            MeteringSource.DcgmExporter => "dcgm-exporter",
            MeteringSource.Awaited => "awaited",
            _ => "none",
        })))];
    }

    private IEnumerable<Measurement<int>> UnreadableByKind() =>
        (_unreadable?.Invoke() ?? []).Select(one => new Measurement<int>(one.Count, new KeyValuePair<string, object?>("kind", one.Kind)));

    private List<Measurement<double>> AgentLags()
    {
        var now = _time.GetUtcNow();
        lock (_gate) return [.. _agents.Select(a => new Measurement<double>(Math.Max(0, (now - a.Value).TotalSeconds), new KeyValuePair<string, object?>("node", a.Key)))];
    }
}
