using System.Collections.Concurrent;
using Bursar.Agent.Endpoints;
using Bursar.Concurrency;
using Bursar.Core.Decisions;
using Bursar.Core.Forecast;
using Bursar.Core.Ledger;
using Bursar.Core.Usage;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;
using Microsoft.Extensions.Logging;

namespace Bursar.Operator.Telemetry;

/// <summary>
/// Polls the agents of all nodes. It sends each agent its targets, records its usage in the ledger and its progress in the tracker. Reports
/// about pods of other nodes are rejected. The cursor advances only to what is written.
/// </summary>
internal sealed partial class AgentCollector
{
    private static readonly TimeSpan FirstBackoff = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LongestBackoff = TimeSpan.FromSeconds(30);

    private readonly ClusterStores _stores;
    private readonly GpuLedger _ledger;
    private readonly ProgressTracker _progress;
    private readonly CertificateController _certificates;
    private readonly OperatorMetrics _metrics;
    private readonly AgentSelection _selection;
    private readonly Random _random;
    private readonly TimeProvider _time;
    private readonly ILogger<AgentCollector> _logger;
    private readonly GpuPods _pods;
    private readonly CheckpointTracker _requests;
    private readonly AsyncAutoResetEvent _changed;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, V1Pod> _agents = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Running> _sessions = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, DateTimeOffset> _checkpoints = new(StringComparer.Ordinal);

    /// <param name="stores">The caches of pods and their owners.</param>
    /// <param name="ledger">Records usage.</param>
    /// <param name="progress">Records progress.</param>
    /// <param name="certificates">The operator's certificate and the trusted authorities.</param>
    /// <param name="metrics">Counts lag, gaps and failures.</param>
    /// <param name="selection">The pods that are agents. Pods of other namespaces with their label are ignored.</param>
    /// <param name="random">Jitter of the back-off.</param>
    /// <param name="requests">The checkpoints that agents must request from their pods.</param>
    public AgentCollector(
        ClusterStores stores,
        GpuLedger ledger,
        ProgressTracker progress,
        CertificateController certificates,
        OperatorMetrics metrics,
        AgentSelection selection,
        Random random,
        TimeProvider time,
        ILogger<AgentCollector> logger,
        CheckpointTracker? requests = null
    )
    {
        _requests = requests ?? new();
        _stores = stores;
        _pods = new(stores.Gpus);
        _ledger = ledger;
        _progress = progress;
        _certificates = certificates;
        _metrics = metrics;
        _selection = selection;
        _random = random;
        _time = time;
        _logger = logger;
        _changed = new(time, "a change of agents");
    }

    /// <summary>Raised with a namespace when a workload in it reported progress.</summary>
    public event Action<string>? Progressed;

    /// <summary>Raised with a node when the ledger recorded new usage of its agent.</summary>
    public event Action<string>? Counted;

    /// <summary>Raised with a node and the driver's name of its GPUs.</summary>
    public event Action<string, string>? Named;

    /// <summary>Raised with a node and the usage that its agent reported.</summary>
    public event Action<string, IReadOnlyList<UsageInterval>>? Measured;

    /// <summary>Raised with a node and its signals. Only nodes with scaled pods are queried.</summary>
    public event Action<string, SignalReport>? Signalled;

    /// <summary>Whether a scaler uses a pod's signals. None by default. Call <see cref="ScaledChanged"/> when the answer changes.</summary>
    public Func<V1Pod, bool> IsScaled { get; set; } = _ => false;

    public AgentHealth Health
    {
        get
        {
            lock (_gate)
            {
                string[] answering = [.. _sessions.Where(s => s.Value.Session.Answers).Select(s => s.Key).Order(StringComparer.Ordinal)];
                return new(answering, [.. _pods.Nodes.Except(answering, StringComparer.Ordinal)]);
            }
        }
    }

    internal IReadOnlyList<string> GpuNodes => _pods.Nodes;

    /// <summary>Returns the source that the node's agent measures with; null if its last poll failed.</summary>
    internal MeteringSource? SourceOf(string node)
    {
        lock (_gate)
        {
            return !_sessions.TryGetValue(node, out var running) || !running.Session.Answers
                ? null
                : running.Session.Source switch
                {
                    UsageReport.NoSource => MeteringSource.None,
                    UsageReport.DcgmSource => MeteringSource.DcgmExporter,
                    _ => MeteringSource.Agent,
                };
        }
    }

    /// <summary>Whether a ready agent exists on the node.</summary>
    internal bool HasOn(string node)
    {
        lock (_gate)
            return _agents.Values.Any(pod => pod.Spec.NodeName == node && AgentPod.From(pod) is not null);
    }

    /// <summary>
    /// Returns the time of a workload's latest checkpoint that an agent reported, even after its pods ended; null if there is none.
    /// </summary>
    public DateTimeOffset? CheckpointAt(string workloadUid) => _checkpoints.TryGetValue(workloadUid, out var at) ? at : null;

    /// <summary>Runs until cancelled, while this replica leads. Call it once.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            _certificates.Changed += _changed.Set;
            _requests.Changed += NotifyAll;
            _stores.Pods.AddHandler(
                new()
                {
                    Added = pod => Handle(pod, gone: false),
                    Updated = (_, pod) => Handle(pod, gone: false),
                    Deleted = pod => Handle(pod, gone: true),
                }
            );
            foreach (var kind in _stores.Kinds)
                kind.Watch(_ => { }, gone => _checkpoints.TryRemove(gone.Metadata.Uid, out _));
            await PeriodicLoop.RunAsync(
                _time,
                "agents",
                async token =>
                {
                    await UpdateSessionsAsync(token);
                    await _changed.WaitAsync(token);
                    return TimeSpan.Zero;
                },
                cancellationToken
            );
        }
        finally
        {
            _certificates.Changed -= _changed.Set;
            _requests.Changed -= NotifyAll;
            foreach (var node in Nodes())
                await DropAsync(node);
        }
    }

    private void Handle(V1Pod pod, bool gone)
    {
        if (_selection.Matches(pod))
        {
            lock (_gate)
            {
                if (gone)
                    _agents.Remove(pod.Metadata.Uid);
                else
                    _agents[pod.Metadata.Uid] = pod;
            }
            _changed.Set();
        }
        if (_pods.Handle(pod, gone) is not { } node)
            return;
        AgentSession? session;
        lock (_gate)
            session = _sessions.GetValueOrDefault(node)?.Session;
        session?.TargetsChanged();
        // A node's first or last pod changes the list of missing agents.
        if (session is null)
            _changed.Set();
    }

    /// <summary>Starts and stops sessions so that they match the agents.</summary>
    private async Task UpdateSessionsAsync(CancellationToken cancellationToken)
    {
        var trust = _certificates.Trust;
        var wanted = new Dictionary<string, AgentPod>(StringComparer.Ordinal);
        if (trust is not null)
        {
            V1Pod[] pods;
            lock (_gate)
                pods = [.. _agents.Values];
            // During an update a node may have two agents. The newer one has the journal.
            foreach (var pod in pods.OrderBy(p => p.Metadata.CreationTimestamp).ThenBy(p => p.Metadata.Uid, StringComparer.Ordinal))
                if (AgentPod.From(pod) is { } agent)
                    wanted[agent.Node] = agent;
        }
        foreach (var node in Nodes())
        {
            Running running;
            lock (_gate)
                running = _sessions[node];
            if (!wanted.TryGetValue(node, out var agent) || running.Session.Agent != agent || running.Session.Trust != trust)
                await DropAsync(node);
        }
        foreach (var (node, agent) in wanted)
        {
            lock (_gate)
                if (_sessions.ContainsKey(node))
                    continue;
            var session = new AgentSession(agent, trust!, this, _time, _logger);
            var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            lock (_gate)
                _sessions[node] = new(session, TaskGroup.Start(_time, $"agent of {node}", () => session.RunAsync(stop.Token)), stop);
        }
        _metrics.AgentsMissing(Health.Missing.Count);
    }

    private string[] Nodes()
    {
        lock (_gate)
            return [.. _sessions.Keys];
    }

    private async Task DropAsync(string node)
    {
        Running? running;
        lock (_gate)
            _sessions.Remove(node, out running);
        if (running is null)
            return;
        await running.Stop.CancelAsync();
        await running.Loop;
        running.Stop.Dispose();
        _metrics.AgentGone(node);
    }

    /// <summary>Returns the node's current targets, and whether all owners are known.</summary>
    internal (TargetList List, bool Complete) Targets(string node)
    {
        var complete = true;
        WorkloadClass? ClassOf(V1Pod pod)
        {
            var top = PodWorkload.From(pod, _stores);
            complete &= top is not null;
            return top?.Class;
        }
        return (AgentTargets.Create(_pods.On(node), ClassOf, Wanted, IsScaled), complete);
    }

    /// <summary>Must be called when other pods are scaled than before.</summary>
    public void ScaledChanged() => NotifyAll();

    /// <summary>Whether the node hosts a scaled pod.</summary>
    internal bool WantsSignals(string node) => _pods.On(node).Any(IsScaled);

    /// <summary>Passes on signals. Returns false if they were rejected.</summary>
    internal bool Record(string node, SignalReport report)
    {
        if (report.Node != node)
        {
            _metrics.AgentFailed(node, "foreign-node");
            LogForeignNode(node, report.Node);
            return false;
        }
        Signalled?.Invoke(node, report);
        return true;
    }

    private CheckpointWanted? Wanted(V1Pod pod) =>
        PodWorkload.From(pod, _stores) is { } top && _requests.Get(top.Key.Uid) is { } request
            ? new()
            {
                Id = request.Id,
                Requested = request.Requested,
                Deadline = request.Deadline,
            }
            : null;

    /// <summary>Notifies all sessions. Requests are rare, so each session finds out whether its pods are concerned.</summary>
    private void NotifyAll()
    {
        lock (_gate)
            foreach (var running in _sessions.Values)
                running.Session.TargetsChanged();
    }

    /// <summary>Returns the position up to which the node's journal is durably written.</summary>
    internal JournalCursor? Cursor(string node) => _ledger.DurableCursor(node);

    /// <summary>Records a report. Returns false if it was rejected.</summary>
    internal bool Record(string node, UsageReport report, JournalCursor? after)
    {
        if (report.Node != node)
        {
            _metrics.AgentFailed(node, "foreign-node");
            LogForeignNode(node, report.Node);
            return false;
        }
        if (report.Product is { Length: > 0 and <= 63 } product)
            Named?.Invoke(node, product);
        var settled = report with { Intervals = ReservedUsage.Settle(report.Intervals, _pods.On(node)) };
        var outcome = _ledger.Record(settled, after);
        if (outcome.Gap is { } gap)
        {
            _metrics.AgentGap(node);
            LogGap(node, gap);
        }
        if (outcome.Refused)
        {
            _metrics.AgentFailed(node, "beyond-cursor");
            LogBeyond(node, after?.ToString() ?? "");
            return false;
        }
        if (outcome.Applied > 0)
            Counted?.Invoke(node);
        Measured?.Invoke(node, settled.Intervals);
        var moved = new HashSet<string>(StringComparer.Ordinal);
        foreach (var sample in report.Progress)
            if (Progress(node, sample) is { } ns)
                moved.Add(ns);
        // A report that is read again has no new checkpoints.
        if (outcome.Applied > 0)
            foreach (var sample in report.Checkpoints)
                if (_stores.Pods.Store.GetByUid(sample.PodUid) is { Metadata.Namespace: { } of })
                    moved.Add(of);
        foreach (var ns in moved)
            Progressed?.Invoke(ns);
        return true;
    }

    /// <summary>Records a sample. Returns the namespace if the sample was new and valid, otherwise null.</summary>
    private string? Progress(string node, ProgressSample sample)
    {
        // A pod that is no longer cached needs no forecast.
        if (_stores.Pods.Store.GetByUid(sample.PodUid) is not { } pod)
            return null;
        if (pod.Spec.NodeName != node)
        {
            _metrics.AgentFailed(node, "foreign-pod");
            LogForeignPod(node, sample.PodUid);
            return null;
        }
        if (PodWorkload.From(pod, _stores) is not { } top)
            return null;
        var checkpointed = false;
        if (sample.CheckpointAt is { } at)
        {
            var latest = _checkpoints.AddOrUpdate(top.Key.Uid, at, (_, known) => known > at ? known : at);
            checkpointed = latest == at;
        }
        return _progress.Report(top.Key.Uid, sample.PodUid, new ProgressPoint(sample.At, sample.Step, sample.Total)) || checkpointed
            ? top.Key.Namespace
            : null;
    }

    internal void Answered(AgentSession session)
    {
        _metrics.AgentAnswered(session.Agent.Node);
        _metrics.AgentsMissing(Health.Missing.Count);
    }

    internal void Failed(AgentSession session, string reason)
    {
        _metrics.AgentFailed(session.Agent.Node, reason);
        _metrics.AgentsMissing(Health.Missing.Count);
    }

    /// <summary>Returns the delay before the next try, with jitter.</summary>
    internal TimeSpan Backoff(int failures)
    {
        var wait = TimeSpan.FromTicks(Math.Min(LongestBackoff.Ticks, FirstBackoff.Ticks << Math.Min(failures - 1, 10)));
        // Agents that failed together must not be polled together again.
        lock (_random)
            return wait * (0.5 + _random.NextDouble());
    }

    private sealed record Running(AgentSession Session, Task Loop, CancellationTokenSource Stop);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Rejected agent report for another node: Node={Node} ReportedNode={ReportedNode}")]
    private partial void LogForeignNode(string node, string reportedNode);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Rejected agent report for a pod of another node: Node={Node} PodUid={PodUid}")]
    private partial void LogForeignPod(string node, string podUid);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Agent journal has a gap: Node={Node} Gap={Gap}")]
    private partial void LogGap(string node, string gap);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Rejected agent report that begins after the ledger's cursor: Node={Node} After={After}"
    )]
    private partial void LogBeyond(string node, string after);
}
