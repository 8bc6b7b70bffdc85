using Bursar.Agent.Dcgm;
using Bursar.Concurrency;
using Bursar.Core.Ledger;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Reads the dcgm-exporters of nodes with GPU pods and without an agent and records their usage in the ledger. An agent takes precedence
/// from its start, and an agent that restarts is waited for.
/// </summary>
internal sealed partial class ExporterReader : IDisposable
{
    /// <summary>The exporter itself samples the GPUs every 30 s.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);

    /// <summary>How long an agent that is not ready is assumed to continue its journal.</summary>
    public static readonly TimeSpan AgentsReturn = TimeSpan.FromMinutes(2);

    /// <summary>
    /// Interval for an exporter that failed repeatedly, so that many of them do not delay others. A single failure is ignored.
    /// </summary>
    private static readonly TimeSpan UnreachableInterval = TimeSpan.FromMinutes(1);

    private const int AtOnce = 32;

    private readonly ExporterSelection _selection;
    private readonly ClusterStores _stores;
    private readonly GpuLedger _ledger;
    private readonly OperatorMetrics _metrics;
    private readonly AgentSelection _agentSelection;
    private readonly TimeProvider _time;
    private readonly ILogger<ExporterReader> _logger;
    private readonly DcgmScraper _scraper;
    private readonly AsyncAutoResetEvent _changed;
    private readonly GpuPods _pods;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, V1Pod> _exporters = new(StringComparer.Ordinal);
    private readonly Dictionary<string, V1Pod> _agents = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ExporterAccount> _accounts = new(StringComparer.Ordinal);
    private readonly Dictionary<string, DateTimeOffset> _served = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (string Fault, int Times, DateTimeOffset Last)> _faults = new(StringComparer.Ordinal);

    /// <param name="selection">Selects the exporters.</param>
    /// <param name="stores">The cache of pods.</param>
    /// <param name="ledger">Records usage.</param>
    /// <param name="metrics">Counts failures.</param>
    /// <param name="agentSelection">The pods that are agents.</param>
    public ExporterReader(
        ExporterSelection selection,
        ClusterStores stores,
        GpuLedger ledger,
        OperatorMetrics metrics,
        AgentSelection agentSelection,
        TimeProvider time,
        ILogger<ExporterReader> logger
    )
    {
        _selection = selection;
        _stores = stores;
        _pods = new(stores.Gpus);
        _ledger = ledger;
        _metrics = metrics;
        _agentSelection = agentSelection;
        _time = time;
        _logger = logger;
        _scraper = new(time);
        _changed = new(time, "an exporter");
    }

    /// <summary>Raised with a node and the driver's name of its GPUs.</summary>
    public event Action<string, string>? Named;

    /// <summary>Raised with a node and the usage that its exporter showed.</summary>
    public event Action<string, IReadOnlyList<UsageInterval>>? Measured;

    /// <summary>Returns when the node's exporter last reported pods; null if it does not.</summary>
    public DateTimeOffset? ServedAt(string node)
    {
        lock (_gate)
            return _served.TryGetValue(node, out var at) ? at : null;
    }

    /// <summary>Whether a ready exporter exists on the node.</summary>
    internal bool HasOn(string node)
    {
        lock (_gate)
            return _exporters.Values.Any(pod => pod.Spec.NodeName == node && ExporterPod.From(pod) is not null);
    }

    /// <summary>Runs until cancelled, while this replica leads. Call it once.</summary>
    public Task RunAsync(CancellationToken cancellationToken)
    {
        _stores.Pods.AddHandler(
            new()
            {
                Added = pod => Handle(pod, gone: false),
                Updated = (_, pod) => Handle(pod, gone: false),
                Deleted = pod => Handle(pod, gone: true),
            }
        );
        return PeriodicLoop.RunAsync(
            _time,
            "dcgm-exporters",
            async token =>
            {
                await ReadAsync(token);
                lock (_gate)
                    if (_exporters.Count > 0)
                        return Interval;
                await _changed.WaitAsync(token);
                return TimeSpan.Zero;
            },
            cancellationToken
        );
    }

    public void Dispose() => _scraper.Dispose();

    internal async Task ReadAsync(CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        var wanted = new Dictionary<string, ExporterPod>(StringComparer.Ordinal);
        HashSet<string> withAgent;
        lock (_gate)
        {
            withAgent = [.. _agents.Values.Where(pod => MayMeasure(pod, now)).Select(pod => pod.Spec.NodeName!)];
            foreach (
                var pod in _exporters.Values.OrderBy(p => p.Metadata.CreationTimestamp).ThenBy(p => p.Metadata.Uid, StringComparer.Ordinal)
            )
                if (ExporterPod.From(pod) is { } exporter && !withAgent.Contains(exporter.Node))
                    wanted[exporter.Node] = exporter;
        }
        foreach (var node in wanted.Keys.Except(_pods.Nodes, StringComparer.Ordinal).ToArray())
            wanted.Remove(node);
        foreach (var node in Known().Where(node => !wanted.ContainsKey(node)))
            Drop(node, withAgent.Contains(node));
        ExporterPod[] due;
        lock (_gate)
            due =
            [
                .. wanted.Values.Where(exporter =>
                    !(_faults.TryGetValue(exporter.Node, out var fault) && fault.Times > 1 && now - fault.Last < UnreachableInterval)
                ),
            ];
        await TaskGroup.ForEachAsync(_time, due, AtOnce, ReadAsync, cancellationToken);
    }

    private async Task ReadAsync(ExporterPod exporter, CancellationToken cancellationToken)
    {
        var node = exporter.Node;
        string fault;
        try
        {
            var page = await _scraper.ReadAsync(exporter.Address, cancellationToken);
            _metrics.ExporterLinesSkipped(node, page.SkippedLines);
            var now = _time.GetUtcNow();
            bool agent;
            ExporterAccount? account;
            lock (_gate)
            {
                agent = _agents.Values.Any(pod => pod.Spec.NodeName == node && MayMeasure(pod, now));
                if (!_accounts.TryGetValue(node, out account))
                    _accounts.Add(node, account = new());
            }
            if (agent)
            {
                Drop(node, agentCame: true);
                return;
            }
            if (
                NodeDevices.ProductNamed(page.Devices.Where(device => device.ParentUuid is null).Select(device => device.Name)) is
                { } product
            )
                Named?.Invoke(node, product);
            var pods = _pods.On(node);
            var seen = account.Accept(page, pods, now);
            _ledger.RecordSeen(node, seen);
            Measured?.Invoke(node, seen);
            if (page.Pods.Count > 0)
            {
                lock (_gate)
                {
                    if (_served.TryAdd(node, now))
                        LogServes(node, exporter.Address.ToString());
                    _served[node] = now;
                    _faults.Remove(node);
                }
                return;
            }
            // It just started, or runs without DCGM_EXPORTER_KUBERNETES, so its usage cannot be attributed.
            fault = page.Devices.Count == 0 ? "it shows no GPU" : "it names no pods";
        }
        catch (Exception exception) when (exception is HttpRequestException or IOException or TimeoutException or PrometheusFormatException)
        {
            fault = exception.GetBaseException().Message;
        }
        _metrics.ExporterFailed(node);
        lock (_gate)
        {
            var known = _faults.GetValueOrDefault(node);
            _faults[node] = (fault, known.Times + 1, _time.GetUtcNow());
            if (known.Fault == fault)
                return;
        }
        LogFault(node, exporter.Address.ToString(), fault);
    }

    /// <summary>
    /// Whether the agent pod may be writing its journal. A running agent does so even if it cannot be polled. One that has not been ready
    /// for long, or has not started, does not.
    /// </summary>
    private static bool MayMeasure(V1Pod pod, DateTimeOffset now) =>
        pod.Spec.NodeName is { Length: > 0 }
        && pod.Status.Phase is not ("Pending" or "Succeeded" or "Failed")
        && (pod.Status.Condition("Ready") is not { Status: not "True", LastTransitionTime: { } since } || now - since < AgentsReturn);

    private string[] Known()
    {
        lock (_gate)
            return [.. _accounts.Keys.Union(_served.Keys, StringComparer.Ordinal).Union(_faults.Keys, StringComparer.Ordinal)];
    }

    private void Drop(string node, bool agentCame)
    {
        ExporterAccount? account;
        lock (_gate)
        {
            _accounts.Remove(node, out account);
            _served.Remove(node);
            _faults.Remove(node);
        }
        if (account is null || agentCame)
            return;
        _ledger.RecordSeen(node, account.Close());
    }

    internal void Handle(V1Pod pod, bool gone)
    {
        _pods.Handle(pod, gone);
        var agent = _agentSelection.Matches(pod);
        if (!agent && !_selection.Matches(pod))
            return;
        lock (_gate)
        {
            var known = agent ? _agents : _exporters;
            if (gone)
                known.Remove(pod.Metadata.Uid);
            else
                known[pod.Metadata.Uid] = pod;
        }
        if (!agent)
            _changed.Set();
        // Drop at once, because an agent that is gone before the next page has measured nevertheless.
        else if (!gone && MayMeasure(pod, _time.GetUtcNow()))
            Drop(pod.Spec.NodeName!, agentCame: true);
    }

    [LoggerMessage(
        Level = LogLevel.Information,
        Message = "Reading dcgm-exporter of a node without an agent: Node={Node} Address={Address}"
    )]
    private partial void LogServes(string node, string address);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Reading dcgm-exporter failed: Node={Node} Address={Address} Fault={Fault}")]
    private partial void LogFault(string node, string address, string fault);
}
