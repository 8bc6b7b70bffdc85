using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Bursar.Agent.Endpoints;
using Bursar.Concurrency;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Sandbox.Controllers;
using Microsoft.Extensions.Logging;

namespace Bursar.Sandbox.Nodes;

/// <summary>
/// Simulates nodes with GPUs and their pods, as a client of the Sandbox or of a real API server. It binds pods (optional), runs, ends and
/// reports them, sends heartbeats, and hosts Bursar's agents. A single worker does all of it, woken by the watch or by one timer for each
/// pod's next change, so that its actions depend only on the order of events.
/// </summary>
public sealed partial class NodeSimulator : IAsyncDisposable
{
    private const string AgentLabel = "app.kubernetes.io/name";
    private const string AgentName = "bursar-agent";

    private readonly KubeClient _client;
    private readonly NodeSimulatorOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly WorkQueue<SimulatorKey> _queue;
    private readonly Informer<NodePod> _pods;
    private readonly Informer<V1Secret>? _secrets;
    private readonly NodeScheduler _scheduler;
    private readonly NodeKubelet _kubelet;
    private readonly ProgressReporter _reporter;
    private readonly LoopbackAddresses _addresses = new();
    private readonly CheckpointStore _checkpoints = new();
    private readonly AgentFolders? _folders;
    private readonly ConcurrentDictionary<string, SimulatedNode> _nodes = new(StringComparer.Ordinal);
    private readonly List<SimulatedNode> _fleet = [];
    private readonly ConcurrentDictionary<ObjectKey, Hosted> _hosted = new();
    private volatile IReadOnlyList<(string Namespace, IReadOnlyDictionary<string, string> Labels, ServedLoad Load)> _loads = [];
    private Task _running = Task.CompletedTask;

    private NodeSimulator(KubeClient client, NodeSimulatorOptions options)
    {
        _client = client;
        _options = options;
        _time = client.TimeProvider;
        _log = client.LoggerFactory.CreateLogger<NodeSimulator>();
        _queue = new WorkQueue<SimulatorKey>(_time, new BackoffOptions { Longest = TimeSpan.FromSeconds(10) });
        _pods = new Informer<NodePod>(client);
        _scheduler = new NodeScheduler(client, _pods.Store, options, () => _fleet);
        _kubelet = new NodeKubelet(client, options);
        _reporter = new ProgressReporter(client);
        if (options.Agents is { } agents)
        {
            _folders = new AgentFolders();
            _secrets = new Informer<V1Secret>(
                client,
                new InformerOptions { Namespace = agents.Namespace, FieldSelector = $"metadata.name={agents.Secret}" }
            );
        }

        foreach (var fleet in options.Fleet)
        {
            var node = new SimulatedNode(fleet, _addresses.Next(), options.Seed, _time.GetUtcNow());
            if (!_nodes.TryAdd(fleet.Name, node))
                throw new ArgumentException($"Two nodes of the fleet are called {fleet.Name}.", nameof(options));
            _fleet.Add(node);
        }
    }

    /// <summary>Starts the simulator. Returns when the nodes are Ready and the existing pods are known.</summary>
    public static async Task<NodeSimulator> StartAsync(KubeClient client, NodeSimulatorOptions options, CancellationToken cancellationToken)
    {
        var simulator = new NodeSimulator(client, options);
        try
        {
            await simulator.RunAsync(cancellationToken).ConfigureAwait(false);
            return simulator;
        }
        catch
        {
            await simulator.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Returns the pods of the simulated kubelets, ordered by namespace and name.</summary>
    public IReadOnlyList<SimulatedPodInfo> Pods() =>
        [
            .. _hosted
                .Values.Select(Info)
                .OrderBy(static pod => pod.Namespace, StringComparer.Ordinal)
                .ThenBy(static pod => pod.Name, StringComparer.Ordinal),
        ];

    public SimulatedPodInfo? Find(string ns, string name) =>
        _hosted.TryGetValue(new ObjectKey(ns, name), out var hosted) ? Info(hosted) : null;

    /// <summary>Returns the agent on a node, or null if none runs there.</summary>
    public AgentServer? Agent(string node) =>
        _hosted.Values.FirstOrDefault(hosted => hosted.Node.Name == node && hosted.Agent is not null)?.Agent;

    /// <summary>Sends a load to the inference pods with these labels, including pods that start later.</summary>
    public void Serve(string ns, IReadOnlyDictionary<string, string> labels, ServedLoad load)
    {
        _loads = [.. _loads, (ns, labels, load)];
        foreach (var hosted in _hosted.Values.Where(hosted => LoadOf(hosted.Pod.Pod, hosted.Pod.Workload) == load))
        {
            lock (hosted.Pod.Lock)
                hosted.Pod.Load = load;
            _queue.Add(SimulatorKey.Pod(hosted.Pod.Pod));
        }
    }

    private ServedLoad? LoadOf(NodePod pod, Workload workload) =>
        workload is not InferenceWorkload
            ? null
            : _loads
                .LastOrDefault(served =>
                    served.Namespace == pod.Metadata.Namespace
                    && served.Labels.All(label => pod.Metadata.Labels.TryGetValue(label.Key, out var value) && value == label.Value)
                )
                .Load;

    /// <summary>Disconnects a node: no heartbeat, status, agent or sockets. Its pods continue to run unobserved.</summary>
    public void LoseNode(string name)
    {
        var node = Node(name);
        node.LostAt ??= _time.GetUtcNow();
        _queue.Add(SimulatorKey.Node(name));
    }

    /// <summary>Reconnects a lost node, which then reports what happened meanwhile.</summary>
    public void ReturnNode(string name)
    {
        var node = Node(name);
        node.LostAt = null;
        node.StatusWritten = null;
        _queue.Add(SimulatorKey.Node(name));
        foreach (var pod in _pods.Store.List().Where(pod => pod.Spec.NodeName == name))
            _queue.Add(SimulatorKey.Pod(pod));
        _queue.Add(SimulatorKey.Schedule);
    }

    /// <summary>Stops the agent of a node and starts it again with a new journal after <paramref name="away"/>.</summary>
    public void RestartAgent(string node, TimeSpan away)
    {
        var hosted = _hosted.Values.FirstOrDefault(hosted => hosted.Node.Name == Node(node).Name && hosted.IsAgent)
            ?? throw new InvalidOperationException($"No agent runs on {node}.");
        hosted.ServesFrom = _time.GetUtcNow() + away;
        _queue.Add(SimulatorKey.Pod(hosted.Pod.Pod));
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _queue.Dispose();
        foreach (var hosted in _hosted.Values)
            await hosted.StopServingAsync().ConfigureAwait(false);
        _folders?.Dispose();
        _stop.Dispose();
    }

    private static SimulatedPodInfo Info(Hosted hosted)
    {
        var now = hosted.Time.GetUtcNow();
        lock (hosted.Pod.Lock)
        {
            var progress = hosted.Pod.Progress(now);
            return new SimulatedPodInfo
            {
                Namespace = hosted.Pod.Pod.Metadata.Namespace ?? "",
                Name = hosted.Pod.Pod.Metadata.Name,
                Uid = hosted.Pod.Uid,
                Node = hosted.Node.Name,
                Address = hosted.Pod.Address,
                IsRunning = hosted.Pod.Started is not null,
                Restarts = hosted.Pod.Restarts,
                ExitCode = hosted.Pod.LastEnd?.ExitCode,
                Devices = [.. hosted.Pod.Devices.Select(static gpu => gpu.Uuid)],
                Step = progress?.Step,
                Steps = progress?.Total,
            };
        }
    }

    private SimulatedNode Node(string name) =>
        _nodes.TryGetValue(name, out var node) ? node : throw new ArgumentException($"There is no node {name} in the fleet.", nameof(name));

    private async Task RunAsync(CancellationToken cancellationToken)
    {
        foreach (var node in _fleet)
        {
            await _kubelet.RegisterAsync(node, cancellationToken).ConfigureAwait(false);
            var again = await _kubelet.HeartbeatAsync(node, cancellationToken).ConfigureAwait(false);
            _queue.AddAfter(SimulatorKey.Node(node.Name), again ?? _options.LeaseInterval);
        }

        _pods.AddHandler(
            new InformerHandler<NodePod>
            {
                Added = Saw,
                Updated = (_, pod) => Saw(pod),
                Deleted = Saw,
            }
        );
        _secrets?.AddHandler(
            new InformerHandler<V1Secret>
            {
                Added = _folders!.Mount,
                Updated = (_, secret) => _folders!.Mount(secret),
                Deleted = _ => _folders!.Mount(null),
            }
        );
        var worker = new QueueWorker<SimulatorKey>("node-simulator", _queue, ReconcileAsync, _log);
        var tasks = new List<Task>
        {
            Task.Run(() => _pods.RunAsync(_stop.Token), CancellationToken.None),
            Task.Run(() => worker.RunAsync(_stop.Token), CancellationToken.None),
        };
        if (_secrets is not null)
            tasks.Add(Task.Run(() => _secrets.RunAsync(_stop.Token), CancellationToken.None));
        _running = Task.WhenAll(tasks);
        await _pods.HasSyncedAsync(cancellationToken).ConfigureAwait(false);
        if (_options.Agents is { } agents)
        {
            await _secrets!.HasSyncedAsync(cancellationToken).ConfigureAwait(false);
            await InstallAgentsAsync(agents, cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task InstallAgentsAsync(AgentPlacement agents, CancellationToken cancellationToken)
    {
        await NodeKubelet.NamespaceAsync(_client, agents.Namespace, cancellationToken).ConfigureAwait(false);
        foreach (var node in _fleet)
        {
            var pod = new JsonObject
            {
                ["apiVersion"] = "v1",
                ["kind"] = "Pod",
                ["metadata"] = new JsonObject
                {
                    ["name"] = $"{AgentName}-{node.Name}",
                    ["namespace"] = agents.Namespace,
                    ["labels"] = new JsonObject { [AgentLabel] = AgentName },
                },
                ["spec"] = new JsonObject
                {
                    ["nodeName"] = node.Name,
                    ["restartPolicy"] = "Always",
                    ["containers"] = new JsonArray(new JsonObject { ["name"] = "agent", ["image"] = "bursar-agent:simulated" }),
                },
            };
            try
            {
                await _client.CreateAsync<NodePod>(pod, agents.Namespace, cancellationToken).ConfigureAwait(false);
            }
            catch (ApiException there) when (there.StatusCode == 409)
            {
                // An earlier run against the same server created it.
            }
        }
    }

    private void Saw(NodePod pod)
    {
        _queue.Add(SimulatorKey.Pod(pod));
        if (_options.Bind)
            _queue.Add(SimulatorKey.Schedule);
    }

    private async Task ReconcileAsync(SimulatorKey key, CancellationToken cancellationToken)
    {
        switch (key.Work)
        {
            case SimulatorWork.Node:
                await NodeAsync(key.Name, cancellationToken).ConfigureAwait(false);
                break;
            case SimulatorWork.Schedule when _options.Bind:
                await _scheduler.RunOnceAsync(cancellationToken).ConfigureAwait(false);
                break;
            case SimulatorWork.Pod:
                await PodAsync(new ObjectKey(key.Namespace, key.Name), cancellationToken).ConfigureAwait(false);
                break;
            case SimulatorWork.Checkpoint:
                await CheckpointAsync(new ObjectKey(key.Namespace, key.Name), cancellationToken).ConfigureAwait(false);
                break;
            case SimulatorWork.Report:
                await ReportAsync(new ObjectKey(key.Namespace, key.Name), cancellationToken).ConfigureAwait(false);
                break;
        }
    }

    private async Task NodeAsync(string name, CancellationToken cancellationToken)
    {
        var node = _nodes[name];
        if (node.LostAt is not null)
        {
            foreach (var hosted in _hosted.Values.Where(hosted => hosted.Node == node))
                await hosted.StopServingAsync().ConfigureAwait(false);
        }

        if (await _kubelet.HeartbeatAsync(node, cancellationToken).ConfigureAwait(false) is { } again)
            _queue.AddAfter(SimulatorKey.Node(name), again);
    }

    private async Task PodAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        var pod = _pods.Store.Get(key);
        if (_hosted.TryGetValue(key, out var hosted) && hosted.Pod.Uid != pod?.Metadata.Uid)
        {
            await ForgetAsync(key, hosted).ConfigureAwait(false);
            hosted = null;
        }

        if (
            pod is null
            || string.IsNullOrEmpty(pod.Spec.NodeName)
            || !_nodes.TryGetValue(pod.Spec.NodeName, out var node)
            || node.LostAt is not null
        )
            return;
        if (hosted is null)
        {
            if (pod.IsFinished)
            {
                await RemoveAsync(pod, cancellationToken).ConfigureAwait(false);
                return;
            }

            hosted = await AdmitAsync(key, pod, node, cancellationToken).ConfigureAwait(false);
            if (hosted is null)
                return;
        }

        await AdvanceAsync(key, pod, hosted, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Checks a new pod like a kubelet. Null if the pod was rejected.</summary>
    private async Task<Hosted?> AdmitAsync(ObjectKey key, NodePod pod, SimulatedNode node, CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        if (!Workload.TryRead(pod.Metadata.Annotations, out var workload, out var error))
        {
            await RefuseAsync(pod, "InvalidSimulation", error, now, cancellationToken).ConfigureAwait(false);
            return null;
        }

        var address = pod.Spec.HostNetwork == true ? node.Address : _addresses.Next();
        var simulated = new SimulatedPod(pod, address, workload, now, _options.ImagePull, _checkpoints, _options.Seed);
        if (node.Allocate(simulated, pod.Gpus) is not { } devices)
        {
            if (pod.Spec.HostNetwork != true)
                _addresses.Return(address);
            await RefuseAsync(
                    pod,
                    "UnexpectedAdmissionError",
                    $"Allocate failed: the node has not {pod.Gpus} free {NodeContainer.GpuResource}",
                    now,
                    cancellationToken
                )
                .ConfigureAwait(false);
            return null;
        }

        simulated.Devices = devices;
        simulated.Load = LoadOf(pod, workload);
        var hosted = new Hosted(simulated, node, _time)
        {
            IsAgent =
                _options.Agents is { } agents
                && pod.Metadata.Namespace == agents.Namespace
                && pod.Metadata.Labels.TryGetValue(AgentLabel, out var name)
                && name == AgentName,
        };
        _hosted[key] = hosted;
        _folders?.AddLog(node.Name, pod);
        return hosted;
    }

    /// <summary>Advances the pod to now and writes its changed status.</summary>
    private async Task AdvanceAsync(ObjectKey key, NodePod pod, Hosted hosted, CancellationToken cancellationToken)
    {
        var now = _time.GetUtcNow();
        DateTimeOffset? next;
        bool over,
            serves;
        lock (hosted.Pod.Lock)
        {
            hosted.Pod.Pod = pod;
            if (pod.Metadata.DeletionTimestamp is { } deadline)
                hosted.Pod.Terminate(now, Grace(deadline, now));
            next = hosted.Pod.Advance(now);
            over = hosted.Pod.IsOver;
            serves =
                hosted.Pod.Started is { } started
                && started + (hosted.Pod.Workload.ReadyAfterStartup ? hosted.Pod.Workload.Startup : TimeSpan.Zero) <= now;
            if (hosted.Pod.Load is { } load)
            {
                if (hosted.Pod.TermAt is not null)
                    load.Drain(hosted.Pod.Uid, now);
                else if (serves)
                    load.Join(hosted.Pod.Uid, now);
            }
        }

        var listening = await ServeAsync(hosted, serves, now, cancellationToken).ConfigureAwait(false);
        if (!listening)
            next = Earlier(next, hosted.ServesFrom > now ? hosted.ServesFrom : now + TimeSpan.FromSeconds(1));
        if (over && !hosted.Released)
        {
            hosted.Released = true;
            hosted.Node.TakeBack(hosted.Pod);
        }

        JsonObject status;
        lock (hosted.Pod.Lock)
            status = PodStatusWriter.Status(hosted.Pod, hosted.Node, now, listening);
        var text = status.ToJsonString();
        if (hosted.Written != text)
        {
            if (!await WriteAsync(pod, status, cancellationToken).ConfigureAwait(false))
                return;
            hosted.Written = text;
        }

        if (over)
        {
            await RemoveAsync(pod, cancellationToken).ConfigureAwait(false);
            return;
        }

        if (next is { } at)
            _queue.AddAfter(SimulatorKey.Pod(pod), at - now);
        if (serves && !hosted.Asks && hosted.Pod.Workload is TrainingWorkload { OnRequest: not CheckpointAnswers.None } asking)
        {
            hosted.Asks = true;
            _queue.AddAfter(new SimulatorKey(SimulatorWork.Checkpoint, key.Namespace, key.Name), asking.CheckpointPoll);
        }

        if (
            serves
            && !hosted.Reports
            && hosted.Pod.Workload is TrainingWorkload training
            && (training.Reports & (ProgressReports.Post | ProgressReports.Annotation)) != 0
        )
        {
            hosted.Reports = true;
            _queue.AddAfter(new SimulatorKey(SimulatorWork.Report, key.Namespace, key.Name), training.ReportEvery);
        }
    }

    /// <summary>Polls for a checkpoint request, or acknowledges a written checkpoint.</summary>
    private async Task CheckpointAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (!_hosted.TryGetValue(key, out var hosted) || hosted.Pod.Workload is not TrainingWorkload training)
            return;
        var pod = hosted.Pod;
        (string Id, DateTimeOffset Done, long Step, bool Acknowledged)? saving;
        bool runs;
        lock (pod.Lock)
            (saving, runs) = (pod.Saving, pod.Started is not null && pod.TermAt is null);
        if (!runs)
        {
            hosted.Asks = false;
            return;
        }

        var wait = training.CheckpointPoll;
        // The pods of a disconnected node still run, but do not report.
        if (hosted.Node.LostAt is null)
        {
            var agent = _hosted.Values.FirstOrDefault(other => other.Node == hosted.Node && other.Agent is not null)?.Pod.Address;
            var byAgent = training.OnRequest != CheckpointAnswers.Annotation;
            if (saving is { Acknowledged: false } written)
            {
                if (
                    written.Done <= _time.GetUtcNow()
                    && (
                        byAgent
                            ? agent is not null
                                && await _reporter
                                    .AcknowledgeAsync(pod, written.Id, written.Done, written.Step, agent, cancellationToken)
                                    .ConfigureAwait(false)
                            : await AnnotatedAsync(hosted, cancellationToken).ConfigureAwait(false)
                    )
                )
                {
                    lock (pod.Lock)
                        pod.Saving = written with { Acknowledged = true };
                }
            }
            else
            {
                var id =
                    !byAgent ? await _reporter.WantedAsync(pod, cancellationToken).ConfigureAwait(false)
                    : agent is null ? null
                    : await _reporter.WantedAsync(pod, agent, cancellationToken).ConfigureAwait(false);
                if (id is not null && id != saving?.Id && training.OnRequest != CheckpointAnswers.Ignore)
                {
                    var now = _time.GetUtcNow();
                    lock (pod.Lock)
                        pod.Save(id, now);
                    wait = training.CheckpointTime;
                    // The checkpoint delays the pod's end.
                    _queue.Add(new SimulatorKey(SimulatorWork.Pod, key.Namespace, key.Name));
                }
            }
        }

        _queue.AddAfter(new SimulatorKey(SimulatorWork.Checkpoint, key.Namespace, key.Name), wait);
    }

    private async Task<bool> AnnotatedAsync(Hosted hosted, CancellationToken cancellationToken)
    {
        TrainingProgress? progress;
        lock (hosted.Pod.Lock)
            progress = hosted.Pod.Progress(_time.GetUtcNow());
        if (progress is null)
            return false;
        await _reporter.AnnotateAsync(hosted.Pod, progress, cancellationToken).ConfigureAwait(false);
        return true;
    }

    private async Task ReportAsync(ObjectKey key, CancellationToken cancellationToken)
    {
        if (!_hosted.TryGetValue(key, out var hosted) || hosted.Pod.Workload is not TrainingWorkload training)
            return;
        TrainingProgress? progress;
        lock (hosted.Pod.Lock)
            progress = hosted.Pod.Progress(_time.GetUtcNow());
        if (progress is null)
        {
            hosted.Reports = false;
            return;
        }

        // The pods of a disconnected node still run, but do not report.
        if (hosted.Node.LostAt is null)
        {
            var agent = _hosted.Values.FirstOrDefault(other => other.Node == hosted.Node && other.Agent is not null);
            if (
                training.Reports.HasFlag(ProgressReports.Post)
                && agent is not null
                && !await _reporter.PostAsync(hosted.Pod, progress, agent.Pod.Address, cancellationToken).ConfigureAwait(false)
            )
                LogNotPosted(key.Namespace, key.Name);
            if (training.Reports.HasFlag(ProgressReports.Annotation))
                await _reporter.AnnotateAsync(hosted.Pod, progress, cancellationToken).ConfigureAwait(false);
        }

        _queue.AddAfter(new SimulatorKey(SimulatorWork.Report, key.Namespace, key.Name), training.ReportEvery);
    }

    /// <summary>Opens or closes the pod's sockets. False if a socket could not be opened.</summary>
    private async Task<bool> ServeAsync(Hosted hosted, bool serves, DateTimeOffset now, CancellationToken cancellationToken)
    {
        if (!serves || hosted.ServesFrom > now)
        {
            await hosted.StopServingAsync().ConfigureAwait(false);
            return hosted.ServesFrom <= now;
        }

        try
        {
            if (hosted.IsAgent)
                hosted.Agent ??= await StartAgentAsync(hosted, cancellationToken).ConfigureAwait(false);
            else if (hosted.Pod.Workload.Port is { } port)
                hosted.Socket ??= new MetricsSocket(hosted.Pod.Address, port, () => Page(hosted));
            return true;
        }
        catch (Exception taken) when (taken is SocketException or IOException)
        {
            LogNotListening(hosted.Pod.Key, hosted.Pod.Address, taken.Message);
            return false;
        }
    }

    private byte[] Page(Hosted hosted)
    {
        var now = _time.GetUtcNow();
        lock (hosted.Pod.Lock)
        {
            return hosted.Pod.Workload is InferenceWorkload inference
                ? hosted.Pod.Load is { } load
                    ? VllmPage.Write(inference.Model, load.Get(hosted.Pod.Uid, now), inference.CacheBytes)
                    : VllmPage.Write(inference, hosted.Pod.Served(now))
                : TrainingPage.Write(hosted.Pod.Progress(now));
        }
    }

    private Task<AgentServer> StartAgentAsync(Hosted hosted, CancellationToken cancellationToken)
    {
        var address = hosted.Pod.Address.ToString();
        var node = hosted.Node;
        var life = ++hosted.AgentLives;
        Directory.CreateDirectory(_folders!.Logs(node.Name));
        var options = new AgentOptions
        {
            NodeName = node.Name,
            OperatorAddress = $"{address}:9465",
            PodAddress = $"{address}:9466",
            MetricsAddress = $"{address}:9464",
            CertificateDirectory = _folders.Certificates,
            LogRoot = _folders.Logs(node.Name),
            Random = new Random((int)(new DeterministicNoise(_options.Seed, node.Name).At(life) * int.MaxValue)),
        };
        var resources = new SimulatedPodResources(() =>
            [
                .. _hosted
                    .Values.Where(other => other.Node == node && !other.Released)
                    .Select(static other => other.Pod)
                    .OrderBy(static pod => pod.Key, StringComparer.Ordinal),
            ]
        );
        return AgentServer.StartAsync(
            options,
            new SimulatedGpuReader(node, _time),
            resources,
            _time,
            _client.LoggerFactory,
            cancellationToken
        );
    }

    private async Task ForgetAsync(ObjectKey key, Hosted hosted)
    {
        _hosted.TryRemove(key, out _);
        hosted.Pod.Load?.Leave(hosted.Pod.Uid, _time.GetUtcNow());
        await hosted.StopServingAsync().ConfigureAwait(false);
        if (!hosted.Released)
            hosted.Node.TakeBack(hosted.Pod);
        if (hosted.Pod.Pod.Spec.HostNetwork != true)
            _addresses.Return(hosted.Pod.Address);
        _folders?.RemoveLog(hosted.Node.Name, hosted.Pod.Pod);
        if (_options.Bind)
            _queue.Add(SimulatorKey.Schedule);
    }

    private async Task RefuseAsync(NodePod pod, string reason, string message, DateTimeOffset now, CancellationToken cancellationToken)
    {
        LogRefused(pod.Metadata.Namespace, pod.Metadata.Name, message);
        if (await WriteAsync(pod, PodStatusWriter.Refused(reason, message, now), cancellationToken).ConfigureAwait(false))
            await RemoveAsync(pod, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes a status. False if the pod with this UID no longer exists.</summary>
    private async Task<bool> WriteAsync(NodePod pod, JsonObject status, CancellationToken cancellationToken)
    {
        var patch = new JsonObject
        {
            // A different UID is a conflict, so that a new pod of the same name does not get this status.
            ["metadata"] = new JsonObject { ["uid"] = pod.Metadata.Uid },
            ["status"] = status.DeepClone(),
        };
        try
        {
            await _client
                .PatchAsync<NodePod>(
                    pod.Metadata.Name,
                    pod.Metadata.Namespace,
                    KubePatch.Merge(patch) with
                    {
                        Subresource = "status",
                    },
                    cancellationToken
                )
                .ConfigureAwait(false);
            return true;
        }
        catch (ApiException gone) when (gone.StatusCode is 404 or 409)
        {
            return false;
        }
    }

    /// <summary>Deletes a terminating pod that has ended from the API server.</summary>
    private async Task RemoveAsync(NodePod pod, CancellationToken cancellationToken)
    {
        if (pod.Metadata.DeletionTimestamp is null)
            return;
        try
        {
            await _client
                .DeleteAsync<NodePod>(
                    pod.Metadata.Name,
                    pod.Metadata.Namespace,
                    new DeleteOptions { GracePeriodSeconds = 0, Uid = pod.Metadata.Uid },
                    cancellationToken
                )
                .ConfigureAwait(false);
        }
        catch (ApiException gone) when (gone.StatusCode is 404 or 409)
        {
            // Already deleted, or replaced by a new pod of the same name.
        }
    }

    /// <summary>Returns the time to a deadline. API times are truncated to seconds, so now is truncated too.</summary>
    private static TimeSpan Grace(DateTimeOffset deadline, DateTimeOffset now)
    {
        var whole = now.AddTicks(-(now.Ticks % TimeSpan.TicksPerSecond));
        return deadline > whole ? deadline - whole : TimeSpan.Zero;
    }

    private static DateTimeOffset Earlier(DateTimeOffset? one, DateTimeOffset other) => one < other ? one.Value : other;

    [LoggerMessage(Level = LogLevel.Warning, Message = "Rejected pod {Namespace}/{Name}: {Reason}")]
    private partial void LogRefused(string? @namespace, string name, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Pod {Pod} cannot listen on {Address}: {Error}")]
    private partial void LogNotListening(string pod, IPAddress address, string error);

    [LoggerMessage(Level = LogLevel.Debug, Message = "The agent did not accept the progress of {Namespace}/{Name}")]
    private partial void LogNotPosted(string @namespace, string name);

    /// <summary>A pod with the simulator's state for it.</summary>
    private sealed class Hosted(SimulatedPod pod, SimulatedNode node, TimeProvider time)
    {
        public SimulatedPod Pod { get; } = pod;

        public SimulatedNode Node { get; } = node;

        public TimeProvider Time { get; } = time;

        public bool IsAgent { get; init; }

        public AgentServer? Agent { get; set; }

        public int AgentLives { get; set; }

        public MetricsSocket? Socket { get; set; }

        /// <summary>Before this time the sockets are closed although the container runs.</summary>
        public DateTimeOffset ServesFrom { get; set; } = DateTimeOffset.MinValue;

        public bool Released { get; set; }

        public bool Reports { get; set; }

        public bool Asks { get; set; }

        /// <summary>The last written status; null before the first write.</summary>
        public string? Written { get; set; }

        public async Task StopServingAsync()
        {
            if (Agent is { } agent)
            {
                Agent = null;
                await agent.DisposeAsync().ConfigureAwait(false);
            }

            if (Socket is { } socket)
            {
                Socket = null;
                await socket.DisposeAsync().ConfigureAwait(false);
            }
        }
    }
}
