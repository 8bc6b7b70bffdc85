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
/// Asks every node's agent: tells it of its pods, takes its usage into the ledger and its progress to the board. An agent
/// is believed for pods bound to its own node only, and what it says is acknowledged only once it is written.
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
    private readonly string _agentNamespace;
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

    /// <param name="stores">Pods, and the owners that tell their workload.</param>
    /// <param name="ledger">Where usage goes.</param>
    /// <param name="progress">Where progress goes.</param>
    /// <param name="certificates">Who the operator is, and whom it believes.</param>
    /// <param name="metrics">Where lag, gaps and failures are counted.</param>
    /// <param name="agentNamespace">Where agents live; a pod elsewhere with their label is none.</param>
    /// <param name="random">Spreads the tries after a failure.</param>
    /// <param name="time">The clock of waits and certificates.</param>
    /// <param name="logger">Where it logs.</param>
    /// <param name="requests">The checkpoints that agents are to ask their pods for.</param>
    public AgentCollector(
        ClusterStores stores,
        GpuLedger ledger,
        ProgressTracker progress,
        CertificateController certificates,
        OperatorMetrics metrics,
        string agentNamespace,
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
        _agentNamespace = agentNamespace;
        _random = random;
        _time = time;
        _logger = logger;
        _changed = new(time, "a change of agents");
    }

    /// <summary>Work of this namespace has moved on.</summary>
    public event Action<string>? Progressed;

    /// <summary>The ledger has counted something new of a node's agent.</summary>
    public event Action<string>? Counted;

    /// <summary>A node's agent told what the driver calls its GPUs.</summary>
    public event Action<string, string>? Named;

    /// <summary>A node's agent told its signals; only nodes with pods that are scaled are asked.</summary>
    public event Action<string, SignalReport>? Signalled;

    /// <summary>
    /// Which pods something scales by: their signals are asked for. None, unless set; <see cref="ScaledChanged"/> tells that it answers
    /// otherwise.
    /// </summary>
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

    /// <summary>The nodes with pods that hold GPUs.</summary>
    internal IReadOnlyList<string> GpuNodes => _pods.Nodes;

    /// <summary>Who measures, where the node's agent answered last time; null where it did not.</summary>
    internal MeteringSource? SourceOf(string node)
    {
        lock (_gate)
        {
            return !_sessions.TryGetValue(node, out var running) || !running.Session.Answers
                ? null
                : running.Session.Source switch
                {
                    UsageReport.NoSource => MeteringSource.Nobody,
                    UsageReport.DcgmSource => MeteringSource.DcgmExporter,
                    _ => MeteringSource.Agent,
                };
        }
    }

    /// <summary>Whether an agent stands ready on the node.</summary>
    internal bool HasOn(string node)
    {
        lock (_gate)
            return _agents.Values.Any(pod => pod.Spec.NodeName == node && AgentPod.Of(pod) is not null);
    }

    /// <summary>When the workload's pods last wrote a checkpoint, where one of them told an agent so; also after they ended.</summary>
    public DateTimeOffset? CheckpointAt(string workloadUid) => _checkpoints.TryGetValue(workloadUid, out var at) ? at : null;

    /// <summary>Runs until cancelled, for as long as this operator leads; once.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            _certificates.Changed += _changed.Set;
            _requests.Changed += NotifyAll;
            _stores.Pods.AddHandler(
                new()
                {
                    Added = pod => See(pod, gone: false),
                    Updated = (_, pod) => See(pod, gone: false),
                    Deleted = pod => See(pod, gone: true),
                }
            );
            foreach (var kind in _stores.Kinds)
                kind.Watch(_ => { }, gone => _checkpoints.TryRemove(gone.Metadata.Uid, out _));
            await PeriodicLoop.RunAsync(
                _time,
                "agents",
                async token =>
                {
                    await HandleAsync(token);
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

    private void See(V1Pod pod, bool gone)
    {
        if (AgentPod.IsOne(pod, _agentNamespace))
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
        if (_pods.See(pod, gone) is not { } node)
            return;
        AgentSession? session;
        lock (_gate)
            session = _sessions.GetValueOrDefault(node)?.Session;
        session?.TargetsChanged();
        // A node's first pod, or its last, changes who is missing.
        if (session is null)
            _changed.Set();
    }

    /// <summary>Brings the sessions in line with the agents that there are.</summary>
    private async Task HandleAsync(CancellationToken cancellationToken)
    {
        var trust = _certificates.Trust;
        var wanted = new Dictionary<string, AgentPod>(StringComparer.Ordinal);
        if (trust is not null)
        {
            V1Pod[] pods;
            lock (_gate)
                pods = [.. _agents.Values];
            // During an update a node may show two; the newer one has the journal.
            foreach (var pod in pods.OrderBy(p => p.Metadata.CreationTimestamp).ThenBy(p => p.Metadata.Uid, StringComparer.Ordinal))
                if (AgentPod.Of(pod) is { } agent)
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

    /// <summary>The node's targets as they are now, and whether anything about them is still unknown.</summary>
    internal (TargetList List, bool Complete) Targets(string node)
    {
        var complete = true;
        WorkloadClass? ClassOf(V1Pod pod)
        {
            var top = PodWorkload.Of(pod, _stores);
            complete &= top is not null;
            return top?.Class;
        }
        return (AgentTargets.Of(_pods.On(node), ClassOf, Wanted, IsScaled), complete);
    }

    /// <summary>Other pods are scaled than before.</summary>
    public void ScaledChanged() => NotifyAll();

    /// <summary>Whether the node hosts a pod that something scales by.</summary>
    internal bool WantsSignals(string node) => _pods.On(node).Any(IsScaled);

    /// <summary>Hands signals on. False when they were not believed.</summary>
    internal bool Take(string node, SignalReport report)
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
        PodWorkload.Of(pod, _stores) is { } top && _requests.Of(top.Key.Uid) is { } request
            ? new()
            {
                Id = request.Id,
                Requested = request.Requested,
                Deadline = request.Deadline,
            }
            : null;

    /// <summary>Requests are rare: whose pods they concern is found out by whoever tells them.</summary>
    private void NotifyAll()
    {
        lock (_gate)
            foreach (var running in _sessions.Values)
                running.Session.TargetsChanged();
    }

    /// <summary>How far the node's journal is safely written.</summary>
    internal JournalCursor? Cursor(string node) => _ledger.DurableCursor(node);

    /// <summary>Takes a report in. False when it was not believed.</summary>
    internal bool Take(string node, UsageReport report, JournalCursor? after)
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
        var moved = new HashSet<string>(StringComparer.Ordinal);
        foreach (var sample in report.Progress)
            if (Progress(node, sample) is { } ns)
                moved.Add(ns);
        // A report that is read again says nothing new.
        if (outcome.Applied > 0)
            foreach (var sample in report.Checkpoints)
                if (_stores.Pods.Store.GetByUid(sample.PodUid) is { Metadata.Namespace: { } of })
                    moved.Add(of);
        foreach (var ns in moved)
            Progressed?.Invoke(ns);
        return true;
    }

    /// <summary>The namespace whose work moved; null when the sample says nothing new, or nothing that is believed.</summary>
    private string? Progress(string node, ProgressSample sample)
    {
        // A pod that has left the cache needs no forecast any more.
        if (_stores.Pods.Store.GetByUid(sample.PodUid) is not { } pod)
            return null;
        if (pod.Spec.NodeName != node)
        {
            _metrics.AgentFailed(node, "foreign-pod");
            LogForeignPod(node, sample.PodUid);
            return null;
        }
        if (PodWorkload.Of(pod, _stores) is not { } top)
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

    /// <summary>How long to wait before the next try.</summary>
    internal TimeSpan Backoff(int failures)
    {
        var wait = TimeSpan.FromTicks(Math.Min(LongestBackoff.Ticks, FirstBackoff.Ticks << Math.Min(failures - 1, 10)));
        // Many agents that went together must not come back together.
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
