using System.Reflection;
using Bursar.Core.Decisions;
using Bursar.Core.Ledger;
using Bursar.Core.Money;
using Bursar.Core.Scaling;
using Bursar.Core.Text;
using Prometheus;

namespace Bursar.Operator.Http;

/// <summary>
/// The operator's metrics: budgets and their workloads from the latest decisions, ledger sums computed at each scrape, and counters of the
/// operator's actions. A budget's values come from its decision only, so they agree with status and Events. Amounts are floating point only
/// here, because the format has no other type. Thread-safe.
/// </summary>
internal sealed class OperatorMetrics : IDisposable
{
    /// <summary>
    /// Value of the label <c>namespace</c> for a ClusterGpuBudget. An empty label would be replaced by the namespace of the scraped pod.
    /// </summary>
    public const string AllNamespaces = "*";

    /// <summary>In seconds.</summary>
    private static readonly double[] ReconcileBuckets = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private static readonly (string Name, Func<BudgetDecision, string> Value) Currency = ("currency", d => d.Currency);

    private readonly Lock _gate = new();
    private readonly ScrapeRegistry _registry = new();
    private readonly TimeProvider _time;
    private readonly ApiTraffic? _api;
    private readonly Counter _decisions;
    private readonly Histogram _reconcile;
    private readonly Counter _reconcileFailures;
    private readonly Counter _agentFailures;
    private readonly Counter _agentGaps;
    private readonly Counter _exporterFailures;
    private readonly Counter _exporterSkippedLines;
    private readonly Histogram _demandToScale;
    private readonly List<Action<string, string, BudgetDecision>> _ofBudgets = [];
    private readonly List<Action<string, string, string, BudgetDecision>> _ofLimits = [];
    private readonly List<Action<string, string, ScalerDecision>> _ofScalers = [];
    private readonly Dictionary<(string Namespace, string Name), ScalerDecision> _scalers = [];
    private readonly Dictionary<string, DateTimeOffset> _agents = new(StringComparer.Ordinal);
    private readonly LedgerFigures _ledger;
    private volatile Func<IEnumerable<MeteringSource>>? _nodes;
    private volatile Func<int>? _untrusted;
    private volatile Func<IEnumerable<(string Kind, string Namespace, string Name)>>? _invalid;
    private volatile Func<IEnumerable<(string Kind, int Count)>>? _unreadable;
    private volatile Func<string?>? _ledgerFault;
    private volatile Func<IEnumerable<(string Namespace, string Name, BudgetDecision Decision)>>? _budgets;
    private volatile Func<IEnumerable<(string Namespace, string Budget, string Limit, BudgetDecision Decision)>>? _limits;
    private volatile int _missing;
    private volatile bool _leads;

    /// <param name="apiServer">The API server whose response times are measured; null for none.</param>
    public OperatorMetrics(TimeProvider time, Uri? apiServer = null)
    {
        _time = time;
        _ledger = new LedgerFigures(_registry, time);

        Budget("bursar_budget_limit", "Limit of the current window with its top-ups, in the currency.", d => d.Limit.ToDouble(), Currency);
        var loans = _registry.Gauge(
            "bursar_budget_loan",
            "Loans between budgets of the current window, in the currency: amount is lent, repaid or owed (in later windows). Reported with the borrower; absent without loans.",
            "namespace",
            "budget",
            "lender",
            "currency",
            "amount"
        );
        _ofBudgets.Add(
            (ns, name, decision) =>
            {
                var borrower = ns == AllNamespaces ? name : $"{ns}/{name}";
                foreach (var loan in decision.Loans ?? [])
                {
                    if (loan.Borrower != borrower)
                        continue;
                    foreach (
                        var (kind, amount) in (ReadOnlySpan<(string, Amount)>)
                            [("lent", loan.Lent), ("repaid", loan.Repaid), ("owed", loan.Owed)]
                    )
                        loans.Report(amount.ToDouble(), ns, name, loan.Lender, decision.Currency, kind);
                }
            }
        );
        Budget("bursar_budget_spent", "Spent in the current window, in the currency.", d => d.Spent.ToDouble(), Currency);
        Budget(
            "bursar_budget_projected",
            "Projected spending at the end of the current window, in the currency.",
            d => d.Projected.ToDouble(),
            Currency
        );
        var forecast = _registry.Gauge(
            "bursar_budget_forecast",
            "Forecast of the spending at the end of the current window with workloads to come, in the currency: bound is low, likely or high; low and high are absent while there is too little history.",
            "namespace",
            "budget",
            "currency",
            "bound"
        );
        var forecastExhausted = _registry.Gauge(
            "bursar_budget_forecast_exhausted_timestamp_seconds",
            "When the limit is reached by the forecast, as Unix time, with low the earliest; absent if the window ends first.",
            "namespace",
            "budget",
            "bound"
        );
        _ofBudgets.Add(
            (ns, name, decision) =>
            {
                if (decision.Forecast is not { } end)
                    return;
                ReadOnlySpan<(string Bound, Amount? Amount, DateTimeOffset? At)> bounds =
                [
                    ("low", end.Low, end.EarliestExhaustedAt),
                    ("likely", end.Likely, end.LikelyExhaustedAt),
                    ("high", end.High, end.LatestExhaustedAt),
                ];
                foreach (var (bound, amount, at) in bounds)
                {
                    if (amount is { } sum)
                        forecast.Report(sum.ToDouble(), ns, name, decision.Currency, bound);
                    if (at is { } time)
                        forecastExhausted.Report(time.ToUnixTimeMilliseconds() / 1000.0, ns, name, bound);
                }
            }
        );
        Budget(
            "bursar_budget_forecast_past_error_ratio",
            "Mean absolute error of the forecast in past windows, as a share of their spending; absent while there is too little history.",
            d => d.Forecast?.PastErrorPercent / 100.0
        );
        Budget(
            "bursar_budget_remaining",
            "Amount left of the limit, in the currency; negative when overspent.",
            d => d.Remaining.ToDouble(),
            Currency
        );
        Budget(
            "bursar_budget_burn_rate",
            "Cost of the budget's running workloads, in the currency per hour.",
            d => (double)d.BurnRate.NanoPerHour / 1e9,
            Currency
        );
        Budget("bursar_suspensions_not_followed", "Suspended workloads whose pods keep running.", d =>
            d.Workloads.Count(w => w.Reason == Reasons.SuspensionNotFollowed)
        );
        Budget(
            "bursar_budget_overspent",
            "Spent beyond the limit while workloads of the budget keep running, in the currency; 0 otherwise.",
            d => d.Overspent.ToDouble(),
            Currency
        );
        Budget(
            "bursar_budget_exhausted_timestamp_seconds",
            "When the budget is or was used up, as Unix time; absent if the window ends first.",
            d => d.ExhaustedAt?.ToUnixTimeMilliseconds() / 1000.0
        );
        Budget("bursar_budget_state", "1 for the state of the budget, the reason of its condition Ready.", _ => 1, ("state", d => d.State));
        Budget("bursar_budget_spent_ratio", "Spent, as a share of the limit.", d => Ratio(d.Spent.ToDouble(), d.Limit.ToDouble()));
        Budget("bursar_budget_projected_ratio", "Projected spending, as a share of the limit.", d =>
            Ratio(d.Projected.ToDouble(), d.Limit.ToDouble())
        );
        Limit(
            "bursar_sublimit_limit",
            "Limit inside a budget: gpuHours, of spec.limits, or of a value of the label in spec.perLabel, in the unit.",
            d => d.Limit.ToDouble()
        );
        Limit("bursar_sublimit_spent", "Used of the limit inside a budget in the current window, in the unit.", d => d.Spent.ToDouble());
        Limit("bursar_sublimit_projected", "Projected use of the limit inside a budget at the end of the current window, in the unit.", d =>
            d.Projected.ToDouble()
        );
        var conditions = _registry.Gauge(
            "bursar_budget_condition",
            "The budget's conditions: 1 is True, 0 is False, -1 is Unknown.",
            "namespace",
            "budget",
            "condition"
        );
        _ofBudgets.Add(
            (ns, name, decision) =>
            {
                foreach (var condition in decision.Conditions)
                    conditions.Report(
                        condition.Status is not { } status ? -1
                            : status ? 1
                            : 0,
                        ns,
                        name,
                        condition.Type
                    );
            }
        );

        Workload("bursar_workload_cost", "Spent by the workload in its budget's window, in the currency.", w => w.Spent.ToDouble());
        Workload("bursar_workload_cost_to_finish", "Likely cost of the workload to its end or the window's, in the currency.", w =>
            w.CostToFinish.ToDouble()
        );
        Workload(
            "bursar_workload_cost_per_thousand_tokens",
            "What 1,000 tokens of the workload cost in its budget's window, prompt and generated together, idle time included, in the currency.",
            w => w.UnitCosts?.ThousandTokens?.ToDouble()
        );
        Workload(
            "bursar_workload_cost_per_request",
            "What a request to the workload cost in its budget's window, idle time included, in the currency.",
            w => w.UnitCosts?.Request?.ToDouble()
        );
        Workload(
            "bursar_workload_cost_per_step",
            "Cost of a training step of the workload at its present speed and rate, in the currency.",
            w => w.UnitCosts?.Step?.ToDouble()
        );

        Workload(
            "bursar_workload_idle_since_timestamp_seconds",
            "Since when all GPUs of the workload have been idle, as Unix time; absent if they are not, or for less than spec.idle.after.",
            w => w.IdleSince?.ToUnixTimeSeconds()
        );

        Scaler("bursar_scaler_replicas", "Replicas set on the scaler's target.", d => d.Replicas);
        Scaler("bursar_scaler_wanted_replicas", "Replicas that demand asks for.", d => d.Wanted);
        Scaler("bursar_scaler_affordable_replicas", "Replicas that the budget and the cost cap cover; absent if neither limits them.", d =>
            d.Affordable
        );
        Scaler(
            "bursar_scaler_missing_cost",
            "Cost of the replicas that demand asks for and the budget does not cover, in the currency per hour.",
            d => d.IsCapped ? (double)(d.MissingPerHour?.NanoPerHour ?? 0) / 1e9 : 0
        );
        Scaler("bursar_scaler_active", "1 while a trigger of the scaler is active.", d => d.IsActive ? 1 : 0);

        _decisions = _registry.CreateCounter(
            "bursar_decisions_total",
            "Actions that were decided, by action and reason.",
            "action",
            "reason"
        );
        _reconcile = _registry.CreateHistogram(
            "bursar_reconcile_duration_seconds",
            "Time of one reconcile, by controller.",
            new HistogramConfiguration { LabelNames = ["controller"], Buckets = ReconcileBuckets }
        );
        _demandToScale = _registry.CreateHistogram(
            "bursar_scaler_demand_to_scale_seconds",
            "Time from the measurement that asked for more replicas to the scale call that was made.",
            new HistogramConfiguration { Buckets = [0.1, 0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 15, 30, 60], SuppressInitialValue = true }
        );
        _reconcileFailures = _registry.CreateCounter(
            "bursar_reconcile_failures_total",
            "Reconciles that ended in an error, by controller.",
            "controller"
        );
        _agentFailures = _registry.CreateCounter(
            "bursar_agent_failures_total",
            "Failed requests to agents and rejected reports of agents, by node and reason.",
            "node",
            "reason"
        );
        _agentGaps = _registry.CreateCounter("bursar_agent_gaps_total", "Gaps in agents' journals, by node.", "node");
        _exporterSkippedLines = _registry.CreateCounter(
            "bursar_exporter_skipped_lines_total",
            "Lines of dcgm-exporters' pages that could not be read, by node. The other lines were used.",
            "node"
        );
        _exporterFailures = _registry.CreateCounter(
            "bursar_exporter_failures_total",
            "Pages of dcgm-exporters, of nodes without an agent, that could not be read or reported no pods, by node.",
            "node"
        );

        Own();
        if (apiServer is not null)
            _api = new ApiTraffic(apiServer, _registry);
    }

    public static string Version { get; } =
        typeof(OperatorMetrics).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0.0.0";

    /// <summary>All metrics of the operator. Those of API requests exist only with an API server.</summary>
    public IReadOnlyList<Collector> Families => _registry.Families;

    public bool Leads
    {
        get => _leads;
        set => _leads = value;
    }

    /// <summary>Starts reporting the ledger's sums. Only a leader has a ledger.</summary>
    /// <param name="ledger">The ledger as loaded.</param>
    /// <param name="selectorsOf">The selectors of a namespace's budgets. Workloads that none of them selects are unbudgeted.</param>
    /// <param name="currency">The price book's currency.</param>
    public void Attach(GpuLedger ledger, Func<string, IReadOnlyList<LabelSelector>> selectorsOf, Func<string> currency) =>
        _ledger.Attach(ledger, selectorsOf, currency);

    public void WatchBudgets(Func<IEnumerable<(string Namespace, string Name, BudgetDecision Decision)>> budgets) => _budgets = budgets;

    /// <summary>Starts reporting the limits inside budgets.</summary>
    public void WatchLimits(Func<IEnumerable<(string Namespace, string Budget, string Limit, BudgetDecision Decision)>> limits) =>
        _limits = limits;

    public void WatchInvalid(Func<IEnumerable<(string Kind, string Namespace, string Name)>> invalid) => _invalid = invalid;

    /// <summary>
    /// Starts reporting the source of measurements of each node with GPU pods, and the number of nodes with an untrusted price.
    /// </summary>
    public void Watch(Func<IEnumerable<MeteringSource>> nodes, Func<int> untrusted) => (_nodes, _untrusted) = (nodes, untrusted);

    /// <summary>Starts reporting the number of objects with an unreadable field, by kind.</summary>
    public void WatchUnreadable(Func<IEnumerable<(string Kind, int Count)>> counts) => _unreadable = counts;

    /// <summary>Starts reporting whether the ledger can be written.</summary>
    /// <param name="fault">Returns why it cannot; null if it can.</param>
    public void WatchLedger(Func<string?> fault) => _ledgerFault = fault;

    /// <summary>Stops reporting the leader's metrics, because another replica now leads.</summary>
    public void Detach()
    {
        _ledger.Detach();
        lock (_gate)
        {
            _scalers.Clear();
            _agents.Clear();
        }
        (_nodes, _untrusted, _invalid, _unreadable, _ledgerFault, _budgets) = (null, null, null, null, null, null);
        _missing = 0;
        _leads = false;
    }

    /// <summary>Counts the actions of a decision. An action that is decided again before it is carried out counts once.</summary>
    /// <param name="before">The previous decision; null for the first one.</param>
    /// <param name="decision">The decision.</param>
    public void Decided(BudgetDecision? before, BudgetDecision decision)
    {
        foreach (var action in decision.Actions)
        {
            if (
                before is not null
                && before.Actions.Any(a => a.Kind == action.Kind && a.Reason == action.Reason && a.Workload.Uid == action.Workload.Uid)
            )
                continue;
            _decisions.WithLabels(LabelOf(action.Kind), action.Reason).Inc();
        }
    }

    public void Record(string ns, string name, ScalerDecision decision)
    {
        lock (_gate)
            _scalers[(ns, name)] = decision;
    }

    public void ForgetScaler(string ns, string name)
    {
        lock (_gate)
            _scalers.Remove((ns, name));
    }

    /// <summary>Records the delay between demand and a write that added replicas.</summary>
    public void ScaledUp(TimeSpan sinceDemand) => _demandToScale.Observe(Math.Max(0, sinceDemand.TotalSeconds));

    /// <summary>Writes the page of <c>/metrics</c>, in <see cref="PrometheusConstants.TextContentTypeWithVersionAndEncoding"/>.</summary>
    public Task WriteAsync(Stream stream, CancellationToken cancellationToken) => _registry.WriteAsync(stream, cancellationToken);

    public void Reconciled(string controller, TimeSpan took, bool failed)
    {
        _reconcile.WithLabels(controller).Observe(took.TotalSeconds);
        if (failed)
            _reconcileFailures.WithLabels(controller).Inc();
    }

    public void AgentAnswered(string node)
    {
        lock (_gate)
            _agents[node] = _time.GetUtcNow();
    }

    public void AgentFailed(string node, string reason) => _agentFailures.WithLabels(node, reason).Inc();

    public void AgentGap(string node) => _agentGaps.WithLabels(node).Inc();

    public void ExporterLinesSkipped(string node, int lines)
    {
        if (lines > 0)
            _exporterSkippedLines.WithLabels(node).Inc(lines);
    }

    public void ExporterFailed(string node) => _exporterFailures.WithLabels(node).Inc();

    public void AgentGone(string node)
    {
        lock (_gate)
            _agents.Remove(node);
    }

    public void AgentsMissing(int nodes) => _missing = nodes;

    public void Dispose() => _api?.Dispose();

    private static string LabelOf(ActionKind kind) =>
        kind switch
        {
            ActionKind.Suspend => "suspend",
            ActionKind.Resume => "resume",
            ActionKind.RequestCheckpoint => "request-checkpoint",
            _ => "withdraw-checkpoint",
        };

    /// <summary>Returns the ratio. With a limit of zero, any spend counts as 100 %.</summary>
    private static double Ratio(double part, double whole) =>
        whole > 0 ? part / whole
        : part > 0 ? 1
        : 0;

    private void Budget(
        string name,
        string help,
        Func<BudgetDecision, double?> value,
        params (string Name, Func<BudgetDecision, string> Value)[] more
    )
    {
        var family = _registry.Gauge(name, help, ["namespace", "budget", .. more.Select(label => label.Name)]);
        _ofBudgets.Add(
            (ns, budget, decision) =>
            {
                if (value(decision) is { } figure)
                    family.Report(figure, [ns, budget, .. more.Select(label => label.Value(decision))]);
            }
        );
    }

    private void Limit(string name, string help, Func<BudgetDecision, double> value)
    {
        var family = _registry.Gauge(name, help, "namespace", "budget", "limit", "unit");
        _ofLimits.Add((ns, budget, limit, decision) => family.Report(value(decision), ns, budget, limit, decision.Currency));
    }

    private void Workload(string name, string help, Func<WorkloadVerdict, double?> value)
    {
        var family = _registry.Gauge(name, help, "namespace", "budget", "kind", "workload", "currency");
        _ofBudgets.Add(
            (_, budget, decision) =>
            {
                foreach (var work in decision.Workloads)
                    if (value(work) is { } figure)
                        family.Report(figure, work.Key.Namespace, budget, work.Key.Kind, work.Key.Name, decision.Currency);
            }
        );
    }

    private void Scaler(string name, string help, Func<ScalerDecision, double?> value)
    {
        var family = _registry.Gauge(name, help, "namespace", "scaler");
        _ofScalers.Add(
            (ns, scaler, decision) =>
            {
                if (value(decision) is { } figure)
                    family.Report(figure, ns, scaler);
            }
        );
    }

    /// <summary>Adds metrics of the operator itself and of the objects that it watches.</summary>
    private void Own()
    {
        var lags = _registry.Gauge("bursar_agent_lag_seconds", "Time since the node's agent last answered.", "node");
        var missing = _registry.Gauge("bursar_agents_missing", "Nodes with GPU pods and no agent that answers.");
        var nodes = _registry.Gauge(
            "bursar_gpu_nodes",
            "Nodes with GPU pods, by source of measurements: agent, dcgm-exporter or none; awaited during the first minute.",
            "source"
        );
        var untrusted = _registry.Gauge(
            "bursar_untrusted_price_nodes",
            "Nodes that are not charged at the price book's rate, because it is not trusted or there is none."
        );
        var invalid = _registry.Gauge(
            "bursar_invalid_spec",
            "1 for each budget, price book and scaler whose spec is invalid; it has no effect until it is corrected.",
            "kind",
            "namespace",
            "name"
        );
        var unreadable = _registry.Gauge(
            "bursar_unreadable_objects",
            "Objects with a field of an unexpected JSON type, which reads as absent, by kind.",
            "kind"
        );
        var fault = _registry.Gauge(
            "bursar_ledger_write_fault",
            "1 while the API server rejects writes to the ledger; nothing is suspended or resumed meanwhile."
        );
        var leader = _registry.Gauge("bursar_leader", "1 while this operator leads.");
        _registry.CreateGauge("bursar_build_info", "The version that runs.", "component", "version").WithLabels("operator", Version).Set(1);
        _registry.BeforeScrape(() =>
        {
            missing.Report(_missing);
            untrusted.Report(_untrusted?.Invoke() ?? 0);
            fault.Report(_ledgerFault?.Invoke() is null ? 0 : 1);
            leader.Report(_leads ? 1 : 0);
            foreach (var one in _invalid?.Invoke() ?? [])
                invalid.Report(1, one.Kind, one.Namespace, one.Name);
            foreach (var one in _unreadable?.Invoke() ?? [])
                unreadable.Report(one.Count, one.Kind);
            if (_nodes is { } sources)
            {
                var counts = sources().CountBy(source => source).ToDictionary();
                foreach (var source in Enum.GetValues<MeteringSource>())
                    nodes.Report(counts.GetValueOrDefault(source), LabelOf(source));
            }
            var now = _time.GetUtcNow();
            lock (_gate)
            {
                foreach (var (node, answered) in _agents)
                    lags.Report(Math.Max(0, (now - answered).TotalSeconds), node);
                foreach (var (ns, name, decision) in _budgets?.Invoke() ?? [])
                foreach (var report in _ofBudgets)
                    report(ns, name, decision);
                foreach (var (ns, name, limit, decision) in _limits?.Invoke() ?? [])
                foreach (var report in _ofLimits)
                    report(ns, name, limit, decision);
                foreach (var ((ns, name), decision) in _scalers)
                foreach (var report in _ofScalers)
                    report(ns, name, decision);
            }
        });
    }

    private static string LabelOf(MeteringSource source) =>
        source switch
        {
            MeteringSource.Agent => "agent",
            MeteringSource.DcgmExporter => "dcgm-exporter",
            MeteringSource.Awaited => "awaited",
            _ => "none",
        };
}
