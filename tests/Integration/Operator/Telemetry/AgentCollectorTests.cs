using System.Net;
using System.Text.Json.Nodes;
using Bursar.Agent.Endpoints;
using Bursar.Agent.Journal;
using Bursar.Agent.Nvml;
using Bursar.Agent.PodResources;
using Bursar.Core.Ledger;
using Bursar.Core.Text;
using Bursar.Core.Usage;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Config;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;
using Bursar.Operator.Scaling.Signals;
using Bursar.Operator.Telemetry;
using Bursar.Sandbox;
using Bursar.Tests.Integration.Kubernetes;
using Bursar.Tests.Integration.Operator.Http;
using Bursar.Tests.TestKit;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using ApiServer = Bursar.Sandbox.Sandbox;

namespace Bursar.Tests.Integration.Operator.Telemetry;

/// <summary>
/// A real agent with its real endpoints over a reader without GPUs. Its pod is in a Sandbox, and the controller issues its certificates.
/// </summary>
public sealed class AgentCollectorTests : IAsyncLifetime, IGpuReader, IPodResources
{
    /// <summary>A separate address, so that no other connection of this machine uses the port while the agent is away.</summary>
    private const string AgentAddress = "127.77.3.1";

    private readonly CancellationTokenSource _stop = new();
    private readonly TestFolder _folder = new();
    private readonly List<string> _progressed = [];
    private readonly OperatorMetrics _metrics = new(TimeProvider.System);
    private readonly GpuLedger _ledger = new();
    private readonly ProgressTracker _progress = new();
    private readonly List<Task> _loops = [];
    private ApiServer _server = null!;
    private KubeClient _client = null!;
    private CertificateController _keeper = null!;
    private ClusterStores _stores = null!;
    private AgentCollector _collector = null!;
    private AgentServer? _agent;

    public async Task InitializeAsync()
    {
        _server = await ApiServer.StartAsync(new SandboxOptions(), default);
        _client = new KubeClient(
            new KubeConfig
            {
                Server = _server.Address,
                CertificateAuthorityPem = _server.CertificateAuthority,
                Token = _server.Token,
            }
        );
        foreach (var ns in (string[])["bursar", "bursar-agents", "ml"])
            await _client.CreateAsync(new V1Namespace { Metadata = new() { Name = ns } }, default);
        _ledger.Install(DateTimeOffset.UnixEpoch);
        _keeper = new CertificateController(
            _client,
            "bursar",
            "bursar-agents",
            TimeProvider.System,
            NullLogger<CertificateController>.Instance
        );
        _stores = new ClusterStores(_client, "bursar");
        _collector = new AgentCollector(
            _stores,
            _ledger,
            _progress,
            _keeper,
            _metrics,
            new AgentSelection("bursar-agents", "bursar-agent"),
            new Random(5),
            TimeProvider.System,
            NullLogger<AgentCollector>.Instance
        );
        _collector.Progressed += ns =>
        {
            lock (_progressed)
                _progressed.Add(ns);
        };
        _loops.AddRange([_keeper.RunAsync(_stop.Token), _stores.Pods.RunAsync(_stop.Token), _stores.Jobs.RunAsync(_stop.Token)]);
        await _stores.Pods.HasSyncedAsync(default);
        await _stores.Jobs.HasSyncedAsync(default);
        _loops.Add(_collector.RunAsync(_stop.Token));
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_loops);
        if (_agent is not null)
            await _agent.DisposeAsync();
        _client.Dispose();
        await _server.DisposeAsync();
        _metrics.Dispose();
        _folder.Dispose();
        _stop.Dispose();
    }

    [Fact]
    public async Task Targets_reach_the_agent_and_usage_and_progress_reach_the_operator()
    {
        var uid = await GpuPodAsync("train", "n1", "127.9.1.1");
        await StartAgentAsync("n1");

        await Eventually.TrueAsync(() => _agent!.Targets.Current.Pods.Count == 1, "the agent knows its pod");
        _agent!
            .Targets.Current.Pods[0]
            .Should()
            .BeEquivalentTo(
                new TargetPod
                {
                    Uid = uid,
                    Namespace = "ml",
                    Name = "train",
                    Ips = ["127.9.1.1"],
                    Scrape =
                    [
                        new()
                        {
                            Port = 7001,
                            Path = "/metrics",
                            Kind = "progress",
                        },
                    ],
                }
            );

        var at = TimeProvider.System.GetUtcNow();
        _agent.Journal.Append([
            JournalEntry.From(
                new UsageInterval
                {
                    PodUid = uid,
                    Namespace = "ml",
                    Pod = "train",
                    Container = "c",
                    Device = "d",
                    From = at.AddSeconds(-60),
                    To = at,
                    BusyMs = 45_000,
                    EnergyMj = 7000,
                }
            ),
            JournalEntry.From(
                new ProgressSample
                {
                    PodUid = uid,
                    Step = 1200,
                    Total = 30_000,
                    At = at,
                    CheckpointAt = at.AddMinutes(-1),
                }
            ),
        ]);
        await Eventually.TrueAsync(() => _progress.Series(uid).Last is not null, "the progress is on the board");

        _progress.Series(uid).Last!.Value.Should().BeEquivalentTo(new { Step = 1200L, Total = (long?)30_000 });
        _collector.CheckpointAt(uid).Should().BeCloseTo(at.AddMinutes(-1), TimeSpan.FromMilliseconds(1));
        await Eventually.TrueAsync(
            () =>
            {
                lock (_progressed)
                    return _progressed.Count > 0;
            },
            "the namespace was named"
        );
        _progressed.Distinct().Should().Equal("ml");
        _ledger
            .SpentByWorkload("ml", LabelSelector.Everything, DateTimeOffset.UnixEpoch, at.AddHours(1), at.AddHours(1))
            .Should()
            .ContainSingle()
            .Which.Usage.Should()
            .BeEquivalentTo(new { BusyMs = 45_000L, EnergyMj = 7000L });
        await Eventually.TrueAsync(() => _collector.Health is { Answering: ["n1"], Missing: [] }, "the answer is whole");
        await Eventually.TrueAsync(
            () => Samples().Any(s => s.Name == "bursar_agent_lag_seconds" && s.Label("node") == "n1"),
            "the lag is exported"
        );
    }

    [Fact]
    public async Task Signal_of_a_scaled_pod_is_cached_within_two_seconds_and_others_not_queried()
    {
        var waiting = 0;
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Parse("127.9.1.7"), 7001));
        await using var page = builder.Build();
        page.Run(context =>
            context.Response.WriteAsync(
                $"vllm:num_requests_waiting{{model_name=\"m\"}} {Volatile.Read(ref waiting)}\nvllm:generation_tokens_total{{model_name=\"m\"}} 100\n"
            )
        );
        await page.StartAsync();
        var board = new SignalCache(id => _stores.Pods.Store.GetByUid(id)?.Spec.NodeName, TimeProvider.System);
        var asked = 0;
        _collector.Signalled += (node, report) =>
        {
            Interlocked.Increment(ref asked);
            board.Record(node, report);
        };
        var uid = await GpuPodAsync("serve", "n1", "127.9.1.7", "inference");
        await StartAgentAsync("n1");
        await Eventually.TrueAsync(
            () => _agent!.Targets.Current.Pods is [{ Scrape: [{ IntervalSeconds: null }] }],
            "the agent reads it at its own pace"
        );
        asked.Should().Be(0, "nothing scales by it");

        _collector.IsScaled = pod => pod.Metadata.Uid == uid;
        _collector.ScaledChanged();
        await Eventually.TrueAsync(() => board.Get(uid) is { RequestsWaiting: 0 }, "its signals are on the board");
        _agent!.Targets.Current.Pods[0].Scrape[0].IntervalSeconds.Should().Be(1);

        var begun = DateTimeOffset.UtcNow;
        for (var wanted = 7; wanted < 10; wanted++)
        {
            var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            board.Changed += uids =>
            {
                if (uids.Contains(uid) && board.Get(uid)?.RequestsWaiting == wanted)
                    arrived.TrySetResult();
            };
            Volatile.Write(ref waiting, wanted);
            await arrived.Task.WaitAsync(TimeSpan.FromSeconds(30));
        }
        board.Get(uid)!.At.Should().BeOnOrAfter(begun, "it was read after the two before it").And.BeOnOrBefore(DateTimeOffset.UtcNow);
        board.Get(uid)!.GeneratedTokensPerSecond.Should().Be(0);

        // Asked no more once nothing scales by it.
        _collector.IsScaled = _ => false;
        _collector.ScaledChanged();
        await Eventually.TrueAsync(
            () => _agent!.Targets.Current.Pods is [{ Scrape: [{ IntervalSeconds: null }] }],
            "the agent has the targets"
        );
        await Eventually.TrueAsync(
            async () =>
            {
                var before = Volatile.Read(ref asked);
                await Task.Delay(1500);
                return Volatile.Read(ref asked) == before;
            },
            "it is left alone"
        );
    }

    [Fact]
    public async Task Agent_may_forget_only_what_has_been_written()
    {
        var uid = await GpuPodAsync("train", "n1", "127.9.1.1");
        await StartAgentAsync("n1");
        var at = TimeProvider.System.GetUtcNow();
        _agent!.Journal.Append([
            JournalEntry.From(
                new UsageInterval
                {
                    PodUid = uid,
                    Namespace = "ml",
                    Pod = "train",
                    Device = "d",
                    From = at.AddSeconds(-60),
                    To = at,
                    BusyMs = 1000,
                }
            ),
        ]);
        await Eventually.TrueAsync(() => _ledger.Cursor("n1") is { Seq: 1 }, "the ledger has it");

        _agent.Journal.Append([
            JournalEntry.From(
                new UsageInterval
                {
                    PodUid = uid,
                    Namespace = "ml",
                    Pod = "train",
                    Device = "d",
                    From = at,
                    To = at.AddSeconds(60),
                    BusyMs = 1000,
                }
            ),
        ]);
        await Eventually.TrueAsync(() => _ledger.Cursor("n1") is { Seq: 2 }, "the ledger has both");
        _agent.Journal.Read("n1", null).First.Should().Be(1, "nothing is written yet");

        foreach (var shard in _ledger.DirtyShards())
            _ledger.MarkWritten(shard.Name, shard.Revision);
        await Eventually.TrueAsync(() => _agent.Journal.Read("n1", null).First == 3, "the agent knows it");
        _ledger
            .SpentByWorkload("ml", LabelSelector.Everything, DateTimeOffset.UnixEpoch, at.AddHours(1), at.AddHours(1))
            .Should()
            .ContainSingle()
            .Which.Usage.BusyMs.Should()
            .Be(2000, "what is read twice counts once");
    }

    [Fact]
    public async Task Agent_report_on_pods_of_other_nodes_is_rejected()
    {
        var foreign = await GpuPodAsync("elsewhere", "n2", "127.9.1.2");
        await StartAgentAsync("n1");
        var at = TimeProvider.System.GetUtcNow();

        _agent!.Journal.Append([
            JournalEntry.From(
                new UsageInterval
                {
                    PodUid = foreign,
                    Namespace = "ml",
                    Pod = "elsewhere",
                    Device = "d",
                    From = at.AddSeconds(-60),
                    To = at,
                    BusyMs = 60_000,
                }
            ),
            JournalEntry.From(
                new ProgressSample
                {
                    PodUid = foreign,
                    Step = 1,
                    Total = 1,
                    At = at,
                }
            ),
        ]);
        await Eventually.TrueAsync(() => _ledger.Cursor("n1") is { Seq: 2 }, "the report is taken in");
        await Eventually.TrueAsync(
            () => Samples().Any(s => s.Name == "bursar_agent_failures_total" && s.Label("reason") == "foreign-pod"),
            "it is counted"
        );

        _progress.Series(foreign).Last.Should().BeNull();
        _ledger.UnattributedMs("n1").Should().ContainKey("foreign-pod").WhoseValue.Should().Be(60_000);
        _ledger
            .SpentByWorkload("ml", LabelSelector.Everything, DateTimeOffset.UnixEpoch, at.AddHours(1), at.AddHours(1))
            .Should()
            .ContainSingle()
            .Which.Usage.BusyMs.Should()
            .Be(0);
        _agent.Targets.Current.Pods.Should().BeEmpty();
        _collector.Health.Missing.Should().Equal("n2");
    }

    [Fact]
    public async Task Agent_report_with_another_node_name_is_rejected()
    {
        await GpuPodAsync("train", "n1", "127.9.1.1");
        await StartAgentAsync("n1", saysNode: "n2");

        await Eventually.TrueAsync(
            () => Samples().Any(s => s.Name == "bursar_agent_failures_total" && s.Label("reason") == "foreign-node"),
            "it is counted"
        );

        _ledger.Cursor("n1").Should().BeNull();
        _ledger.Cursor("n2").Should().BeNull();
        _collector.Health.Missing.Should().Equal("n1");
    }

    [Fact]
    public async Task Restarted_agent_gets_its_targets_again_and_a_removed_one_is_missing()
    {
        await GpuPodAsync("train", "n1", "127.9.1.1");
        await StartAgentAsync("n1");
        await Eventually.TrueAsync(
            () => _agent!.Targets.Current.Pods.Count == 1 && _collector.Health.Missing.Count == 0,
            "the agent is met"
        );
        var address = _agent!.Addresses.Operator;

        await _agent.DisposeAsync();
        await Eventually.TrueAsync(() => _collector.Health.Missing.Count == 1, "its silence is noticed");
        // The page follows what the collector knows.
        await Eventually.TrueAsync(() => Samples().Single(s => s.Name == "bursar_agents_missing").Value == 1, "the metrics report it");

        _agent = await ServeAsync("n1", address);
        await Eventually.TrueAsync(
            () => _agent.Targets.Current.Pods.Count == 1 && _collector.Health.Missing.Count == 0,
            "the same pod's agent is met again"
        );

        await _client.DeleteAsync<V1Pod>("agent-n1", "bursar-agents", new DeleteOptions { GracePeriodSeconds = 0 }, default);
        await Eventually.TrueAsync(() => _collector.Health.Missing.Count == 1, "its pod is gone");
        await Eventually.TrueAsync(
            () => Samples().All(s => s.Name != "bursar_agent_lag_seconds"),
            "no lag is exported for an agent that is gone"
        );
    }

    [Fact]
    public async Task Pod_with_agent_labels_in_another_namespace_is_not_an_agent()
    {
        await GpuPodAsync("train", "n1", "127.9.1.1");
        await StartAgentAsync("n1", ns: "ml");
        await Eventually.TrueAsync(
            () => _stores.Pods.Store.Get("ml", "agent-n1")?.Status.Condition("Ready") is not null,
            "the cache has it"
        );
        await GpuPodAsync("later", "n9", "127.9.1.9");
        await Eventually.TrueAsync(() => _collector.Health.Missing.Count == 2, "the collector has looked");

        _agent!.Targets.Current.Pods.Should().BeEmpty();
        _collector.Health.Answering.Should().BeEmpty();
    }

    public GpuSnapshot Read() => new(NvmlState.NoLibrary, "none", []);

    public Task<IReadOnlyList<PodDevice>> ListAsync(CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<PodDevice>>([]);

    public void Dispose() { }

    private List<PrometheusSample> Samples() => PrometheusText.Parse(_metrics.Scrape());

    /// <summary>An agent at a port of its own, and its pod in the cluster.</summary>
    private async Task StartAgentAsync(string node, string? saysNode = null, string ns = "bursar-agents")
    {
        await Eventually.TrueAsync(() => _keeper.Trust is not null, "the keeper has certificates");
        V1Secret? secret = null;
        await Eventually.TrueAsync(
            () =>
                (secret = _client.GetOrNullAsync<V1Secret>("bursar-agent-tls", "bursar-agents", default).GetAwaiter().GetResult())
                    is not null,
            "the agents' Secret is there"
        );
        foreach (var (name, value) in secret!.Data)
            await File.WriteAllBytesAsync(_folder.File(name), value);
        _agent = await ServeAsync(saysNode ?? node, $"{AgentAddress}:0");

        var pod = await _client.CreateAsync<V1Pod>(
            new JsonObject
            {
                ["apiVersion"] = "v1",
                ["kind"] = "Pod",
                ["metadata"] = new JsonObject
                {
                    ["name"] = $"agent-{node}",
                    ["namespace"] = ns,
                    ["labels"] = new JsonObject { ["app.kubernetes.io/name"] = "bursar-agent" },
                },
                ["spec"] = new JsonObject
                {
                    ["nodeName"] = node,
                    ["containers"] = new JsonArray(
                        new JsonObject
                        {
                            ["name"] = "agent",
                            ["image"] = "agent",
                            ["ports"] = new JsonArray(
                                new JsonObject { ["name"] = "usage", ["containerPort"] = IPEndPoint.Parse(_agent.Addresses.Operator).Port }
                            ),
                        }
                    ),
                },
            },
            ns,
            default
        );
        await RunningAsync(pod, AgentAddress);
    }

    private Task<AgentServer> ServeAsync(string node, string address) =>
        AgentServer.StartAsync(
            new AgentOptions
            {
                NodeName = node,
                OperatorAddress = address,
                PodAddress = "127.0.0.1:0",
                MetricsAddress = "127.0.0.1:0",
                CertificateDirectory = _folder.Path,
                Random = new Random(3),
                // A journal forgets by whole segments.
                Journal = new() { SegmentEntries = 1 },
            },
            this,
            this,
            TimeProvider.System,
            NullLoggerFactory.Instance,
            default
        );

    private async Task<string> GpuPodAsync(string name, string node, string address, string work = "training")
    {
        var pod = await _client.CreateAsync<V1Pod>(
            new JsonObject
            {
                ["apiVersion"] = "v1",
                ["kind"] = "Pod",
                ["metadata"] = new JsonObject
                {
                    ["name"] = name,
                    ["namespace"] = "ml",
                    ["annotations"] = new JsonObject { ["bursar.dev/metrics-port"] = "7001", ["bursar.dev/class"] = work },
                },
                ["spec"] = new JsonObject
                {
                    ["nodeName"] = node,
                    ["containers"] = new JsonArray(
                        new JsonObject
                        {
                            ["name"] = "c",
                            ["image"] = "i",
                            ["resources"] = new JsonObject { ["limits"] = new JsonObject { ["nvidia.com/gpu"] = "1" } },
                        }
                    ),
                },
            },
            "ml",
            default
        );
        await RunningAsync(pod, address);
        _ledger.Observe(
            new()
            {
                Uid = pod.Metadata.Uid,
                Pod = name,
                Workload = new WorkloadKey("ml", "Pod", name, pod.Metadata.Uid),
                Class = WorkloadClass.Training,
                Labels = new Dictionary<string, string>(),
                Node = node,
                Gpus = 1,
                Product = "V100",
                ScheduledAt = TimeProvider.System.GetUtcNow(),
                ObservedAt = TimeProvider.System.GetUtcNow(),
            }
        );
        return pod.Metadata.Uid;
    }

    private Task RunningAsync(V1Pod pod, string address) =>
        _client.PatchAsync<V1Pod>(
            pod.Metadata.Name,
            pod.Metadata.Namespace,
            KubePatch.Merge(
                new JsonObject
                {
                    ["status"] = new JsonObject
                    {
                        ["phase"] = "Running",
                        ["podIP"] = address,
                        ["podIPs"] = new JsonArray(new JsonObject { ["ip"] = address }),
                        ["conditions"] = new JsonArray(new JsonObject { ["type"] = "Ready", ["status"] = "True" }),
                    },
                }
            ) with
            {
                Subresource = "status",
            },
            default
        );
}
