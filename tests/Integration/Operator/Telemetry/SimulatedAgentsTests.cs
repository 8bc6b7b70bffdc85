using System.Text.Json.Nodes;
using Bursar.Core.Ledger;
using Bursar.Core.Text;
using Bursar.Kubernetes.Objects;
using Bursar.Operator.Billing;
using Bursar.Operator.Cluster;
using Bursar.Operator.Http;
using Bursar.Operator.Scaling.Signals;
using Bursar.Operator.Telemetry;
using Bursar.Sandbox.Nodes;
using Bursar.Tests.TestKit;
using Microsoft.Extensions.Logging.Abstractions;

namespace Bursar.Tests.Integration.Operator.Telemetry;

/// <summary>
/// Collector, certificate controller and agents in a simulated cluster, whose clock waits only for the pending work between them.
/// </summary>
public sealed class SimulatedAgentsTests
{
    [Fact]
    public async Task Progress_and_usage_of_a_simulated_fleet_reach_the_operator()
    {
        await using var cluster = await SimulatedCluster.StartAsync(
            new NodeSimulatorOptions
            {
                Fleet = [.. Enumerable.Range(1, 3).Select(i => new FleetNode { Name = $"n{i}", Gpus = 1 })],
                Agents = new AgentPlacement(),
            }
        );
        await cluster.Client.CreateAsync(new V1Namespace { Metadata = new() { Name = "bursar" } }, default);
        using var stop = new CancellationTokenSource();
        using var metrics = new OperatorMetrics(cluster.Time);
        var ledger = new GpuLedger();
        ledger.Install(SimulatedCluster.Start);
        var progress = new ProgressTracker();
        var stores = new ClusterStores(cluster.Client, "bursar");
        var keeper = new CertificateController(
            cluster.Client,
            "bursar",
            "bursar-agents",
            cluster.Time,
            NullLogger<CertificateController>.Instance
        );
        var collector = new AgentCollector(
            stores,
            ledger,
            progress,
            keeper,
            metrics,
            new AgentSelection("bursar-agents", "bursar-agent"),
            new Random(5),
            cluster.Time,
            NullLogger<AgentCollector>.Instance
        );
        var meter = new PodMeter(stores, ledger, progress, cluster.Time);
        stores.Pods.AddHandler(
            new()
            {
                Added = meter.Observe,
                Updated = (_, pod) => meter.Observe(pod),
                Deleted = meter.ObserveGone,
            }
        );
        Task[] loops =
        [
            stores.Pods.RunAsync(stop.Token),
            stores.Jobs.RunAsync(stop.Token),
            keeper.RunAsync(stop.Token),
            collector.RunAsync(stop.Token),
        ];
        try
        {
            for (var i = 1; i <= 3; i++)
                await cluster.CreateJobAsync(
                    SimulatedCluster.Job(
                        $"train-{i}",
                        null,
                        gpus: 1,
                        ("work", "training"),
                        ("steps", "30000"),
                        ("step-time", "100ms"),
                        ("report", "post"),
                        ("report-every", "5s")
                    )
                );

            await cluster.PassAsync(TimeSpan.FromMinutes(10));

            collector.Health.Answering.Should().Equal("n1", "n2", "n3");
            collector.Health.Missing.Should().BeEmpty();
            foreach (var job in stores.Jobs.Store.List())
            {
                var last = progress.Series(job.Metadata.Uid).Last;
                last.Should().NotBeNull();
                (cluster.Time.GetUtcNow() - last!.Value.At)
                    .Should()
                    .BeLessThan(TimeSpan.FromSeconds(15), "progress is news within seconds");
                last.Value.Total.Should().Be(30_000);
            }
            var now = cluster.Time.GetUtcNow();
            var spends = ledger.SpentByWorkload("default", LabelSelector.Everything, SimulatedCluster.Start, now, now);
            spends.Should().HaveCount(3).And.OnlyContain(s => s.Usage.MeasuredMs > 300_000 && s.Usage.EnergyMj > 0);

            // Written at last: what was read again and again counted once, and the agents may wait for news.
            foreach (var shard in ledger.DirtyShards())
                ledger.MarkWritten(shard.Name, shard.Revision);
            await cluster.PassAsync(TimeSpan.FromMinutes(10));
            var later = cluster.Time.GetUtcNow();
            ledger
                .SpentByWorkload("default", LabelSelector.Everything, SimulatedCluster.Start, later, later)
                .Should()
                .OnlyContain(s => s.Usage.MeasuredMs > 900_000 && s.Usage.MeasuredMs <= s.ReservedGpuMs);
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(loops);
        }
    }

    [Fact]
    public async Task Load_of_a_simulated_scaled_Deployment_is_cached_within_two_seconds()
    {
        await using var cluster = await SimulatedCluster.StartAsync(
            new NodeSimulatorOptions
            {
                Fleet = [.. Enumerable.Range(1, 2).Select(i => new FleetNode { Name = $"n{i}", Gpus = 1 })],
                Agents = new AgentPlacement(),
            }
        );
        await cluster.Client.CreateAsync(new V1Namespace { Metadata = new() { Name = "bursar" } }, default);
        using var stop = new CancellationTokenSource();
        using var metrics = new OperatorMetrics(cluster.Time);
        var ledger = new GpuLedger();
        ledger.Install(SimulatedCluster.Start);
        var stores = new ClusterStores(cluster.Client, "bursar");
        var keeper = new CertificateController(
            cluster.Client,
            "bursar",
            "bursar-agents",
            cluster.Time,
            NullLogger<CertificateController>.Instance
        );
        var collector = new AgentCollector(
            stores,
            ledger,
            new ProgressTracker(),
            keeper,
            metrics,
            new AgentSelection("bursar-agents", "bursar-agent"),
            new Random(5),
            cluster.Time,
            NullLogger<AgentCollector>.Instance
        )
        {
            IsScaled = pod => pod.Metadata.Labels.GetValueOrDefault("app") == "chat",
        };
        var board = new SignalCache(uid => stores.Pods.Store.GetByUid(uid)?.Spec.NodeName, cluster.Time);
        collector.Signalled += board.Record;
        Task[] loops =
        [
            stores.Pods.RunAsync(stop.Token),
            stores.ReplicaSets.RunAsync(stop.Token),
            .. stores.Kinds.Select(kind => kind.Followed.RunAsync(stop.Token)),
            keeper.RunAsync(stop.Token),
            collector.RunAsync(stop.Token),
        ];
        try
        {
            // One server of four slots: 50 requests a minute of 2 s each are little, 40 at once are much.
            var load = new ServedLoad(
                new()
                {
                    Slots = 4,
                    PrefillTokensPerSecond = 1000,
                    BetweenTokens = TimeSpan.FromMilliseconds(20),
                }
            );
            cluster.Nodes!.Serve("default", new Dictionary<string, string> { ["app"] = "chat" }, load);
            await cluster.Client.CreateAsync<V1Deployment>(Chat(), "default", default);
            await cluster.PassAsync(TimeSpan.FromMinutes(2));
            var pod = stores.Pods.Store.List().Single(one => one.Metadata.Labels.GetValueOrDefault("app") == "chat").Metadata.Uid;
            board.Get(pod)!.RequestsRunning.Should().Be(0);
            var quiet = cluster.Time.GetUtcNow();
            for (var i = 0; i < 50; i++)
                load.Offer(new(quiet + TimeSpan.FromSeconds(i * 1.2), 100, 100));
            await cluster.PassAsync(TimeSpan.FromMinutes(1));
            var seen = board.Get(pod)!;
            (cluster.Time.GetUtcNow() - seen.At).Should().BeLessThan(TimeSpan.FromSeconds(2));
            seen.RequestsWaiting.Should().Be(0);
            seen.GeneratedTokensPerSecond.Should().BeApproximately(100 / 1.2, 10);
            seen.PromptTokensPerSecond.Should().BeApproximately(100 / 1.2, 20);
            seen.FirstToken!.Quantile(0.95).Should().BeInRange(0.1, 0.25);
            seen.EndToEnd!.Quantile(0.5).Should().BeInRange(2, 2.5);
            seen.BetweenTokens!.Count.Should().BeGreaterThan(3000);
            seen.GpuUtilizationPercent.Should().BeInRange(30, 95);

            for (var i = 0; i < 40; i++)
                load.Offer(new(cluster.Time.GetUtcNow(), 100, 100));
            await cluster.PassAsync(TimeSpan.FromSeconds(2));
            board.Get(pod)!.RequestsWaiting.Should().BeInRange(30, 40);
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(loops);
        }
    }

    [Fact]
    public async Task Memory_that_a_simulated_model_server_needs_reaches_the_ledger()
    {
        await using var cluster = await SimulatedCluster.StartAsync(
            new NodeSimulatorOptions
            {
                Fleet =
                [
                    new FleetNode
                    {
                        Name = "n1",
                        Gpus = 1,
                        Gpu = SimulatedGpuModel.A100,
                    },
                ],
                Agents = new AgentPlacement(),
            }
        );
        await cluster.Client.CreateAsync(new V1Namespace { Metadata = new() { Name = "bursar" } }, default);
        using var stop = new CancellationTokenSource();
        using var metrics = new OperatorMetrics(cluster.Time);
        var ledger = new GpuLedger();
        ledger.Install(SimulatedCluster.Start);
        var stores = new ClusterStores(cluster.Client, "bursar");
        var keeper = new CertificateController(
            cluster.Client,
            "bursar",
            "bursar-agents",
            cluster.Time,
            NullLogger<CertificateController>.Instance
        );
        var collector = new AgentCollector(
            stores,
            ledger,
            new ProgressTracker(),
            keeper,
            metrics,
            new AgentSelection("bursar-agents", "bursar-agent"),
            new Random(5),
            cluster.Time,
            NullLogger<AgentCollector>.Instance
        );
        var meter = new PodMeter(stores, ledger, new ProgressTracker(), cluster.Time);
        stores.Pods.AddHandler(
            new()
            {
                Added = meter.Observe,
                Updated = (_, pod) => meter.Observe(pod),
                Deleted = meter.ObserveGone,
            }
        );
        Task[] loops =
        [
            stores.Pods.RunAsync(stop.Token),
            stores.ReplicaSets.RunAsync(stop.Token),
            .. stores.Kinds.Select(kind => kind.Followed.RunAsync(stop.Token)),
            keeper.RunAsync(stop.Token),
            collector.RunAsync(stop.Token),
        ];
        try
        {
            // The server uses 80 % of the card, and a quarter of its cache is in use.
            await cluster.Client.CreateAsync<V1Deployment>(
                Chat((SimulationAnnotations.Busy, "0.25"), (SimulationAnnotations.CacheBytes, (40L << 30).ToString())),
                "default",
                default
            );
            await cluster.PassAsync(TimeSpan.FromMinutes(10));

            var now = cluster.Time.GetUtcNow();
            var held = (long)(SimulatedGpuModel.A100.MemoryMiB * 0.8);
            foreach (var known in (GpuLedger[])[ledger, GpuLedger.Load(ledger.DirtyShards())])
                known
                    .SpentByWorkload("default", LabelSelector.Everything, SimulatedCluster.Start, now, now)
                    .Should()
                    .ContainSingle()
                    .Which.Usage.NeededMiB.Should()
                    .Be(held - 30 * 1024);
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(loops);
        }
    }

    private static JsonObject Chat(params (string Name, string Value)[] more) =>
        new()
        {
            ["apiVersion"] = "apps/v1",
            ["kind"] = "Deployment",
            ["metadata"] = new JsonObject { ["name"] = "chat", ["namespace"] = "default" },
            ["spec"] = new JsonObject
            {
                ["replicas"] = 1,
                ["selector"] = new JsonObject { ["matchLabels"] = new JsonObject { ["app"] = "chat" } },
                ["template"] = new JsonObject
                {
                    ["metadata"] = new JsonObject
                    {
                        ["labels"] = new JsonObject { ["app"] = "chat" },
                        ["annotations"] = new JsonObject([
                            new(SimulationAnnotations.Work, "inference"),
                            new(SimulationAnnotations.Startup, "5s"),
                            .. more.Select(one => KeyValuePair.Create<string, JsonNode?>(one.Name, one.Value)),
                        ]),
                    },
                    ["spec"] = new JsonObject
                    {
                        ["containers"] = new JsonArray(
                            new JsonObject
                            {
                                ["name"] = "vllm",
                                ["image"] = "vllm:1",
                                ["ports"] = new JsonArray(new JsonObject { ["name"] = "http", ["containerPort"] = 8000 }),
                                ["resources"] = new JsonObject { ["limits"] = new JsonObject { ["nvidia.com/gpu"] = "1" } },
                            }
                        ),
                    },
                },
            },
        };
}
