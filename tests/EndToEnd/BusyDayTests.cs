using System.Globalization;
using System.Text.Json.Nodes;
using Bursar.Core.Money;
using Bursar.Core.Reports;
using Bursar.Kubernetes.Client;
using Bursar.Kubernetes.Informers;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Cluster;
using Bursar.Operator.Commands;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.EndToEnd.Worlds;

namespace Bursar.Tests.EndToEnd;

/// <summary>
/// An operator that is away for ten hours of a busy day. Workloads begin, end, fail, are deleted, suspended, evicted and replaced on the
/// same GPUs, and a node is lost. Only the cluster's objects and, in one of the two runs, the agents record it. The expected amounts come
/// from what the test itself saw.
/// </summary>
public sealed class BusyDayTests
{
    private const string Jobs = "training",
        Serving = "serving";
    private static readonly DateTimeOffset Nine = new(2026, 11, 21, 9, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(10);
    private static readonly CancellationToken Ct = CancellationToken.None;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Spending_and_report_are_exact_after_ten_hours_without_an_operator(bool agents)
    {
        await using var world = await ClusterWorld.StartAsync(
            real: false,
            agents ? new AgentPlacement() : null,
            Ct,
            new FleetNode
            {
                Name = "gpu-1",
                Gpu = SimulatedGpuModel.V100,
                Gpus = 4,
            },
            new FleetNode
            {
                Name = "gpu-2",
                Gpu = SimulatedGpuModel.V100,
                Gpus = 4,
            }
        );
        await world.CreateBookAsync("*V100*", "3.06", Ct);
        foreach (var ns in new[] { Jobs, Serving })
        {
            await world.CreateNamespaceAsync(ns, Ct);
            await world.CreateBudgetAsync(ns, "b", "1000", Ct);
        }
        await using var truth = await Truth.OpenAsync(world);
        await world.StartOperatorAsync(Ct);
        var installed = world.Operator!.Ledger.Installed!.Value;

        // Pods that leave no trace in the API are known only to an agent, and gpu-2's agent loses its journal with the node.
        await JobAsync(world, "vanishes", "40m", ttl: agents ? 60 : null, node: "gpu-1");
        await JobAsync(world, "kept", "2h", node: "gpu-1");
        await JobAsync(world, "fails", "1h", exitCode: 1, node: "gpu-2");
        await JobAsync(world, "suspended", "9h", node: "gpu-2");
        await JobAsync(world, "node-lost", "30h", node: "gpu-2");
        await At(world, 9, 0);
        // Both replicas are on gpu-1, where two GPUs are left.
        await world.CreateDeploymentAsync(Serving, "web", 2, 1, Ct);
        await At(world, 9, 10);
        await world.StopOperatorAsync();

        // They wait for those that end.
        await At(world, 9, 20);
        for (var i = 0; i < 6; i++)
            await JobAsync(world, $"queued-{i}", "50m", ttl: agents && i is (0 or 2) ? 120 : null, node: i % 2 == 0 ? "gpu-1" : null);
        await At(world, 10, 30);
        await DeletePodsAsync(world, Jobs, "fails");
        await At(world, 11, 15);
        await DeletePodsAsync(world, Jobs, "kept");
        await At(world, 12, 0);
        if (agents)
            await DeletePodsAsync(world, Jobs, "queued-4");
        await world.Client.PatchAsync<V1Job>(
            "suspended",
            Jobs,
            KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["suspend"] = true } }),
            Ct
        );
        await At(world, 13, 0);
        var evicted = (await PodsAsync(world, Serving)).OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal).First();
        await world.PostJsonAsync(
            $"/api/v1/namespaces/{Serving}/pods/{evicted.Metadata.Name}/eviction",
            new()
            {
                ["apiVersion"] = "policy/v1",
                ["kind"] = "Eviction",
                ["metadata"] = new JsonObject { ["name"] = evicted.Metadata.Name, ["namespace"] = Serving },
            },
            Ct
        );
        await At(world, 14, 0);
        if (agents)
            await world.Client.PatchAsync<V1Deployment>(
                "web",
                Serving,
                KubePatch.Merge(new JsonObject { ["spec"] = new JsonObject { ["replicas"] = 1 } }) with
                {
                    Subresource = "scale",
                },
                Ct
            );
        await At(world, 15, 0);
        world.Nodes.LoseNode("gpu-2");
        await At(world, 15, 30);
        world.Nodes.ReturnNode("gpu-2");
        await At(world, 18, 30);
        world.Nodes.LoseNode("gpu-2");
        var lease = await world.Client.GetAsync<V1Lease>("gpu-2", "kube-node-lease", Ct);
        await At(world, 19, 10);
        await world.StartOperatorAsync(Ct);
        await At(world, 19, 15);
        world.Nodes.ReturnNode("gpu-2");
        truth.Lose("gpu-2", lease.Spec.RenewTime!.Value, world.Time.GetUtcNow());
        await At(world, 19, 25);

        var ledger = world.Operator!.Ledger;
        var now = ledger.AsOf!.Value;
        foreach (var ns in new[] { Jobs, Serving })
        {
            var spent = ledger.Spent(ns, Bursar.Core.Text.LabelSelector.Everything, installed, now, now);
            var expected = truth.Total(ns, installed, now);
            Hours(spent - expected)
                .Should()
                .BeInRange(
                    -truth.Unseen * Heartbeat.TotalHours,
                    truth.Unseen * Heartbeat.TotalHours,
                    "{0}: {1} is billed and {2} was used\n{3}\n{4}",
                    ns,
                    spent,
                    expected,
                    truth,
                    string.Join('\n', ledger.Entries(ns, installed, now, now))
                );
        }
        if (agents)
            ledger
                .SpentByWorkload(Jobs, Bursar.Core.Text.LabelSelector.Everything, installed, now, now)
                .Should()
                .Contain(
                    work => work.Workload.Kind == "Job" && work.Workload.Name == "queued-4",
                    "its pod came and went unseen, and the job names its workload"
                );
        using var output = new StringWriter();
        await ReportCommand.RunAsync(
            world.Client,
            ClusterWorld.OwnNamespace,
            new(installed, now, ReportBy.Namespace, Csv: true),
            output,
            TextWriter.Null,
            Ct
        );
        var lines = output.ToString().Split("\r\n", StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(',')).ToArray();
        lines
            .Skip(1)
            .Sum(line => decimal.Parse(line[Array.IndexOf(lines[0], "cost")], CultureInfo.InvariantCulture))
            .Should()
            .BeApproximately(decimal.Parse((Scene.V100 * 8).For(now - installed).ToString(), CultureInfo.InvariantCulture), 0.000001m);
    }

    private static double Hours(Amount amount) => double.Parse(amount.ToString(), CultureInfo.InvariantCulture) / 3.06;

    private static Task At(ClusterWorld world, int hour, int minute) =>
        world.PassAsync(Nine.AddHours(hour - 9).AddMinutes(minute) - world.Time.GetUtcNow(), Ct);

    private static Task JobAsync(ClusterWorld world, string name, string runFor, int exitCode = 0, int? ttl = null, string? node = null)
    {
        var spec = new JsonObject
        {
            ["restartPolicy"] = "Never",
            ["terminationGracePeriodSeconds"] = 5,
            ["containers"] = new JsonArray(
                new JsonObject
                {
                    ["name"] = "main",
                    ["image"] = "example/trainer",
                    ["resources"] = new JsonObject { ["limits"] = new JsonObject { ["nvidia.com/gpu"] = "1" } },
                }
            ),
        };
        if (node is not null)
            spec["nodeSelector"] = new JsonObject { ["kubernetes.io/hostname"] = node };
        var job = new JsonObject
        {
            ["backoffLimit"] = 0,
            ["template"] = new JsonObject
            {
                ["metadata"] = new JsonObject
                {
                    ["annotations"] = new JsonObject
                    {
                        ["sim.bursar.dev/run-for"] = runFor,
                        ["sim.bursar.dev/exit-code"] = exitCode.ToString(CultureInfo.InvariantCulture),
                    },
                },
                ["spec"] = spec,
            },
        };
        if (ttl is { } seconds)
            job["ttlSecondsAfterFinished"] = seconds;
        return world.PostJsonAsync(
            $"/apis/batch/v1/namespaces/{Jobs}/jobs",
            new()
            {
                ["apiVersion"] = "batch/v1",
                ["kind"] = "Job",
                ["metadata"] = new JsonObject { ["name"] = name },
                ["spec"] = job,
            },
            Ct
        );
    }

    private static async Task<IReadOnlyList<V1Pod>> PodsAsync(ClusterWorld world, string ns) =>
        (await world.Client.ListAsync<V1Pod>(new() { Namespace = ns }, Ct)).Items;

    private static async Task DeletePodsAsync(ClusterWorld world, string ns, string job)
    {
        foreach (var pod in (await PodsAsync(world, ns)).Where(pod => pod.Metadata.Name.StartsWith(job + "-", StringComparison.Ordinal)))
            await world.Client.DeleteAsync<V1Pod>(pod.Metadata.Name, ns, null, Ct);
    }

    /// <summary>Every pod's last state and the time it disappeared, as seen by an observer that never stops.</summary>
    private sealed class Truth : IAsyncDisposable
    {
        private readonly CancellationTokenSource _stop = new();
        private readonly Lock _gate = new();
        private readonly Dictionary<string, (V1Pod Pod, DateTimeOffset? Gone)> _pods = new(StringComparer.Ordinal);
        private (string Node, DateTimeOffset From, DateTimeOffset To) _lost;
        private Task _running = Task.CompletedTask;

        public static async Task<Truth> OpenAsync(ClusterWorld world)
        {
            var truth = new Truth();
            var pods = new Informer<V1Pod>(world.Client);
            pods.AddHandler(
                new()
                {
                    Added = pod => truth.Note(pod, null),
                    Updated = (_, pod) => truth.Note(pod, null),
                    Deleted = pod => truth.Note(pod, world.Time.GetUtcNow()),
                }
            );
            truth._running = pods.RunAsync(truth._stop.Token);
            await pods.HasSyncedAsync(Ct);
            return truth;
        }

        /// <summary>Pods that came or went while the operator was away, of which each may be off by a heartbeat.</summary>
        public int Unseen
        {
            get
            {
                lock (_gate)
                    return _pods.Count;
            }
        }

        /// <summary>The pods of a node are not billed from its last heartbeat until its return.</summary>
        public void Lose(string node, DateTimeOffset heartbeat, DateTimeOffset back) => _lost = (node, heartbeat, back);

        public Amount Total(string ns, DateTimeOffset from, DateTimeOffset to)
        {
            lock (_gate)
            {
                return _pods
                    .Values.Where(one => one.Pod.Metadata.Namespace == ns && PodTimes.ScheduledAt(one.Pod) is not null)
                    .Aggregate(Amount.Zero, (sum, one) =>
                    {
                        var (begin, end) = Span(one.Pod, one.Gone, from, to);
                        if (end <= begin)
                            return sum;
                        var lost =
                            one.Pod.Spec.NodeName == _lost.Node
                                ? (begin > _lost.From ? begin : _lost.From, end < _lost.To ? end : _lost.To)
                                : default;
                        return sum
                            + Scene.V100.For(end - begin)
                            - (lost.Item2 > lost.Item1 ? Scene.V100.For(lost.Item2 - lost.Item1) : Amount.Zero);
                    });
            }
        }

        public override string ToString()
        {
            lock (_gate)
                return string.Join(
                    '\n',
                    _pods
                        .Values.Where(one => one.Pod.Metadata.Namespace is Jobs or Serving)
                        .Select(one =>
                            $"{one.Pod.Metadata.Name} on {one.Pod.Spec.NodeName}: {Span(one.Pod, one.Gone, DateTimeOffset.MinValue, DateTimeOffset.MaxValue)}"
                        )
                );
        }

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _stop.Dispose();
        }

        private (DateTimeOffset From, DateTimeOffset To) Span(V1Pod pod, DateTimeOffset? gone, DateTimeOffset from, DateTimeOffset to)
        {
            var begin = PodTimes.ScheduledAt(pod) is { } scheduled && scheduled > from ? scheduled : from;
            var end = PodTimes.FinishedAt(pod) ?? gone ?? to;
            if (end > to)
                end = to;
            return (begin, end);
        }

        private void Note(V1Pod pod, DateTimeOffset? gone)
        {
            lock (_gate)
                _pods[pod.Metadata.Uid] = (pod, gone);
        }
    }
}
