using Bursar.Agent.Dcgm;
using Bursar.Concurrency;
using Bursar.Core.Ledger;
using Bursar.Core.Prices;
using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Reads the dcgm-exporters of nodes that hold GPU pods and have no agent, and tells the ledger what it saw. A node's agent goes first:
/// from its coming on nothing of the exporter is taken, and an agent that merely restarts is waited for.
/// </summary>
internal sealed partial class ExporterReader : IDisposable
{
    /// <summary>The exporter itself reads the GPUs every half minute.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);

    /// <summary>How long an agent that is not ready is taken to measure on into its journal.</summary>
    public static readonly TimeSpan AgentsReturn = TimeSpan.FromMinutes(2);

    /// <summary>
    /// One page may be lost; an exporter that stays silent is asked this often, so that many of them do not hold up the others.
    /// </summary>
    private static readonly TimeSpan UnreachableInterval = TimeSpan.FromMinutes(1);

    private const int AtOnce = 32;

    private readonly ExporterSelection _selection;
    private readonly ClusterStores _stores;
    private readonly GpuLedger _ledger;
    private readonly OperatorMetrics _metrics;
    private readonly string _agentNamespace;
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

    /// <param name="selection">Which pods are exporters.</param>
    /// <param name="stores">Pods.</param>
    /// <param name="ledger">Where usage goes.</param>
    /// <param name="metrics">Where failures are counted.</param>
    /// <param name="agentNamespace">Where agents live.</param>
    /// <param name="time">The clock of the pages.</param>
    /// <param name="logger">Where it logs.</param>
    public ExporterReader(
        ExporterSelection selection,
        ClusterStores stores,
        GpuLedger ledger,
        OperatorMetrics metrics,
        string agentNamespace,
        TimeProvider time,
        ILogger<ExporterReader> logger
    )
    {
        _selection = selection;
        _stores = stores;
        _pods = new(stores.Gpus);
        _ledger = ledger;
        _metrics = metrics;
        _agentNamespace = agentNamespace;
        _time = time;
        _logger = logger;
        _scraper = new(time);
        _changed = new(time, "an exporter");
    }

    /// <summary>A node's exporter told what the driver calls its GPUs.</summary>
    public event Action<string, string>? Named;

    /// <summary>When the node's exporter last told of its pods; null where none does.</summary>
    public DateTimeOffset? ServedAt(string node)
    {
        lock (_gate)
            return _served.TryGetValue(node, out var at) ? at : null;
    }

    /// <summary>Whether an exporter stands ready on the node.</summary>
    internal bool HasOn(string node)
    {
        lock (_gate)
            return _exporters.Values.Any(pod => pod.Spec.NodeName == node && ExporterPod.Of(pod) is not null);
    }

    /// <summary>Runs until cancelled, for as long as this operator leads; once.</summary>
    public Task RunAsync(CancellationToken cancellationToken)
    {
        _stores.Pods.AddHandler(
            new()
            {
                Added = pod => See(pod, gone: false),
                Updated = (_, pod) => See(pod, gone: false),
                Deleted = pod => See(pod, gone: true),
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

    /// <summary>One page of every exporter that is to be read.</summary>
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
                if (ExporterPod.Of(pod) is { } exporter && !withAgent.Contains(exporter.Node))
                    wanted[exporter.Node] = exporter;
        }
        foreach (var node in wanted.Keys.Except(_pods.Nodes, StringComparer.Ordinal).ToArray())
            wanted.Remove(node);
        foreach (var node in Known().Where(node => !wanted.ContainsKey(node)))
            Drop(node, withAgent.Contains(node));
        ExporterPod[] asked;
        lock (_gate)
            asked =
            [
                .. wanted.Values.Where(exporter =>
                    !(_faults.TryGetValue(exporter.Node, out var fault) && fault.Times > 1 && now - fault.Last < UnreachableInterval)
                ),
            ];
        await TaskGroup.ForEachAsync(_time, asked, AtOnce, ReadAsync, cancellationToken);
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
            _ledger.RecordSeen(node, account.Take(page, pods, now));
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
            // Just started, or without DCGM_EXPORTER_KUBERNETES: the devices are read, and nobody knows for whom they work.
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
    /// An agent that runs writes its journal whether or not it can be asked; one that has not come back for long, or has yet to start, does
    /// not.
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

    internal void See(V1Pod pod, bool gone)
    {
        _pods.See(pod, gone);
        var agent = AgentPod.IsOne(pod, _agentNamespace);
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
        // At once: one that is gone again before the next page has measured all the same.
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
